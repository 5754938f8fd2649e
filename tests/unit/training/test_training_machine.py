"""statemachines/training.asl.json, run by the embedded cloud's interpreter with the use cases behind its tasks."""

import json
from collections import Counter
from typing import Any

import pytest

from infra import definitions
from tests.unit.training.machine import Machine, OutOfMemory
from tidemill import names
from tidemill.errors import ConflictError
from tidemill.training import plan_trials

# Two trials, and each of the two slots hears once that there is no more.
WHOLE = [
    "PrepareData", "PlanTrials", *["RunTrial"] * 4, "SelectBest", "FitFinal", "EvaluateCandidate", "CloseRun",
]  # fmt: skip


@pytest.fixture
def machine(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(new_mill(search={"algorithms": ["linear"]}), monkeypatch)


def test_a_run_that_passes_starts_its_release(machine: Machine) -> None:
    ended = machine.run()
    assert ended["status"] == "SUCCEEDED", ended
    assert Counter(machine.called) == Counter(WHOLE)
    run_id = machine.mill.RUN
    assert machine.started == {run_id: {"project": "tides", "run_id": run_id, "release_id": run_id}}


def test_the_same_run_again_starts_its_release_once(machine: Machine) -> None:
    machine.run()
    before = machine.mill.state()
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.mill.state() == before
    assert list(machine.started) == [machine.mill.RUN]


def test_a_refusal_is_no_failure_and_starts_nothing(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(new_mill(gates={"holdout_rows": 1000}, search={"algorithms": ["linear"]}), monkeypatch)
    ended = machine.run()
    assert (ended["status"], machine.started) == ("SUCCEEDED", {})
    assert json.loads(ended["output"])["state"] == machine.mill.row()["state"] == "refused"


def test_a_single_trial_is_a_list_of_one(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(new_mill(search={"trials": 1, "concurrency": 1}), monkeypatch)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.called.count("RunTrial") == 2, "the trial, and that there is no more"


@pytest.mark.parametrize("kills", [1, 2])
def test_a_trial_whose_function_is_killed_is_begun_once_more_and_then_has_failed(
    machine: Machine, kills: int
) -> None:
    machine.kills[0] = kills
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.mill.row()["state"] == "passed"
    assert machine.mill.file("best.json")["failed"] == kills - 1
    if kills == 2:
        trials = [machine.mill.file(f"trials/{number:04d}.json") for number in (0, 1)]
        (reason,) = (trial["reason"] for trial in trials if trial["state"] == "failed")
        assert reason.startswith("OutOfMemory: ")
        assert "the process was killed" in reason


def test_a_slot_whose_loss_cannot_be_written_leaves_the_rest_to_the_others(machine: Machine) -> None:
    machine.kills[0] = 1
    machine.broken["RunTrial"] = lambda payload: OutOfMemory("again") if "error" in payload else None
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.mill.file("best.json")["failed"] == 1


def test_no_completed_trial_fails_the_run_with_the_reason(machine: Machine) -> None:
    machine.kills = {0: 100, 1: 100}
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    assert machine.mill.row()["state"] == "failed"
    assert "none of 2 trials completed: OutOfMemory" in machine.mill.row()["reason"]


def test_slots_that_cannot_even_begin_a_trial_are_given_up_and_say_why(machine: Machine) -> None:
    machine.broken["RunTrial"] = lambda payload: None if "error" in payload else PermissionError("no access")
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "RunFailed")
    assert "none of 0 trials completed: a slot was lost: PermissionError" in machine.mill.row()["reason"]
    assert machine.called.count("RunTrial") == 2 * 2 * 5, "each slot five times, each time with its loss told"


def test_more_slots_than_a_map_holds_are_executions_of_their_own(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_trials, "INLINE", 1)
    machine = Machine(new_mill(search={"algorithms": ["linear"]}), monkeypatch)
    ended = machine.run()
    assert ended["status"] == "SUCCEEDED", ended
    assert Counter(machine.called) == Counter(WHOLE)


def test_a_run_that_a_person_stops_ends_as_stopped_and_goes_on_when_it_is_resumed(machine: Machine) -> None:
    machine.broken["RunTrial"] = machine.mill.stop_at(1)
    ended = machine.run()
    assert ended["status"] == "SUCCEEDED", ended
    row = machine.mill.row()
    assert (row["state"], row["reason"]) == ("stopped", "stopped by a person: it is late")
    assert not machine.started
    assert machine.mill.objects.exists("runs/tides/tides-v00001/trials/0000.json")
    assert not machine.mill.objects.exists("runs/tides/tides-v00001/best.json")
    machine.broken.clear()
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.mill.row()["state"] == "passed"
    assert machine.called.count("RunTrial") < 4, "what had its result was not run again"


@pytest.mark.parametrize(
    "state", ["PrepareData", "PlanTrials", "SelectBest", "FitFinal", "EvaluateCandidate", "CloseRun"]
)
def test_a_fault_closes_the_run_and_a_new_execution_ends_it(machine: Machine, state: str) -> None:
    machine.broken[state] = lambda payload: (
        None if payload.get("state") == "failed" else PermissionError("not allowed to read it")
    )
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "PermissionError")
    assert machine.called[-1] == "CloseRun"
    row = machine.mill.row()
    assert (row["state"], row["reason"]) == ("failed", "failed: PermissionError: not allowed to read it")
    machine.broken.clear()
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.mill.row()["state"] == "passed"
    assert list(machine.started) == [machine.mill.RUN]


def test_a_release_that_cannot_be_started_fails_the_run(machine: Machine) -> None:
    machine.release_fault = ("StepFunctions.AccessDeniedException", "states:StartExecution")
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "StepFunctions.AccessDeniedException")
    assert machine.mill.row()["state"] == "failed"


