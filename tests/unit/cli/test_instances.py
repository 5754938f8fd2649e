"""Instances from CSV and JSON, with the project's types."""

import pytest
import yaml

from cli.errors import NotFound, Usage
from cli.instances import read_instances
from cli.project_file import read_project
from infra.project_files import FOLDER
from tidemill.projects import parse

DIAMONDS = parse(yaml.safe_load((FOLDER / "diamonds.yaml").read_text()))
HEADER = "price,carat,cut,color,clarity,depth,table,x,y,z"
FLIGHTS = read_project("flights")


def test_csv_gives_features_with_their_types_and_nothing_else() -> None:
    found = read_instances(f"{HEADER}\n326,0.23,Ideal,E,SI2,61.5,55,3.95,3.98,2.43\n", DIAMONDS, as_table=True)
    assert found == [
        {"carat": 0.23, "cut": "Ideal", "color": "E", "clarity": "SI2", "depth": 61.5, "table": 55.0}
        | {"x": 3.95, "y": 3.98, "z": 2.43}
    ]
    assert isinstance(found[0]["table"], float)


def test_empty_cells_are_null_and_integers_are_integers() -> None:
    header = ",".join(FLIGHTS.features)
    found = read_instances(f"{header}\n5,17,200.0,1400,,,0.0,UA,EWR\n", FLIGHTS, as_table=True)
    assert found[0]["airport_delay"] is None
    assert found[0]["departure_delay"] == 5
    assert isinstance(found[0]["scheduled_minutes"], int)


@pytest.mark.parametrize("text", ['[{"carat": 1}]', '{"instances": [{"carat": 1}]}', '{"carat": 1}'])
def test_json_in_three_forms(text: str) -> None:
    assert read_instances(text, DIAMONDS, as_table=False) == [{"carat": 1}]


@pytest.mark.parametrize(
    ("text", "as_table", "message"),
    [
        ("carat\n1\n", True, "no column cut, color"),
        (f"{HEADER}\n326,big,Ideal,E,SI2,61.5,55,3.95,3.98,2.43\n", True, "line 2, carat: 'big' is not a number"),
        ("carat=1", False, "neither a .csv file nor JSON"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, as_table: bool, message: str) -> None:
    with pytest.raises(Usage, match=message):
        read_instances(text, DIAMONDS, as_table=as_table)


def test_a_project_without_a_file_here() -> None:
    with pytest.raises(NotFound, match="send JSON instead"):
        read_project("elsewhere")
