"""statemachines/release.asl.json, run by the embedded cloud's interpreter with the use cases behind its tasks."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from ministack.services import stepfunctions as interpreter

from infra import definitions
from tidemill import names
from tidemill.release.decide_release import MACHINE

FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:"
ONE, TWO = "tides-v00001", "tides-v00002"
STRAIGHT = ["RegisterModel", "PublishVersion", "SettleRelease"]


class Waiting:
    """A Callbacks on the interpreter's own tokens."""

    def complete(self, token: str, output: Any) -> bool:
        status, _, _ = interpreter._send_task_success({"taskToken": token, "output": json.dumps(output)})
        return bool(status == 200)


class Machine:
    """Runs executions of the release machine; `people` act right after RequestApproval, `during` whenever the
    machine waits between looks."""

    def __init__(self, world: Any, monkeypatch: pytest.MonkeyPatch, *, timeout: int = 1213200) -> None:
        self.world = world
        self.called: list[str] = []
        self.people: Callable[[], object] = lambda: None
        self.during: Callable[[], object] = lambda: None
        world.people[0].port = Waiting()
        monkeypatch.setattr(interpreter, "_invoke_resource", self._invoke)
        monkeypatch.setattr(interpreter, "_call_lambda", self._ask)
        monkeypatch.setattr(interpreter, "_resolve_lambda_function_ref", lambda ref, **how: ref)
        monkeypatch.setattr(interpreter, "_scaled_sleep", lambda seconds: self.during())
        definition = definitions.load("release")
        filled = definition.filled({name: FUNCTION + name for name in definition.functions})
        filled = filled.replace('"TimeoutSeconds": 1213200', f'"TimeoutSeconds": {timeout}')
        role = "arn:aws:iam::000000000000:role/release"
        request = {"name": f"release-{uuid.uuid4()}", "definition": filled, "roleArn": role}
        status, _, body = interpreter._create_state_machine(request)
        assert status == 200, body
        self._arn = json.loads(body)["stateMachineArn"]

    def run(self, run_id: str) -> str:
        """The status of the ended execution."""
        self.called.clear()
        asked = {"project": "tides", "run_id": run_id, "release_id": run_id}
        request = {"stateMachineArn": self._arn, "input": json.dumps(asked)}
        _, _, body = interpreter._start_sync_execution(request)
        return str(json.loads(body)["status"])

    def _ask(self, function: str, payload: dict[str, Any]) -> dict[str, Any]:
        self.called.append("RequestApproval")
        answer: dict[str, Any] = self.world.ask(payload["run_id"], payload["token"])
        self.people()
        return answer

    def _invoke(self, resource: str, request: dict[str, Any]) -> dict[str, Any]:
        state, payload = request["FunctionName"].removeprefix(FUNCTION), request["Payload"]
        self.called.append(state)
        try:
            return {"StatusCode": 200, "Payload": self._answer(state, payload)}
        except Exception as error:
            raise interpreter._ExecutionError(type(error).__name__, str(error)) from error

    def _answer(self, state: str, given: dict[str, Any]) -> dict[str, Any]:
        world, release_id = self.world, given["release_id"]
        if state == "RegisterModel":
            model = world.register(world.run(given["run_id"]))
            return {"model_version": model, "approval": world.problem.rollout.approval}
        if state == "PublishVersion":
            return dict(world.publish(given["model_version"], release_id))
        if state == "ShiftTraffic":
            return dict(world.shift(release_id, given["step"]))
        if state == "JudgeExperiment":
            return dict(world.judge(release_id, given["look"]))
        if state == "SettleRelease":
            return dict(world.settle(release_id, given["verdict"], given["reason"]))
        assert state == "DecideRelease"
        shown = world.decide(release_id, "expire", MACHINE)
        return {"decision": shown["decision"], "model_version": shown["model"]}


@pytest.fixture
def machine(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(make_world(approval="required"), monkeypatch)


def test_without_approval_nobody_is_asked(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(world, monkeypatch)
    assert machine.run(ONE) == "SUCCEEDED"
    assert machine.called == STRAIGHT


def test_an_approved_model_is_released(machine: Machine) -> None:
    machine.people = lambda: machine.world.decide(ONE, "approve", "arn:bob")
    assert machine.run(ONE) == "SUCCEEDED"
    assert machine.called == ["RegisterModel", "RequestApproval", *STRAIGHT[1:]]
    assert machine.world.row(names.sk_release(ONE))["state"] == "promoted"


def test_a_refused_model_is_not(machine: Machine) -> None:
    machine.people = lambda: machine.world.decide(ONE, "refuse", "arn:bob")
    assert machine.run(ONE) == "SUCCEEDED"
    assert machine.called == ["RegisterModel", "RequestApproval"]
    assert machine.world.row(names.sk_release(ONE))["state"] == "refused"


def test_when_nobody_decides_the_release_expires(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(approval="required")
    machine = Machine(world, monkeypatch, timeout=0)

    def wait() -> None:
        world.now += timedelta(days=14)

    machine.people = wait
    assert machine.run(ONE) == "SUCCEEDED"
    assert machine.called == ["RegisterModel", "RequestApproval", "DecideRelease"]
    assert world.row(names.sk_release(ONE))["state"] == "expired"


def test_a_decision_whose_answer_was_lost_is_heard_after_the_timeout(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(approval="required")
    machine = Machine(world, monkeypatch, timeout=0)

    def lose() -> None:
        world.people[0].port = type("Deaf", (), {"complete": lambda self, token, output: False})()
        world.decide(ONE, "approve", "arn:bob")

    machine.people = lose
    assert machine.run(ONE) == "SUCCEEDED"
    assert machine.called == ["RegisterModel", "RequestApproval", "DecideRelease", *STRAIGHT[1:]]
