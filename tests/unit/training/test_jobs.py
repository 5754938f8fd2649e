"""`python -m tidemill.jobs.train`: what a container of SageMaker does with its hyperparameters."""

import json
import threading
from pathlib import Path
from typing import Any

import boto3
import pytest

from tidemill import names
from tidemill.adapters import wiring
from tidemill.jobs import train
from tidemill.training import pipeline
from tidemill.training.studies.storage import StudyStorage

POINT = {"C": "0.5"}


class Container:
    """`/opt/ml` of one machine of a job, and its program."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch

    def prepare(self, task: dict[str, str], *, host: str = "algo-1", hosts: tuple[str, ...] = ("algo-1",)) -> Path:
        base = self._folder / host
        config = base / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        run = {"project": "tides", "run_id": "tides-v00001"}
        (config / "hyperparameters.json").write_text(json.dumps({**run, **task}))
        resources = {"current_host": host, "hosts": list(hosts), "current_instance_type": "ml.c5.xlarge"}
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        return base

    def run(self, task: dict[str, str]) -> dict[str, Any]:
        base = self.prepare(task)
        self._monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(base))
        self._monkeypatch.setenv("TRAINING_JOB_NAME", "tidemill-test-job")
        train.main()
        left: dict[str, Any] = json.loads((base / "model" / "job.json").read_text())
        return left


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    return Container(tmp_path, monkeypatch)


def opened(mill: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The mill's planned run, whose ports the program finds."""
    mill.plan()
    monkeypatch.setattr(wiring, "objects", lambda: mill.objects)
    monkeypatch.setattr(wiring, "index", lambda: mill.index)
    storage = StudyStorage(lambda: (mill.index, mill.objects), "tides")
    monkeypatch.setattr(wiring, "studies", lambda project: storage)
    return mill


def test_a_slot_runs_all_trials_that_are_left(new_mill: Any, monkeypatch: Any, container: Container) -> None:
    mill = opened(new_mill(search={"trials": 3}), monkeypatch)
    assert container.run({"task": "slot", "slot": "0"})["trials"] == [0, 1, 2]
    trial = mill.file("trials/0001.json")
    assert (trial["state"], trial["instance"]) == ("complete", "ml.c5.xlarge")
    assert trial["log"] == {"group": names.TRAINING_LOGS, "stream": "tidemill-test-job/algo-1-"}


def test_boto3_finds_the_region_that_sagemaker_tells(
    new_mill: Any, monkeypatch: Any, container: Container
) -> None:
    opened(new_mill(search={"trials": 1}), monkeypatch)
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")  # so that it is put back
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    container.run({"task": "slot", "slot": "0"})
    assert boto3.session.Session().region_name == "eu-north-1"


def test_a_tuned_trial_says_its_objective(
    new_mill: Any, monkeypatch: Any, container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    mill = opened(new_mill(search={"sampler": "sagemaker"}, compute="sagemaker"), monkeypatch)
    left = container.run({"task": "trial", "algorithm": "linear", **POINT})
    trial = mill.file("trials/0000.json")
    assert (left["trial"], left["value"]) == (0, trial["value"])
    assert (trial["parameters"], trial["job"]) == ({"C": 0.5}, "tidemill-test-job")
    assert f"objective={trial['value']};" in capsys.readouterr().out


def test_what_fails_is_told_where_sagemaker_looks(
    new_mill: Any, monkeypatch: Any, container: Container, tmp_path: Path
) -> None:
    opened(new_mill(), monkeypatch)
    with pytest.raises(Exception, match="best"):
        container.run({"task": "fit"})
    told = (tmp_path / "algo-1" / "output" / "failure").read_text()
    assert told.startswith("RecordNotFound: ")
    assert not (tmp_path / "algo-1" / "model").exists()


def test_a_trial_that_cannot_be_fitted_fails_its_job(
    new_mill: Any, monkeypatch: Any, container: Container
) -> None:
    mill = opened(new_mill(search={"sampler": "sagemaker"}, compute="sagemaker"), monkeypatch)

    def unfit(*arguments: Any, **options: Any) -> Any:
        raise ValueError("it does not converge")

    monkeypatch.setattr(pipeline, "fit", unfit)
    with pytest.raises(Exception, match="trial 0 failed: ValueError: it does not converge"):
        container.run({"task": "trial", "algorithm": "linear", **POINT})
    assert mill.file("trials/0000.json")["state"] == "failed"


def test_machines_share_a_forest_and_the_first_one_waits_for_the_rest(
    new_mill: Any, monkeypatch: Any, container: Container
) -> None:
    search = {"trials": 1, "algorithms": ["random_forest"]}
    whole = new_mill(search=search)
    whole.plan()
    whole.search()
    whole.step("select_best")
    whole.step("fit_final")
    mill = opened(new_mill(search=search), monkeypatch)
    mill.search()
    mill.step("select_best")
    hosts = ("algo-1", "algo-2", "algo-3")
    folders = {host: container.prepare({"task": "fit"}, host=host, hosts=hosts) for host in hosts}
    task = {"project": "tides", "run_id": "tides-v00001", "task": "fit"}
    first = threading.Thread(target=train.work, args=(task, "job", folders["algo-1"]), daemon=True)
    first.start()
    first.join(timeout=0.5)
    assert first.is_alive(), "it has nothing to merge yet"
    for host in hosts[1:]:
        assert train.work(task, "job", folders[host])["shard"] == hosts.index(host)
    first.join(timeout=60)
    key = "runs/tides/tides-v00001/final/model.skops"
    assert mill.objects.get(key) == whole.objects.get(key)
    assert mill.file("final/final.json")["instance"] == "ml.c5.xlarge"
