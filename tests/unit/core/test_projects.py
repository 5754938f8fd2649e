"""The project file: what it accepts, and how it says what is wrong."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from tidemill import projects
from tidemill.errors import ProjectInvalid, ProjectUnknown

ROOT = Path(__file__).resolve().parents[3]
VALID = {
    "name": "tides",
    "description": "Will the tide be high?",
    "task": "classification",
    "target": "high",
    "time": "at",
    "columns": {
        "high": {"type": "integer", "allowed": [0, 1]},
        "at": {"type": "timestamp"},
        "moon": {"type": "number", "minimum": 0, "maximum": 1},
        "harbour": {"type": "category"},
    },
    "features": ["moon", "harbour"],
}


def changed(**changes: object) -> dict:
    document = copy.deepcopy(VALID)
    document.update(changes)
    return document


def test_a_valid_file_has_defaults_for_all_that_it_leaves_out() -> None:
    project = projects.parse(VALID)
    assert project.metric == "log_loss"
    assert project.search.trials == 8
    assert list(project.feature_columns()) == ["moon", "harbour"]


def test_regression_is_measured_by_root_mean_squared_error() -> None:
    assert projects.parse(changed(task="regression")).metric == "rmse"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (changed(features=["moon", "wind"]), "wind"),
        (changed(features=["moon", "high"]), "would leak"),
        (changed(features=["moon", "at"]), "timestamps"),
        (changed(features=[]), "at least one"),
        (changed(target="harbour", features=["moon"]), "must be a number"),
        (changed(name="Tides!"), "name"),
        (changed(surprise=1), "surprise"),
        (changed(rollout={"steps": [1.5]}), "rollout.steps.0"),
        ([], "file"),
    ],
)
def test_a_fault_is_named_with_its_place(document: object, place: str) -> None:
    with pytest.raises(ProjectInvalid, match=place):
        projects.parse(document)


def test_an_unknown_project_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / projects.PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tides.json").write_text(json.dumps(VALID))
    monkeypatch.syspath_prepend(tmp_path)
    assert projects.load("tides").target == "high"
    for name in ("ebb", "../tides", ""):
        with pytest.raises(ProjectUnknown, match="deploy again"):
            projects.load(name)


@pytest.mark.parametrize("path", sorted((ROOT / "projects").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_projects_are_valid_and_named_like_their_files(path: Path) -> None:
    assert projects.parse(yaml.safe_load(path.read_text())).name == path.stem
