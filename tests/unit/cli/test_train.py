"""`tidemill train --local`: a run on this machine has the form of any other run."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from typer.testing import CliRunner

from cli import project_file
from cli.main import app
from tests.unit.training.conftest import DOCUMENT, tide_rows
from tidemill import projects
from tidemill.adapters.directory import DirectoryObjects
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.training.studies.storage import StudyStorage


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows; the checkout's project is `tides`."""
    monkeypatch.setattr("cli.commands.train.read_project", lambda name: projects.parse({**DOCUMENT, "name": name}))
    folder = tmp_path / "rows"
    folder.mkdir()
    tide_rows(300).to_csv(folder / "a.csv", index=False)
    return folder


def train(tmp_path: Path, files: Path, *more: str, code: int = 0) -> dict[str, Any]:
    command = ["train", "tides", "--local", str(files), "--out", str(tmp_path / "out"), "--json", *more]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if code == 0 else {"told": done.output}


def test_a_run_here_leaves_what_a_run_leaves(tmp_path: Path, files: Path) -> None:
    facts = train(tmp_path, files)
    assert (facts["state"], facts["counts"]["complete"], facts["cost"]) == ("passed", 2, None)
    left = {str(path.relative_to(facts["folder"])) for path in Path(facts["folder"]).rglob("*") if path.is_file()}
    assert left >= {
        "plan.json", "prepared.json", "best.json", "evaluation.json", "trials/0000.json", "trials/0001.json",
        "final/final.json", "final/model.skops", "final/model.onnx", "final/profile.json",
    }  # fmt: skip
    out = tmp_path / "out"
    storage = StudyStorage(lambda: (SqliteIndex(out / "index.sqlite"), DirectoryObjects(out)), "tides")
    study = optuna.load_study(storage=storage, study_name=facts["run_id"])
    assert study.best_value == pytest.approx(facts["best"]["value"])


def test_it_goes_on_where_it_was_and_makes_the_same_model_again(tmp_path: Path, files: Path) -> None:
    first = train(tmp_path, files)
    again = train(tmp_path, files, "--run", first["run_id"])
    assert again["final"] == first["final"]
    assert [trial["started_at"] for trial in again["trials_done"]] == [
        trial["started_at"] for trial in first["trials_done"]
    ]
    other = train(tmp_path, files, "--run", "tides-v00001-local-b")
    assert other["final"]["sha256"] == first["final"]["sha256"]


def test_changed_files_are_another_version(tmp_path: Path, files: Path) -> None:
    first = train(tmp_path, files, "--trials", "1")
    tide_rows(50, seed=9).to_csv(files / "b.csv", index=False)
    told = train(tmp_path, files, "--run", first["run_id"], code=2)["told"]
    assert "which are version 2" in told
    assert train(tmp_path, files, "--trials", "1", "--seed", "3")["dataset_version"] == 2


def test_rows_that_cannot_be_learnt_from_end_it_with_the_reason(tmp_path: Path, files: Path) -> None:
    tide_rows(300).assign(full=1.0).to_csv(files / "a.csv", index=False)
    told = train(tmp_path, files, code=1)["told"]
    assert "there is nothing to tell apart" in told
    index = SqliteIndex(tmp_path / "out" / "index.sqlite")
    (row,) = index.query("PROJECT#tides", "RUN#")
    assert (row["state"], row["error"]) == ("failed", "RunFailed")


def test_a_project_that_is_not_there_is_told(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.commands.train.read_project", project_file.read_project)
    assert "tides.yaml" in train(tmp_path, files, code=1)["told"]
