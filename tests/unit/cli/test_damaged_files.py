"""Each damaged file of the story breaks the rule it is meant to break, and only good rows pass."""

from datetime import UTC, datetime

import pytest
import yaml

from cli.story import diamonds, flights, wines
from cli.story.damaged import damaged_files
from infra.project_files import FOLDER
from tidemill import names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.data.register_version import register_version
from tidemill.data.validate_version import validate_version
from tidemill.projects import Project, parse

AT = datetime(2026, 3, 1, tzinfo=UTC)


def project(name: str) -> Project:
    return parse(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def verdict(body: bytes, rules: Project) -> str | None:
    """The code with which the data stage would refuse the file; None if it would take it."""
    objects, index = MemoryObjects(), MemoryIndex()
    objects.put(names.incoming(rules.name, "a.csv"), body)
    ports = {"objects": objects, "index": index}
    event = {"key": names.incoming(rules.name, "a.csv"), "version_id": "1", "sequencer": "1", "bucket": "b"}
    answer = register_version(**event, load_project=lambda _: rules, **ports, clock=lambda: AT)
    if answer["outcome"] == "registered":
        answer = validate_version(project=rules, batch_id=answer["batch_id"], **ports)
    return answer.get("code")


@pytest.mark.parametrize("number", range(5))
def test_code(number: int) -> None:
    file = damaged_files(flights.months(1).head(3000))[number]
    assert verdict(file.body, project("flights")) == file.code


def test_codes_differ() -> None:
    assert len({file.code for file in damaged_files(flights.months(1).head(100))}) == 5


@pytest.mark.parametrize("months", [(1, 2), (3, 4)])
def test_whole_months_are_accepted(months: tuple[int, ...]) -> None:
    assert verdict(flights.to_csv(flights.months(*months)), project("flights")) is None


@pytest.mark.parametrize("count", [100, 4000])
def test_diamonds_are_accepted(count: int) -> None:
    frame = diamonds.diamonds(count, seed=1)
    assert len(frame) == count
    assert verdict(diamonds.to_csv(frame), project("diamonds")) is None


def test_wines_are_accepted_and_another_cultivar_is_not() -> None:
    frame = wines.wines(seed=1)
    assert frame["cultivar"].value_counts().to_dict() == {"Grignolino": 71, "Barolo": 59, "Barbera": 48}
    assert verdict(wines.to_csv(frame), project("wines")) is None
    frame.loc[:10, "cultivar"] = "Nebbiolo"
    assert verdict(wines.to_csv(frame), project("wines")) == "not_allowed"
