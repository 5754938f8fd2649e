"""With IAM enforced, services need their permissions too, not only functions and people.

MiniStack lets its services call each other freely. Here, while enforcement is on:

- Step Functions invokes functions and starts executions with the state machine's role,
- EventBridge rules and schedules use the target's role where it has one,
- EventBridge rules, HTTP APIs, alarms and log subscriptions need a permission in the function's resource policy
  (https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html),

so that a missing grant fails here as on AWS. Of the other integrations of Step Functions only those of
SageMaker are checked, in `sagemaker/states.py`.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.arn import execute_api_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway, eventbridge, iam, lambda_svc, stepfunctions

Record = dict[str, Any]

logger = logging.getLogger(__name__)

# Role of the state machine whose task runs.
machine_role: ContextVar[str] = ContextVar("machine_role", default="")


def role_may(role: str, action: str, resource: str) -> bool:
    """Whether the role's policies, within its boundary, allow the action on the resource."""
    if not app.AUTH:
        return True
    name, account = role.rpartition("/")[2], get_account_id()
    context = context_of(f"arn:aws:sts::{account}:assumed-role/{name}/service", "AssumedRole", action, resource)
    policies = iam_evaluator._gather_role_policies(name, account)
    boundary = iam_evaluator._permissions_boundary(iam._roles, name, account)
    return bool(iam_evaluator.evaluate(context, policies, *boundary).decision == "Allow")


def service_may_invoke(service: str, source: str, function: str) -> bool:
    """Whether the function's resource policy lets the service invoke it on behalf of the resource `source`."""
    if not app.AUTH:
        return True
    found = lambda_svc.function_policy_for_arn(function)
    if found is None:
        return False
    keys = {"aws:sourcearn": source, "aws:sourceaccount": get_account_id()}
    context = context_of(service, "Service", "lambda:InvokeFunction", function, keys)
    allowed: bool = iam_evaluator.evaluate_resource_policy(found[0], context, service).decision == "Allow"
    if not allowed:
        logger.warning(
            "%s of %s may not invoke %s: its resource policy does not allow it", service, source, function
        )
    return allowed


def context_of(principal: str, kind: str, action: str, resource: str, keys: Record | None = None) -> Any:
    return iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type=kind,
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context=keys or {},
    )


def function_arn(reference: str) -> str:
    """The ARN of a function reference: a name, `name:qualifier`, or an ARN."""
    name, qualifier = lambda_svc._resolve_name_and_qualifier(reference)
    return f"{lambda_svc._func_arn(name)}{f':{qualifier}' if qualifier else ''}"


def install() -> None:
    install_step_functions()
    install_event_targets()
    install_http_api()


def install_step_functions() -> None:
    """Tasks act with the state machine's role."""
    execute: Callable[..., Any] = stepfunctions._execute_task
    call: Callable[[str, Any], Any] = stepfunctions._call_lambda
    start: Callable[[str, Any], Any] = stepfunctions._invoke_nested_start_execution

    def execute_as_role(state: Record, data: Any, execution: Record, context: Record) -> Any:
        machine = stepfunctions._state_machines.get((execution or {}).get("stateMachineArn")) or {}
        token = machine_role.set(machine.get("roleArn", ""))
        try:
            return execute(state, data, execution, context)
        finally:
            machine_role.reset(token)

    def call_as_role(reference: str, event: Any) -> Any:
        demand("lambda:InvokeFunction", function_arn(reference), "Lambda.AWSLambdaException")
        return call(reference, event)

    def start_as_role(resource: str, data: Any) -> Any:
        machine = data.get("StateMachineArn", "") if isinstance(data, dict) else ""
        demand("states:StartExecution", machine, "StepFunctions.AccessDeniedException")
        return start(resource, data)

    stepfunctions._execute_task = execute_as_role
    stepfunctions._call_lambda = call_as_role
    stepfunctions._invoke_nested_start_execution = start_as_role


def demand(action: str, resource: str, error: str) -> None:
    """Raises the task's error when the state machine's role does not allow the action."""
    role = machine_role.get()
    if role and not role_may(role, action, resource):
        cause = f"{role} is not authorized to perform: {action} on resource: {resource}"
        raise stepfunctions._ExecutionError(error, cause)


def install_event_targets() -> None:
    """Rules and schedules act with the target's role, or by the function's resource policy."""
    deliver: Callable[..., None] = eventbridge._invoke_target

    def deliver_permitted(target: Record, event: Record, rule: Record, view: Any = None) -> None:
        arn, role = target.get("Arn", ""), target.get("RoleArn", "")
        action = "states:StartExecution" if ":states:" in arn else "lambda:InvokeFunction"
        if role and (":states:" in arn or ":lambda:" in arn):
            if not role_may(role, action, arn):
                logger.warning("%s may not do %s on %s for %s", role, action, arn, rule.get("Arn"))
                return
        elif ":lambda:" in arn and not service_may_invoke("events.amazonaws.com", rule.get("Arn", ""), arn):
            return
        deliver(target, event, rule, view)

    eventbridge._invoke_target = deliver_permitted


def install_http_api() -> None:
    """HTTP APIs invoke by the function's resource policy; without a permission they answer 500, as on AWS."""
    invoke: Callable[..., Any] = apigateway._invoke_lambda_proxy

    async def invoke_permitted(
        integration: Record, api_id: str, stage: str, path: str, method: str,
        headers: Record, body: bytes, query: Record, route_key: str, *rest: Any, **options: Any,
    ) -> Any:  # fmt: skip
        reference = apigateway._extract_lambda_ref_from_integration_uri(integration.get("integrationUri", ""))
        declared = route_key.partition(" ")[2] or path  # a permission names the route, not the request's path
        source = execute_api_arn(get_region(), get_account_id(), api_id, stage, method, declared)
        if not service_may_invoke("apigateway.amazonaws.com", source, function_arn(reference)):
            return 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'
        return await invoke(
            integration, api_id, stage, path, method, headers, body, query, route_key, *rest, **options
        )

    apigateway._invoke_lambda_proxy = invoke_permitted
