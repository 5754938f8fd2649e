"""The training stage on the embedded cloud: a search that is killed, stopped and resumed loses nothing."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from cli import connection, reading
from cli.deployment import Deployment
from cli.main import app
from cli.story import diamonds
from tidemill import names
from tidemill.client import Client

PROJECT = "pebbles"
RUN = "pebbles-v00001"
TRIALS = 12
PATIENCE = 300


def run(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def wait_for(what: Any, done: Any) -> Any:
    """What it gives, once it is done."""
    deadline = time.monotonic() + PATIENCE
    while not done(found := what()):
        assert time.monotonic() < deadline, f"not within {PATIENCE} s; last seen: {str(found)[:500]}"
        time.sleep(0.05)
    return found


def row(deployment: Deployment) -> dict[str, Any]:
    return deployment.index.get(names.pk(PROJECT), names.sk_run(RUN)) or {}


def workers() -> list[int]:
    """The processes of RunTrial's execution environments in this cloud."""
    here = f"AWS_ENDPOINT_URL=http://127.0.0.1:{os.environ[connection.ENV_PORT]}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is somebody else's
        if here in variables and any(each.startswith(b"_HANDLER=") and b"run_trial" in each for each in variables):
            found.append(int(process.name))
    return found


def ended(deployment: Deployment) -> list[dict[str, Any]]:
    return reading.trials(deployment.objects, PROJECT, RUN)


def running(deployment: Deployment) -> list[dict[str, Any]]:
    numbers = {trial["trial"] for trial in ended(deployment)}
    return reading.running_trials(deployment.index, PROJECT, RUN, ended=numbers)


@pytest.fixture(scope="module")
def stopped(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the run had found when a person stopped it; before that, workers were killed amid their trials."""
    file = tmp_path_factory.mktemp("pebbles") / "pebbles.csv"
    file.write_bytes(diamonds.to_csv(diamonds.diamonds(3000, seed=11)))
    run("data", "push", PROJECT, str(file))
    wait_for(lambda: running(deployment), lambda found: len(found) > 0)
    killed = workers()
    assert killed
    for process in killed:
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: ended(deployment), lambda found: len(found) >= 3)
    run("runs", "stop", PROJECT, RUN, "--reason", "to see what is left", "--json")
    wait_for(lambda: row(deployment), lambda found: found["state"] != "running")
    return ended(deployment)


def test_a_stopped_run_keeps_what_it_found_and_releases_nothing(
    deployment: Deployment, stopped: list[dict[str, Any]]
) -> None:
    found = row(deployment)
    assert found["state"] == "stopped", found
    assert found["reason"].endswith("to see what is left")
    assert 3 <= len(stopped) < TRIALS
    assert not running(deployment)
    assert reading.models(deployment.index, PROJECT) == []


def test_a_resumed_run_completes_all_trials_and_repeats_none(
    deployment: Deployment, stopped: list[dict[str, Any]]
) -> None:
    told = run("runs", "resume", PROJECT, RUN, "--json")
    assert told["execution"] == f"{RUN}-r1"
    run("runs", "follow", PROJECT, RUN, "--minutes", "5")
    trials = ended(deployment)
    assert [trial for trial in trials if trial in stopped] == stopped
    assert [trial["trial"] for trial in trials] == list(range(TRIALS))
    assert {trial["state"] for trial in trials} <= {"complete", "pruned"}
    assert row(deployment)["state"] == "passed", row(deployment)


def test_a_notebook_opens_the_runs_study(deployment: Deployment, stopped: list[dict[str, Any]]) -> None:
    client = Client("local", objects=deployment.objects, index=deployment.index, by="a notebook")
    study = optuna.load_study(study_name=RUN, storage=client.studies(PROJECT))
    assert [trial.number for trial in study.trials] == list(range(TRIALS))
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    best = json.loads(deployment.objects.get(names.run(PROJECT, RUN) + "best.json"))
    assert study.best_trial.number == best["trial"]
    assert study.best_value == best["value"]