def test_the_fault_is_told_even_if_the_run_cannot_be_closed(machine: Machine) -> None:
    machine.broken = {
        "PrepareData": lambda payload: PermissionError("first"),
        "CloseRun": lambda payload: PermissionError("second"),
    }
    ended = machine.run()
    assert ended["status"] == "FAILED"
    assert "the run could not be closed" in ended["cause"]


def test_a_lost_race_is_tried_again(machine: Machine) -> None:
    lost = iter([ConflictError("lost"), ConflictError("lost")])
    machine.broken["CloseRun"] = lambda payload: next(lost, None)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.called.count("CloseRun") == 3


def test_options_reach_the_plan(machine: Machine) -> None:
    machine.run(run_id="tides-v00001-manual-1", options={"seed": 3})
    assert machine.mill.file("plan.json", "tides-v00001-manual-1")["seed"] == 3


def test_an_option_that_is_not_permitted_fails_the_run_with_its_name(machine: Machine) -> None:
    ended = machine.run(options={"shuffle_labels": True})
    assert (ended["status"], ended["error"]) == ("FAILED", "OptionRefused")
    assert machine.mill.row()["error"] == "OptionRefused"
    actions = {row["action"] for row in machine.mill.index.query(names.pk("tides"), names.AUDIT)}
    assert actions == {"training.started", "training.failed"}


def test_every_task_has_a_timeout_named_retries_and_catches_everything() -> None:
    document = definitions.load("training").document()
    assert document["QueryLanguage"] == "JSONata"
    tasks = {name: state for name, state in definitions.states(document) if state["Type"] == "Task"}
    assert len(tasks) == 23
    for name, state in tasks.items():
        assert state["TimeoutSeconds"] > 0, name
        retried = [error for retry in state["Retry"] for error in retry["ErrorEquals"]]
        assert retried, name
        assert "States.ALL" not in retried, name
        assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_a_slot_does_the_same_in_either_map() -> None:
    states = definitions.load("training").document()["States"]
    inline, wide = (dict(states[name]["ItemProcessor"]) for name in ("SearchTrials", "SearchWidely"))
    assert inline.pop("ProcessorConfig")["Mode"] == "INLINE"
    assert wide.pop("ProcessorConfig")["Mode"] == "DISTRIBUTED"
    assert inline == wide
