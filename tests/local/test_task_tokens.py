"""An answer under a task token is authorized on the state machine that waits for it."""

import json
from typing import Any

import pytest
from ministack.core import iam_actions
from ministack.services import stepfunctions

from local.extensions import task_tokens

ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:tidemill-local-release"


def resource(token: str) -> str:
    body = json.dumps({"taskToken": token, "output": "{}"}).encode()
    return str(iam_actions.extract_resource_arn("states", "POST", "/", {}, body, {}, "us-east-1", "000000000000"))


def test_the_machine_that_gave_a_token_is_its_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def wait(resource_of_task: str, data: Any, token: str, state: Any) -> None:
        seen.append(resource(token))

    def execute(state: Any, data: Any, execution: Any, context: Any) -> None:
        stepfunctions._invoke_with_callback("arn", {}, "token-1", state)

    monkeypatch.setattr(stepfunctions, "_invoke_with_callback", wait)
    monkeypatch.setattr(stepfunctions, "_execute_task", execute)
    monkeypatch.setattr(iam_actions, "extract_resource_arn", iam_actions.extract_resource_arn)
    task_tokens.install()
    stepfunctions._execute_task({}, {}, {"stateMachineArn": ARN}, {})
    assert seen == [ARN]
    assert resource("token-1") == ARN, "who comes second hears that nothing waits, not that it may not ask"
    assert resource("another") == "*"
    monkeypatch.setattr(task_tokens, "KNOWN", 1)
    stepfunctions._invoke_with_callback("arn", {}, "token-2", {})
    assert list(task_tokens.given) == ["token-2"]
