"""A person stops a run, and goes on with one that stopped, failed or died."""

from collections.abc import Mapping
from typing import Any

import pytest

from tidemill.errors import ConflictError, RecordNotFound
from tidemill.training.resume_run import resume_run


class Workflows:
    """Notes what was started."""

    def __init__(self) -> None:
        self.started: dict[str, Mapping[str, Any]] = {}

    def start(self, machine: str, *, name: str, payload: Mapping[str, Any]) -> bool:
        assert machine == "training"
        fresh = name not in self.started
        self.started.setdefault(name, payload)
        return fresh


@pytest.fixture
def workflows() -> Workflows:
    return Workflows()


def resume(mill: Any, workflows: Workflows, *, dead: bool = False, watch: Any = None) -> str:
    return resume_run(
        project="tides",
        run_id=mill.RUN,
        by="a person",
        dead=dead,
        index=mill.watched(mill.index, watch) if watch else mill.index,
        workflows=workflows,
        clock=lambda: mill.AT,
    )


def test_a_stop_lets_what_runs_end_and_begins_nothing_more(new_mill: Any) -> None:
    mill = new_mill(search={"trials": 4, "algorithms": ["linear"]})
    mill.plan()
    stopped: list[Any] = []

    def meanwhile() -> None:
        if not stopped and mill.has_running(0):
            stopped.append(mill.stop())

    ended = mill.step("run_trial", meanwhile, slot=0)
    assert (ended["state"], ended["more"]) == ("complete", True)
    over = mill.step("run_trial", slot=0)
    assert (over["more"], over["stopped"], over["why"]) == (False, True, "stopped by a person")
    assert len(mill.study().trials) == 1
    mill.step("close_run", state="stopped")
    row = mill.row()
    assert (row["state"], row["reason"]) == ("stopped", "stopped by a person: it is late")
    assert row["ended_at"]
    assert mill.audit() == ["training.started", "training.stop_asked", "training.stopped"]


def test_the_first_who_stops_a_run_is_the_one_who_did(mill: Any) -> None:
    mill.plan()
    first = mill.stop()
    before = mill.state()
    assert mill.stop() == first
    assert mill.state() == before


def test_what_does_not_run_cannot_be_stopped(walked: Any, mill: Any) -> None:
    with pytest.raises(ConflictError, match="has ended as 'passed'"):
        walked.stop()
    with pytest.raises(RecordNotFound, match="runs list"):
        mill.stop("another")


def test_a_stopped_run_goes_on_where_it_was(new_mill: Any, workflows: Workflows) -> None:
    mill = new_mill(search={"trials": 4, "algorithms": ["linear"]})
    options = {"seed": 3}
    mill.plan(options=options)
    mill.search(most=2)
    mill.stop()
    mill.step("close_run", state="stopped")
    assert resume(mill, workflows) == f"{mill.RUN}-r1"
    payload = workflows.started[f"{mill.RUN}-r1"]
    assert payload == {
        "project": "tides",
        "run_id": mill.RUN,
        "dataset_version": 1,
        "reason": "new dataset version",
        "trigger": "data",
        "options": options,
    }
    first = [mill.file(f"trials/{number:04d}.json") for number in (0, 1)]
    mill.walk(options=options)
    assert mill.row()["state"] == "passed"
    assert mill.row()["execution"] == f"{mill.RUN}-r1"
    assert [mill.file(f"trials/{number:04d}.json") for number in (0, 1)] == first
    assert [trial.number for trial in mill.study().trials] == [0, 1, 2, 3]


def test_a_failed_run_is_resumed_under_a_new_name_each_time(mill: Any, workflows: Workflows) -> None:
    mill.plan()
    for number in (1, 2):
        mill.step("close_run", state="failed", error={"Error": "X", "Cause": "y"})
        assert resume(mill, workflows) == f"{mill.RUN}-r{number}"
        mill.step("prepare_data")
    assert list(workflows.started) == [f"{mill.RUN}-r1", f"{mill.RUN}-r2"]


def test_a_run_whose_execution_died_says_that_it_runs_and_is_resumed_all_the_same(
    mill: Any, workflows: Workflows
) -> None:
    mill.plan()
    with pytest.raises(ConflictError, match="is under way"):
        resume(mill, workflows)
    resume(mill, workflows, dead=True)
    mill.walk()
    assert mill.row()["state"] == "passed"


def test_a_stop_that_was_asked_for_does_not_outlive_the_resumption(mill: Any, workflows: Workflows) -> None:
    mill.plan()
    mill.stop()
    resume(mill, workflows, dead=True)
    assert mill.step("run_trial", slot=0)["state"] == "complete"


@pytest.mark.parametrize("state", ["passed", "refused"])
def test_a_verdict_is_not_resumed(walked: Any, workflows: Workflows, state: str) -> None:
    walked.row()["state"] = state
    with pytest.raises(ConflictError, match="runs start"):
        resume(walked, workflows)
    assert not workflows.started


def test_a_run_that_is_not_there_or_never_began_is_not_resumed(mill: Any, workflows: Workflows) -> None:
    with pytest.raises(RecordNotFound, match="runs list"):
        resume(mill, workflows)
    mill.step("close_run", state="failed", error={"Error": "X", "Cause": "y"})
    with pytest.raises(ConflictError, match="failed before it began"):
        resume(mill, workflows)


def test_of_two_who_resume_at_once_one_does(mill: Any, workflows: Workflows) -> None:
    mill.plan()
    mill.step("close_run", state="failed", error={"Error": "X", "Cause": "y"})
    calls: list[str] = []

    def meanwhile() -> None:
        calls.append("call")
        if len(calls) == 2:  # after reading, before writing
            resume(mill, workflows)

    with pytest.raises(ConflictError):
        resume(mill, workflows, watch=meanwhile)
    assert list(workflows.started) == [f"{mill.RUN}-r1"]


def test_killed_before_the_execution_starts_the_next_resumption_starts_one(
    mill: Any, workflows: Workflows, monkeypatch: pytest.MonkeyPatch
) -> None:
    mill.plan()
    mill.step("close_run", state="failed", error={"Error": "X", "Cause": "y"})

    def killed(*args: Any, **kwargs: Any) -> None:
        raise mill.Killed

    with monkeypatch.context() as patch:
        patch.setattr(workflows, "start", killed)
        with pytest.raises(mill.Killed):
            resume(mill, workflows)
    assert resume(mill, workflows) == f"{mill.RUN}-r2"
    assert list(workflows.started) == [f"{mill.RUN}-r2"]
