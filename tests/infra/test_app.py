"""The arguments that `app.py` chooses from the context."""

from pathlib import Path

import pytest

from app import PROJECTS, chosen, project_folder
from infra.stages import DEV, LOCAL


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


def test_the_context_may_name_another_folder_of_project_files(tmp_path: Path) -> None:
    assert project_folder({}) == PROJECTS
    assert project_folder({"projects": str(tmp_path)}) == tmp_path
    with pytest.raises(SystemExit, match="no such folder; name one that holds"):
        project_folder({"projects": str(tmp_path / "nowhere")})
