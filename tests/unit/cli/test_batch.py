"""`tidemill batch` against a stage on moto, the serving machine played by its use cases."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cli import scoring as at_the_desk
from cli.deployment import Deployment
from tests.unit.serving.conftest import Trained, files_of, train
from tidemill import names
from tidemill.serving.close_scoring import close_scoring
from tidemill.serving.plan_scoring import plan_scoring
from tidemill.serving.score_part import score_part
from tidemill.serving.scoring import Place

Run = Callable[..., Any]
LINE = "1,2,3.5,AA,A1"
CSV = "delay,stops,wind,carrier,gate\n" + f"{LINE}\n" * 30


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train("classification")


class Serving:
    """The serving machine: plays a scoring when it is started, all at once; `lost` parts fail."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.executions: dict[str, str] = {}
        self.lost: set[int] = set()
        self.scored: list[int] = []

    def start(self, machine: str, *, name: str, payload: dict[str, Any]) -> bool:
        assert machine == "serving"
        assert name not in self.executions
        self.executions[name] = "FAILED" if self._lose(payload) else "SUCCEEDED"
        return True

    def _lose(self, ids: dict[str, Any]) -> bool:
        ports: dict[str, Any] = {"objects": self._deployment.objects, "clock": lambda: datetime.now(UTC)}
        while True:
            told = plan_scoring(**ids, memory_mb=2048, left=lambda: timedelta(minutes=15), **ports)
            if told["outcome"] == "scored":
                close_scoring(**ids, **ports, index=self._deployment.index)
                return False
            for part in [each for each in told["parts"] if each["part"] not in self.lost]:
                self.scored.append(part["part"])
                score_part(**part, memory_mb=2048, **ports)
            if self.lost:
                return True


