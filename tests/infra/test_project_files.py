"""A project file that is not valid fails synth, with what is wrong in it."""

from pathlib import Path

import pytest

from infra.project_files import read
from tidemill.errors import ProjectInvalid

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_projects_of_the_checkout_are_valid() -> None:
    assert set(read(ROOT / "projects")) >= {"flights", "diamonds", "wines"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: classification", "name: Field required"),
        ("name: [", "bad.yaml"),
        ((ROOT / "projects" / "flights.yaml").read_text(), "name the file flights.yaml"),
        ((ROOT / "projects" / "flights.yaml").read_text() + "\nsurprise: 1\n", "surprise"),
    ],
)
def test_a_file_that_is_not_valid_is_refused_by_name_and_fault(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ProjectInvalid, match=r"bad\.yaml") as refused:
        read(tmp_path)
    assert message in str(refused.value)
