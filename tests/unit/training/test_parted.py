"""Machines that grow one model together: the jobs' program in real processes on 127.0.0.1; and the model that is
made again from its record."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training.test_reproduce import record_of, rewrite
from tidemill import canonical
from tidemill.adapters.directory import DirectoryObjects
from tidemill.errors import MachineLost
from tidemill.training import parted, prepare
from tidemill.training.reproduce import reproduce

LIBRARY = Path(__file__).resolve().parents[3] / "layers/core/python"
ENOUGH = 240.0
RUN = {"project": "tides", "run_id": "tides-v00001"}
MODEL = "runs/tides/tides-v00001/final/"
PROGRAM = """
import os, signal, sys
from tidemill.adapters import wiring
from tidemill.adapters.directory import DirectoryObjects
from tidemill.jobs import train
from tidemill.training.algorithms import boosters

wiring.objects = lambda: DirectoryObjects(sys.argv[1])
if "dies" in sys.argv:
    lightgbm = boosters.library()
    begun = lightgbm.train
    def die(state):
        if state.iteration == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    lightgbm.train = lambda *arguments, **options: begun(*arguments, **options, callbacks=[die])
train.main()
"""


@pytest.fixture
def searched(new_mill: Any) -> Any:
    mill = new_mill(search={"trials": 1, "algorithms": ["lightgbm"]})
    mill.plan()
    mill.search()
    mill.step("select_best")
    return mill


class Job:
    """A job of several machines, each a process with an `/opt/ml` of its own, on the mill's objects."""

    def __init__(self, mill: Any, folder: Path, count: int, stack: ExitStack) -> None:
        self.bucket, self.folder, self._stack = DirectoryObjects(folder / "bucket"), folder, stack
        for key in mill.objects.keys(""):
            self.bucket.put_new(key, mill.objects.get(key))
        self.hosts = [f"algo-{number + 1}" for number in range(count)]
        with ExitStack() as held:
            sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in self.hosts]
            ports = [each.getsockname()[1] for each in sockets]
        self._addresses = {host: f"127.0.0.1:{port}" for host, port in zip(self.hosts, ports, strict=True)}
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, host: str, *words: str) -> None:
        base = self.folder / host
        config = base / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps({**RUN, "task": "fit"}))
        resources = {"current_host": host, "hosts": self.hosts, "current_instance_type": "ml.m5.xlarge"}
        (config / "resourceconfig.json").write_text(json.dumps(resources))
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(LIBRARY),
            "SAGEMAKER_BASE_DIR": str(base),
            "TRAINING_JOB_NAME": "job",
            "TIDEMILL_HOST_ADDRESSES": json.dumps(self._addresses),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(self.bucket.root), *words]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._stack.callback(end, process)
        self.processes[host] = process

    def ended(self, host: str) -> tuple[int, str]:
        said, _ = self.processes[host].communicate(timeout=ENOUGH)
        return self.processes[host].returncode, said

    def left(self, host: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / host / "model" / "job.json").read_text())
        return found


def end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_machines_grow_one_model_and_reproduce_makes_it_again(
    searched: Any, tmp_path: Path, stack: ExitStack
) -> None:
    job = Job(searched, tmp_path, 3, stack)
    for host in reversed(job.hosts):
        job.start(host)
    for host in job.hosts:
        code, said = job.ended(host)
        assert code == 0, said
    final = json.loads(job.bucket.get(MODEL + "final.json"))
    assert final["parted"] == 3
    assert final["threads"] == 1
    digests = {job.left(host)["sha256"] for host in job.hosts[1:]}
    assert digests == {final["sha256"]["model.skops"]}, "every machine ends with the same model"

    searched.step("fit_final")
    alone = searched.file("final/final.json")
    assert "parted" not in alone
    assert alone["sha256"]["model.skops"] != final["sha256"]["model.skops"], "it is another one than one machine's"

    for key in job.bucket.keys(MODEL):
        searched.objects.versions[key] = [job.bucket.get(key)]
    found = reproduce(record_of(searched, run_id=searched.RUN), objects=searched.objects)
    assert found["same"], found["checks"]
    rewrite(searched, "final/final.json", parted=1)
    found = reproduce(record_of(searched, run_id=searched.RUN), objects=searched.objects)
    assert not found["same"]
    assert 0 < found["answers"]["largest_difference"] < 0.5


def test_a_machine_that_dies_ends_the_others(searched: Any, tmp_path: Path, stack: ExitStack) -> None:
    job = Job(searched, tmp_path, 3, stack)
    job.start("algo-1")
    job.start("algo-2", "dies")
    job.start("algo-3")
    assert job.ended("algo-2")[0] == -signal.SIGKILL
    for host in ("algo-1", "algo-3"):
        code, said = job.ended(host)
        assert code == 1, said
        told = (tmp_path / host / "output" / "failure").read_text()
        assert told.startswith(("MachineLost: machine", "ValueError: lightgbm: ")), told
    assert not job.bucket.exists(MODEL + "final.json")


def test_a_machine_that_fails_tells_why(searched: Any, tmp_path: Path, stack: ExitStack) -> None:
    best = searched.file("best.json")
    point = canonical.dumps({**best, "parameters": {"num_leaves": 1}})
    searched.objects.put("runs/tides/tides-v00001/best.json", point)
    job = Job(searched, tmp_path, 2, stack)
    for host in job.hosts:
        job.start(host)
    assert [job.ended(host)[0] for host in job.hosts] == [1, 1]
    reasons = [(tmp_path / host / "output" / "failure").read_text() for host in job.hosts]
    assert any(reason.startswith("ValueError: lightgbm: ") for reason in reasons), reasons


def test_a_job_that_comes_late_finds_the_model(searched: Any, tmp_path: Path, stack: ExitStack) -> None:
    searched.step("fit_final")
    job = Job(searched, tmp_path, 2, stack)
    before = canonical.sha256(job.bucket.get(MODEL + "final.json"))
    for host in job.hosts:
        job.start(host)
    for host in job.hosts:
        code, said = job.ended(host)
        assert code == 0, said
    assert canonical.sha256(job.bucket.get(MODEL + "final.json")) == before


def test_a_process_that_cannot_fit_is_told_of(searched: Any) -> None:
    plan = searched.project
    rows = prepare.load(searched.objects.get("runs/tides/tides-v00001/prepared/train.npz"))
    point = {"algorithm": "lightgbm", "parameters": {"num_leaves": 1}}
    with pytest.raises(MachineLost, match=r"of 2 processes .* ended early: .*lightgbm: .*num_leaves"):
        parted.fit_here(point, rows, project=plan, seed=1, machines=2, threads=1)
