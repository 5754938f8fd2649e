"""The arguments that `app.py` chooses from the context."""

from pathlib import Path

import pytest

from app import chosen
from infra.project_files import folder
from infra.stages import DEV, LOCAL
from tidemill.errors import ProjectInvalid


def test_the_stage_is_dev_unless_the_context_names_another() -> None:
    assert chosen({}) == DEV
    assert chosen({"stage": "local", "nag": "true"}) == LOCAL


def test_the_context_may_change_the_architecture_and_who_hears_of_alarms() -> None:
    stage = chosen({"stage": "prod", "architecture": "arm64", "alarm_email": "someone@example.org"})
    assert (stage.name, stage.architecture, stage.alarm_email) == ("prod", "arm64", "someone@example.org")


@pytest.mark.parametrize(
    ("context", "message"),
    [({"stage": "nope"}, "local, dev, prod"), ({"architecture": "mips"}, "x86_64, arm64")],
)
def test_what_does_not_exist_is_refused_with_the_choices(context: dict[str, str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        chosen(context)


def test_the_environment_may_name_another_folder_of_project_files(tmp_path: Path) -> None:
    assert folder({}) == Path(__file__).parents[2] / "projects"
    assert folder({"TIDEMILL_PROJECTS": str(tmp_path)}) == tmp_path
    with pytest.raises(ProjectInvalid, match="no such folder; name one"):
        folder({"TIDEMILL_PROJECTS": str(tmp_path / "nowhere")})
