"""The last word on a run."""

import json
from typing import Any

import pytest

from tidemill.errors import ConflictError, RecordNotFound

CAUGHT = {
    "Error": "RunFailed",
    "Cause": json.dumps(
        {"errorMessage": "none of 8 trials completed", "errorType": "RunFailed", "stackTrace": []}
    ),
}


def test_a_failure_has_its_name_and_its_words_from_lambdas_cause(mill: Any) -> None:
    mill.plan()
    assert mill.step("close_run", state="failed", error=CAUGHT) == {"state": "failed", "release_id": None}
    row = mill.row()
    assert (row["state"], row["error"]) == ("failed", "RunFailed")
    assert row["reason"] == "failed: RunFailed: none of 8 trials completed"
    assert row["ended_at"] == mill.AT.isoformat()
    assert mill.audit() == ["training.failed", "training.started"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"Error": "States.Timeout"}, "failed: States.Timeout: no cause was given; see the execution's history"),
        ({"Error": "X", "Cause": "plain words"}, "failed: X: plain words"),
        ({"Error": "X", "Cause": '"a text"'}, 'failed: X: "a text"'),
        ({"Error": "X", "Cause": '{"errorMessage": "cut o'}, 'failed: X: {"errorMessage": "cut o'),
        (None, "failed: Unknown: no cause was given; see the execution's history"),
    ],
)
def test_any_cause_is_told(mill: Any, error: dict[str, str] | None, words: str) -> None:
    mill.plan()
    mill.step("close_run", state="failed", error=error)
    assert mill.row()["reason"] == words


def test_a_run_that_failed_before_it_was_opened_has_a_row_nonetheless(mill: Any) -> None:
    mill.step("close_run", state="failed", error=CAUGHT)
    assert (mill.row()["run_id"], mill.row()["state"]) == (mill.RUN, "failed")
    mill.plan()
    assert (mill.row()["state"], mill.row()["dataset_version"]) == ("running", 1)


def test_a_failed_run_is_reopened_by_a_rerun_and_can_pass(mill: Any) -> None:
    mill.plan()
    mill.step("close_run", state="failed", error=CAUGHT)
    mill.walk()
    assert (mill.row()["state"], mill.row()["error"]) == ("passed", None)
    assert mill.audit() == ["training.failed", "training.passed", "training.reopened", "training.started"]


def test_closing_twice_changes_nothing(walked: Any) -> None:
    before = walked.state()
    assert walked.step("close_run", state="passed") == {"state": "passed", "release_id": walked.RUN}
    assert walked.state() == before


def test_a_run_that_passed_can_fail_when_its_release_does_not_start(walked: Any) -> None:
    walked.step("close_run", state="failed", error={"Error": "AccessDenied", "Cause": "states:StartExecution"})
    assert (walked.row()["state"], walked.row()["release_id"]) == ("failed", None)


@pytest.mark.parametrize("state", ["refused"])
def test_a_verdict_stands(walked: Any, state: str) -> None:
    with pytest.raises(ConflictError, match="ended as 'passed'"):
        walked.step("close_run", state=state)


def test_a_verdict_needs_an_evaluation(mill: Any) -> None:
    mill.plan()
    with pytest.raises(RecordNotFound, match="evaluation"):
        mill.step("close_run", state="passed")
    assert mill.row()["state"] == "running"
