"""An answer under a task token is authorized on the state machine whose execution waits.

MiniStack knows no resource for `SendTaskSuccess`, so that only a grant on `*` would do. Here it is the state
machine that gave the token, also once it was used: who comes second hears that nothing waits, as on AWS
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html).
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core import iam_actions
from ministack.services import stepfunctions

Record = dict[str, Any]

# ARN of the state machine whose task runs, and of those whose tokens were given.
machine: ContextVar[str] = ContextVar("machine", default="")
given: dict[str, str] = {}
KNOWN = 10_000
"""Tokens that are remembered, the latest ones."""


def install() -> None:
    execute: Callable[..., Any] = stepfunctions._execute_task
    wait: Callable[..., Any] = stepfunctions._invoke_with_callback
    resource_of: Callable[..., str] = iam_actions.extract_resource_arn

    def execute_of_machine(state: Record, data: Any, execution: Record, context: Record) -> Any:
        token = machine.set((execution or {}).get("stateMachineArn", ""))
        try:
            return execute(state, data, execution, context)
        finally:
            machine.reset(token)

    def wait_of_machine(resource: str, data: Any, token: str, state: Record) -> Any:
        given[token] = machine.get()
        for oldest in list(given)[:-KNOWN]:
            given.pop(oldest, None)
        return wait(resource, data, token, state)

    def with_tokens(
        service: str, method: str, path: str, headers: Record, body: bytes, *args: Any, **kwargs: Any
    ) -> str:
        token = iam_actions._safe_json_field(body, "taskToken") if service == "states" else ""
        if token in given:
            return given[token]
        return resource_of(service, method, path, headers, body, *args, **kwargs)

    stepfunctions._execute_task = execute_of_machine
    stepfunctions._invoke_with_callback = wait_of_machine
    iam_actions.extract_resource_arn = with_tokens
