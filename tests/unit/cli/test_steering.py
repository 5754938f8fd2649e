"""`runs stop`, `runs resume`, and what `runs follow` shows of a search under way."""

import io
import json
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from rich.console import Console

from cli import reading
from cli.commands import waiting
from cli.deployment import Deployment
from cli.following import RunView
from tidemill import names
from tidemill.training.studies.storage import StudyStorage

Run = Callable[..., Any]
RUN = "flights-v00001"
INPUT = {"reason": "new dataset version", "trigger": "data", "options": {}}
ROW = {"run_id": RUN, "dataset_version": 1, "at": "2025-03-01T12:00:00+00:00", "trials": 8, "input": INPUT}


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The executions of the training machine and their status: what is started runs, what is aborted has ended."""
    found: dict[str, str] = {RUN: "RUNNING"}

    def execution(_: Deployment, machine: str, name: str) -> dict[str, Any] | None:
        assert machine == "training"
        return {"status": found[name]} if name in found else None

    class Workflows:
        def start(self, machine: str, *, name: str, payload: dict[str, Any]) -> bool:
            assert (machine, payload) == (
                "training",
                {"project": "flights", "run_id": RUN, "dataset_version": 1, **INPUT},
            )
            found[name] = "RUNNING"
            return True

    monkeypatch.setattr(Deployment, "execution", execution)
    monkeypatch.setattr(Deployment, "workflows", Workflows())
    monkeypatch.setattr(Deployment, "abort", lambda _, machine, name, cause: found.update({name: "ABORTED"}))
    return found


def row(deployment: Deployment) -> dict[str, Any]:
    return deployment.index.get(names.pk("flights"), names.sk_run(RUN)) or {}


def test_stop_asks_the_run_to_end(run: Run, put: Any, deployment: Deployment, executions: dict) -> None:
    put(names.sk_run(RUN), **ROW, state="running")
    done = run("runs", "stop", "flights", "--reason", "the data is wrong")
    assert done.exit_code == 0, done.stderr
    assert "begins no further trial" in done.stdout
    assert row(deployment)["stop"]["reason"] == "the data is wrong"
    assert (row(deployment)["state"], executions[RUN]) == ("running", "RUNNING")


def test_stop_at_once_ends_the_execution(run: Run, put: Any, deployment: Deployment, executions: dict) -> None:
    put(names.sk_run(RUN), **ROW, state="running", execution=f"{RUN}-r1")
    executions[f"{RUN}-r1"] = "RUNNING"
    done = run("runs", "stop", "flights", RUN, "--at-once", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["state"] == row(deployment)["state"] == "stopped"
    assert executions[f"{RUN}-r1"] == "ABORTED"


def test_a_run_that_has_ended_is_not_stopped(run: Run, put: Any, executions: dict) -> None:
    put(names.sk_run(RUN), **ROW, state="passed")
    done = run("runs", "stop", "flights")
    assert done.exit_code == 1
    assert "has ended as 'passed'" in done.stderr


@pytest.mark.parametrize(
    ("state", "execution"), [("stopped", "SUCCEEDED"), ("failed", "FAILED"), ("running", "ABORTED")]
)
def test_resume_goes_on(
    run: Run, put: Any, deployment: Deployment, executions: dict, state: str, execution: str
) -> None:
    put(names.sk_run(RUN), **ROW, state=state)
    executions[RUN] = execution
    done = run("runs", "resume", "flights", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["execution"] == row(deployment)["execution"] == f"{RUN}-r1"
    assert executions[f"{RUN}-r1"] == "RUNNING"


def test_a_run_under_way_is_not_resumed(run: Run, put: Any, executions: dict) -> None:
    put(names.sk_run(RUN), **ROW, state="running")
    done = run("runs", "resume", "flights")
    assert done.exit_code == 1
    assert "is under way" in done.stderr
    assert list(executions) == [RUN]


def test_trials_that_run_are_read_from_their_study(deployment: Deployment) -> None:
    assert reading.running_trials(deployment.index, "flights", RUN) == []
    storage = StudyStorage(lambda: (deployment.index, deployment.objects), "flights")
    study = optuna.create_study(study_name=RUN, storage=storage)
    study.tell(study.ask(), 1.0)
    trial = study.ask()
    trial.set_user_attr("algorithm", "linear")
    trial.set_user_attr("slot", 3)
    trial.report(0.7, 1)
    trial.report(0.6, 2)
    (found,) = reading.running_trials(deployment.index, "flights", RUN)
    assert found.pop("since")
    assert found == {
        "trial": 1, "state": "running", "algorithm": "linear", "slot": 3, "step": 2, "value": 0.6
    }  # fmt: skip


def view(ended: int, running: int, **row: Any) -> RunView:
    trials = [
        {"trial": n, "state": "complete", "value": 1 / (n + 1), "algorithm": "linear", "parameters": {"C": 1.0}}
        for n in range(ended)
    ]
    under_way = [
        {"trial": ended + n, "state": "running", "value": None, "algorithm": "linear"} for n in range(running)
    ]
    return RunView(RUN, {**ROW, "state": "running", **row}, tuple(trials), tuple(under_way))


def shown(view: RunView) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(waiting._run_board(view))
    return console.export_text()


def test_a_search_under_way_is_a_bar_what_is_best_and_the_latest_trials() -> None:
    text = shown(view(ended=30, running=2, trials=50))
    assert "30 of 50 trials, 2 running, best so far 0.033333 (trial 29)" in text
    assert "━" in text
    assert "\n29 " in text
    assert "\n31 " in text
    assert "\n5 " not in text, "only the latest ones"
    assert "preparing the data" in shown(view(ended=0, running=0))
    assert "stopping for a person" in shown(view(ended=1, running=1, stop={"by": "a person"}))


def test_where_no_terminal_is_each_trial_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=120, force_terminal=False)
    with waiting._live(console) as update:
        update(view(ended=1, running=1))
        update(view(ended=2, running=0))
    assert capsys.readouterr().out.splitlines() == ["trial 0 complete 1", "trial 1 complete 0.5"]
