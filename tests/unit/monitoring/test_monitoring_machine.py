"""statemachines/monitoring.asl.json, run by the embedded cloud's interpreter, its tasks done by the use cases."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import stepfunctions as interpreter

from infra import definitions
from tidemill import names
from tidemill.errors import RecordNotFound

ACCOUNT = "arn:aws:lambda:eu-central-1:000000000000:function:"


class Machine:
    """Runs executions of the monitoring machine; `broken` makes a task raise, once for each error in its list."""

    def __init__(self, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.called = world, []
        self.broken: dict[str, list[Exception]] = {}
        monkeypatch.setattr(interpreter, "_invoke_resource", self._invoke)
        monkeypatch.setattr(interpreter, "_scaled_sleep", lambda seconds: None)
        definition = definitions.load("monitoring").filled({name: ACCOUNT + name for name in self._tasks()})
        role = "arn:aws:iam::000000000000:role/monitoring"
        request = {"name": f"monitoring-{uuid.uuid4()}", "definition": definition, "roleArn": role}
        status, _, body = interpreter._create_state_machine(request)
        assert status == 200, body
        self._arn = json.loads(body)["stateMachineArn"]

    def run(self, trigger: str = "schedule") -> dict[str, Any]:
        """The description of the ended execution, its output parsed."""
        request = {"stateMachineArn": self._arn, "input": json.dumps({"project": "tides", "trigger": trigger})}
        self.called.clear()
        ended = json.loads(interpreter._start_sync_execution(request)[2])
        return {**ended, "output": json.loads(ended["output"]) if ended.get("output") else None}

    def _tasks(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return {
            "BuildWindow": lambda payload: self.world.build(trigger=payload["trigger"]),
            "DetectDrift": lambda payload: self.world.detect(payload["window_id"]),
        }

    def _invoke(self, resource: str, request: dict[str, Any]) -> dict[str, Any]:
        assert resource == "arn:aws:states:::lambda:invoke"
        state = request["FunctionName"].removeprefix(ACCOUNT)
        self.called.append(state)
        assert request["Payload"]["project"] == "tides"
        error = next(iter(self.broken.get(state, ())), None)
        if error is not None:
            self.broken[state].pop(0)
            raise interpreter._ExecutionError(type(error).__name__, str(error))
        return {"StatusCode": 200, "Payload": json.loads(json.dumps(self._tasks()[state](request["Payload"])))}


@pytest.fixture
def machine(world: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(world, monkeypatch)


def test_a_closed_window_is_checked(machine: Machine) -> None:
    machine.world.capture(400, shift=1.0)
    ended = machine.run("alarm")
    assert ended["status"] == "SUCCEEDED"
    assert machine.called == ["BuildWindow", "DetectDrift"]
    assert ended["output"]["drifted"] is True
    assert ended["output"]["report_key"] == "windows/tides/00001/report.html"
    assert machine.world.row("WINDOW#00001")["trigger"] == "alarm"


def test_too_few_predictions_are_a_success(machine: Machine) -> None:
    machine.world.capture(10)
    ended = machine.run()
    assert (ended["status"], ended["output"]["outcome"]) == ("SUCCEEDED", "too_small")
    assert machine.called == ["BuildWindow"]


def test_no_model_is_a_success(machine: Machine) -> None:
    machine.world.put(names.POINTER_LIVE, epoch=1, champion=None)
    ended = machine.run()
    assert (ended["status"], ended["output"]["outcome"]) == ("SUCCEEDED", "no_model")


def test_a_passing_fault_is_tried_again(machine: Machine) -> None:
    machine.world.capture(400)
    too_many, timeout = (
        type("Lambda.TooManyRequestsException", (Exception,), {}),
        type("States.Timeout", (Exception,), {}),
    )
    machine.broken = {"BuildWindow": [too_many()], "DetectDrift": [timeout()]}
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.called == ["BuildWindow", "BuildWindow", "DetectDrift", "DetectDrift"]


def test_a_lasting_fault_fails_with_its_name_and_the_next_run_checks_the_window(machine: Machine) -> None:
    machine.world.capture(400)
    machine.broken = {"DetectDrift": [RecordNotFound("object 'profile.json' does not exist")]}
    ended = machine.run()
    assert (ended["status"], ended["error"]) == ("FAILED", "RecordNotFound")
    assert "profile.json" in ended["cause"]
    machine.world.capture(400)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.world.row("WINDOW#00001")["state"] == "checked"
    assert machine.world.row("WINDOW#00002") is None


def test_every_task_has_a_timeout_a_retry_and_a_catch() -> None:
    states = definitions.load("monitoring").document()["States"]
    tasks = [state for state in states.values() if state["Type"] == "Task"]
    assert len(tasks) == 2
    assert all({"TimeoutSeconds", "Retry", "Catch"} <= set(task) for task in tasks)