@pytest.fixture
def serving(deployment: Deployment, put: Any, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Serving:
    machine = Serving(deployment)
    for file, body in files_of(trained).items():
        deployment.objects.put(names.model("flights", 7) + file, body)
    put(names.POINTER_LIVE, epoch=1, champion={"model": 7, "function_version": "3"})

    def execution(_: Deployment, word: str, name: str) -> dict[str, Any] | None:
        assert word == "serving"
        return {"status": machine.executions[name], "cause": "a.csv: gone"} if name in machine.executions else None

    monkeypatch.setattr(Deployment, "execution", execution)
    monkeypatch.setattr(Deployment, "workflows", machine)
    return machine


def told(done: Any) -> Any:
    assert done.exit_code == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_file_goes_up_is_scored_and_comes_back(run: Run, serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "june.csv").write_text(CSV)
    done = run("batch", "flights", str(tmp_path / "june.csv"), "--part-mb", "0.01", "-o", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    assert "30 rows scored by model 7, none with errors" in done.stdout
    assert "cost: $0.00" in done.stdout
    assert "fetched 1 files" in done.stdout
    assert "1 of 1 parts, 30 rows" in done.stderr
    table = pq.read_table(tmp_path / "out" / "part-00001.parquet")
    assert table["file"].to_pylist() == ["june.csv"] * 30
    assert json.loads((tmp_path / "out" / "result.json").read_text())["rows"] == 30


def test_a_folder_is_scored_without_its_hidden_files(run: Run, serving: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "june"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text(CSV)
    (folder / "deep" / "b.csv").write_text(CSV + "late\n")
    (folder / "_SUCCESS").touch()
    facts = told(run("batch", "flights", str(folder), "--json", "--keep", "gate"))
    assert (facts["rows"], facts["errors"], facts["files"], facts["model"]) == (61, 1, 2, 7)
    assert facts["dollars"] > 0
    assert facts["output"] == f"s3://tidemill-dev-data/scores/flights/{facts['scoring_id']}/output/"


def test_the_same_again_is_neither_sent_nor_scored_again(
    run: Run, serving: Serving, deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    first = told(run("batch", "flights", str(tmp_path / "a.csv"), "--json"))
    again = told(run("batch", "flights", str(tmp_path / "a.csv"), "--json", "--model", "7"))
    assert {**first, "execution": None} == {**again, "execution": None}
    assert serving.scored == [1]
    kept = [key for key, _ in deployment.objects.stats(names.UNSCORED)]
    versions = deployment.client("s3").list_object_versions(Bucket=deployment.bucket, Prefix=names.UNSCORED)
    assert len(kept) == len(versions["Versions"]) == 1


def test_a_scoring_that_failed_goes_on_by_its_id_with_what_is_left(
    run: Run, serving: Serving, tmp_path: Path
) -> None:
    folder = tmp_path / "june"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.csv").write_text(CSV + f"{name}\n")
    serving.lost = {2}
    done = run("batch", "flights", str(folder))
    assert done.exit_code == 1
    (execution,) = serving.executions
    scoring_id = execution.removesuffix("-1")
    assert f"a.csv: gone; `tidemill batch flights --run {scoring_id}` goes on" in done.stderr.replace("\n", " ")
    serving.lost.clear()
    facts = told(run("batch", "flights", "--run", scoring_id, "--json"))
    assert (facts["rows"], facts["errors"]) == (93, 3)
    assert serving.scored == [1, 3, 2]
    assert list(serving.executions) == [f"{scoring_id}-1", f"{scoring_id}-2"]


def test_an_execution_that_runs_is_followed_not_doubled(run: Run, serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    facts = told(run("batch", "flights", str(tmp_path / "a.csv"), "--no-wait", "--json"))
    assert set(facts) == {"project", "scoring_id", "model", "output", "execution"}
    serving.executions[facts["execution"]] = "RUNNING"
    place = Place("flights", facts["scoring_id"])
    deployment = serving._deployment
    deployment.objects.delete(place.result)
    assert told(run("batch", "flights", "--run", place.scoring_id, "--no-wait", "--json")) == facts
    assert at_the_desk.start(deployment, place) == facts["execution"]


def test_files_of_the_bucket_are_scored_where_they_lie(run: Run, serving: Serving, deployment: Deployment) -> None:
    for name in ("june/a.csv", "june/b.csv", "june/_SUCCESS", "july.csv"):
        deployment.objects.put(names.incoming("flights", name), CSV.encode())
    root = f"s3://{deployment.bucket}/incoming/flights/"
    assert told(run("batch", "flights", f"{root}june", "--json"))["rows"] == 60
    assert told(run("batch", "flights", f"{root}july.csv", "--json"))["files"] == 1
    assert not list(deployment.objects.keys(names.UNSCORED))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["flights"], 2, "name what is to be scored"),
        (["flights", "a.csv", "--run", "score-1"], 2, "name what is to be scored"),
        (["flights", "nowhere.csv"], 2, "there is no file or folder nowhere.csv"),
        (["flights", "s3://elsewhere/a.csv"], 2, "not below s3://tidemill-dev-data/incoming/flights/ or"),
        (["flights", "s3://tidemill-dev-data/runs/flights/"], 2, "copy the files there"),
        (["flights", "s3://tidemill-dev-data/incoming/flights/none"], 1, "there is no file"),
        (["flights", "--run", "score-1"], 1, "has no scoring 'score-1' (it has: none yet"),
        (["ships", "a.csv"], 1, "no project 'ships'"),
        (["flights", "a.csv", "--no-wait", "-o", "out"], 2, "--download waits for the output"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_remedy(
    run: Run, serving: Serving, arguments: list[str], code: int, message: str
) -> None:
    done = run("batch", *arguments)
    assert done.exit_code == code
    assert message in done.stderr


def test_a_project_without_a_champion_needs_a_model_named(
    run: Run, deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    done = run("batch", "flights", str(tmp_path / "a.csv"))
    assert done.exit_code == 1
    assert "has no champion yet; upload data" in done.stderr


def test_a_fetch_that_was_stopped_goes_on(run: Run, serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    facts = told(run("batch", "flights", str(tmp_path / "a.csv"), "-o", str(tmp_path / "out"), "--json"))
    whole = tmp_path / "out" / "part-00001.parquet"
    body = whole.read_bytes()
    whole.write_bytes(body[:100])
    again = told(run("batch", "flights", "--run", facts["scoring_id"], "-o", str(tmp_path / "out"), "--json"))
    assert (whole.read_bytes(), again["fetched"]) == (body, 1)
