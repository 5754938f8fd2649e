"""A job that ignores SIGTERM is killed when its grace period is over; one that heeds it has the time it needs."""

import json
import signal

import pytest

from local.extensions.sagemaker.hosts import Host
from local.extensions.sagemaker.images import Program

JOB = {
    "TrainingJobName": "job",
    "TrainingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:training-job/job",
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}
PROGRAM = """
import signal, sys, time
def tidy(*_):
    open("tidied", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[1] == "ignores" else tidy)
print("ready", flush=True)
while True:
    time.sleep(0.02)
"""


@pytest.fixture
def started(tmp_path, monkeypatch, eventually):
    """A host on which the program runs."""
    monkeypatch.setenv("GATEWAY_PORT", "1")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "stubborn.py").write_text(PROGRAM)
    made = []

    def start(manner):
        host = Host(JOB, name="algo-1", hosts=["algo-1"], root=tmp_path / "root")
        printed = []
        program = Program("stubborn", (manner,), (str(tmp_path / "code"),))
        host.start(program, host.variables({}, "us-east-1"), lambda name, line: printed.append(line))
        made.append(host)
        assert eventually(lambda: printed == ["ready"], seconds=60)
        return host

    yield start
    for host in made:
        host.close()


def test_what_ignores_the_signal_is_killed(started) -> None:
    host = started("ignores")
    host.terminate(0.3)
    assert host.code() is None
    host.close()
    assert host.code() == -signal.SIGKILL


def test_what_heeds_the_signal_may_tidy_up(started) -> None:
    host = started("heeds")
    host.terminate(30)
    assert host.code() == 0
    assert (host.root / "tidied").exists()


def test_the_environment_is_the_hosts_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "1")
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    host = Host(JOB, name="algo-1", hosts=["algo-1", "algo-2"], root=tmp_path)
    variables = host.variables({"AWS_ACCESS_KEY_ID": "of the role"}, "us-east-1")
    assert "SECRET_OF_THE_SERVER" not in variables
    assert variables["AWS_ACCESS_KEY_ID"] == "of the role"
    assert json.loads(variables["SM_HOSTS"]) == ["algo-1", "algo-2"]
