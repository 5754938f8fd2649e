"""statemachines/serving.asl.json, run by the embedded cloud's interpreter with the use cases behind its tasks."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import stepfunctions as interpreter

from infra import definitions
from tests.unit.serving.harbour import PROJECT, Harbour, Killed
from tidemill.errors import RequestInvalid

FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:"
STATES = {"PlanScoring": "plan_scoring", "ScorePart": "score_part", "CloseScoring": "close_scoring"}
PART = 400


class Machine:
    """Runs executions of the serving machine; `broken` makes a task raise for a payload, or kills its function."""

    def __init__(self, harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
        self.harbour = harbour
        self.broken: dict[str, Callable[[dict[str, Any]], BaseException | None]] = {}
        self.called: list[str] = []
        monkeypatch.setattr(interpreter, "_invoke_resource", self._invoke)
        monkeypatch.setattr(interpreter, "_scaled_sleep", lambda seconds: None)
        definition = definitions.load("serving")
        request = {
            "name": f"serving-{uuid.uuid4()}",
            "definition": definition.filled({name: FUNCTION + name for name in definition.functions}),
            "roleArn": "arn:aws:iam::000000000000:role/serving",
        }
        status, _, body = interpreter._create_state_machine(request)
        assert status == 200, body
        self._arn = json.loads(body)["stateMachineArn"]

    def run(self, scoring_id: str) -> dict[str, Any]:
        """The description of the ended execution."""
        self.called.clear()
        asked = json.dumps({"project": PROJECT, "scoring_id": scoring_id})
        _, _, body = interpreter._start_sync_execution({"stateMachineArn": self._arn, "input": asked})
        return json.loads(body)

    def _invoke(self, resource: str, request: dict[str, Any]) -> dict[str, Any]:
        assert resource == "arn:aws:states:::lambda:invoke"
        state, payload = request["FunctionName"].removeprefix(FUNCTION), json.loads(json.dumps(request["Payload"]))
        self.called.append(state)
        watch = lambda: None  # noqa: E731
        try:
            error = self.broken[state](payload) if state in self.broken else None
            if isinstance(error, Killed):
                watch = Harbour.kill_at(7)  # the output is written, its report is not
            elif error is not None:
                raise error
            return {"StatusCode": 200, "Payload": self.harbour.step(STATES[state], watch, **payload)}
        except Killed:
            raise interpreter._ExecutionError("Runtime.ExitError", "signal: killed") from None
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise interpreter._ExecutionError(type(error).__name__, cause) from error


@pytest.fixture
def machine(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(harbour, monkeypatch)


def asked(harbour: Harbour, count: int = 100) -> str:
    return harbour.ask(harbour.put("a.csv", harbour.csv(count)), part_bytes=PART)


def test_files_are_scored_part_by_part(machine: Machine) -> None:
    ended = machine.run(scoring_id := asked(machine.harbour))
    assert ended["status"] == "SUCCEEDED", ended
    result = json.loads(ended["output"])
    assert (result["rows"], result["scoring_id"]) == (100, scoring_id)
    assert machine.called.count("ScorePart") == result["parts"] > 3
    assert [state for state in machine.called if state != "ScorePart"] == ["PlanScoring"] * 2 + ["CloseScoring"]
    assert len({row["prediction_id"] for row in machine.harbour.rows(scoring_id)}) == 100


def test_as_many_states_are_passed_as_the_cost_says(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.serving.scoring.WAVE", 2)
    ended = machine.run(asked(machine.harbour))
    result = json.loads(ended["output"])
    history = interpreter._get_execution_history({"executionArn": ended["executionArn"], "maxResults": 1000})
    events = json.loads(history[2])["events"]
    outside = [event for event in events if event["type"].endswith("StateEntered")]
    within = [event for event in outside if event["stateEnteredEventDetails"]["name"] == "ScorePart"]
    assert len(outside) - len(within) + result["parts"] == result["transitions"]
    assert len(machine.called) == result["invocations"]


def test_a_worker_that_is_killed_after_its_rows_is_begun_again_and_each_row_is_there_once(
    machine: Machine,
) -> None:
    killed: set[int] = set()

    def kill_once(payload: dict[str, Any]) -> BaseException | None:
        first = payload["part"] not in killed
        killed.add(payload["part"])
        return Killed() if first else None

    machine.broken["ScorePart"] = kill_once
    ended = machine.run(scoring_id := asked(machine.harbour))
    result = json.loads(ended["output"])
    assert machine.called.count("ScorePart") == 2 * result["parts"]
    ids = [row["prediction_id"] for row in machine.harbour.rows(scoring_id)]
    assert (len(ids), len(set(ids))) == (100, 100)


def test_a_part_that_is_lost_is_told_and_keeps_no_other_from_its_rows(machine: Machine) -> None:
    refuse = lambda payload: RequestInvalid("a.csv", "is damaged") if payload["part"] == 2 else None  # noqa: E731
    machine.broken["ScorePart"] = refuse
    scoring_id = asked(machine.harbour)
    ended = machine.run(scoring_id)
    assert (ended["status"], ended["error"]) == ("FAILED", "RequestInvalid")
    assert "a.csv: is damaged" in ended["cause"]
    parts = machine.called.count("ScorePart")
    assert len(list(machine.harbour.tables(scoring_id))) == parts - 1
    machine.broken.clear()
    assert machine.run(scoring_id)["status"] == "SUCCEEDED"
    assert machine.called == ["PlanScoring", "ScorePart", "PlanScoring", "CloseScoring"]


@pytest.mark.parametrize("state", ["PlanScoring", "CloseScoring"])
def test_what_befalls_another_state_is_the_machines_end(machine: Machine, state: str) -> None:
    machine.broken[state] = lambda payload: RequestInvalid("a.csv", "is damaged")
    ended = machine.run(asked(machine.harbour))
    assert (ended["status"], ended["error"]) == ("FAILED", "RequestInvalid")
    assert "is damaged" in ended["cause"]


def test_an_empty_file_needs_no_worker(machine: Machine) -> None:
    ended = machine.run(machine.harbour.ask(machine.harbour.put("a.csv", b"")))
    assert json.loads(ended["output"])["rows"] == 0
    assert machine.called == ["PlanScoring", "CloseScoring"]
