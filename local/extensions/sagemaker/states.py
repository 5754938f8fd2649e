"""Step Functions runs SageMaker's jobs: `arn:aws:states:::sagemaker:createTrainingJob[.sync]` and
`createHyperParameterTuningJob[.sync]`.

`.sync` waits for the job's end and gives what Describe answers (times in milliseconds); a job that failed or was
stopped fails the task with `States.TaskFailed`, what Describe answers being the cause. A request that is refused
fails it with `SageMaker.<its error>Exception` for the errors of SageMaker's model, else with
`SageMaker.AmazonSageMakerException`. An execution that is stopped, or a task whose time is out, stops its job.
With IAM enforced the state machine's role needs what it needs on AWS
(https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html), except for the rules of EventBridge.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions

from local.extensions import service_permissions
from local.extensions.sagemaker import roles, service, store
from local.extensions.sagemaker.shapes import Refused

Json = dict[str, Any]

PREFIX = "arn:aws:states:::sagemaker:"
LOOK_SECONDS = 0.1
MODELLED = ("ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound")
REFUSED = "SageMaker.AmazonSageMakerException"

running: ContextVar[Json | None] = ContextVar("running", default=None)  # the execution whose task runs
out_of_time: ContextVar[threading.Event | None] = ContextVar("out_of_time", default=None)


class Kind:
    """A kind of job: the names of its operations and of what they speak of."""

    def __init__(self, word: str, resource: str, *, role: Callable[[Json], str]) -> None:
        self.create, self.describe, self.stop = f"Create{word}", f"Describe{word}", f"Stop{word}"
        self.name, self.status = f"{word}Name", f"{word}Status"
        self.resource = resource
        self.role = role


TRAINING = Kind("TrainingJob", "training-job", role=lambda request: request.get("RoleArn", ""))
TUNING = Kind(
    "HyperParameterTuningJob",
    "hyper-parameter-tuning-job",
    role=lambda request: (request.get("TrainingJobDefinition") or {}).get("RoleArn", ""),
)


def run(kind: Kind, resource: str, request: Json) -> Json:
    """Run the task of a state."""
    sync = resource.endswith(".sync")
    demand(kind, request, sync=sync)
    try:
        created = service.call(kind.create, request)
        if not sync:
            return created
        return wait(kind, {kind.name: request[kind.name]})
    except Refused as error:
        code = f"SageMaker.{error.code}Exception" if error.code in MODELLED else REFUSED
        raise stepfunctions._ExecutionError(code, error.message) from error


def wait(kind: Kind, named: Json) -> Json:
    """Wait for the job's end."""
    execution, late = running.get(), out_of_time.get()
    while (job := service.call(kind.describe, named))[kind.status] in store.UNDER_WAY:
        stopped = execution is not None and execution.get("status") not in (None, "RUNNING")
        if (stopped or (late is not None and late.is_set())) and job[kind.status] == "InProgress":
            with contextlib.suppress(Refused):  # it has ended meanwhile
                service.call(kind.stop, named)
        threading.Event().wait(LOOK_SECONDS)
    described: Json = milliseconds(job)
    if job[kind.status] != "Completed":
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(described))
    return described


def milliseconds(value: Any) -> Any:
    """The answer with its times as Step Functions gives them."""
    if isinstance(value, list):
        return [milliseconds(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: round(each * 1000) if isinstance(each, float) and name.endswith(("Time", "Timestamp"))
        else milliseconds(each)
        for name, each in value.items()
    }  # fmt: skip


def demand(kind: Kind, request: Json, *, sync: bool) -> None:
    """Raises the task's error when the state machine's role may not do what the task does."""
    machine = service_permissions.machine_role.get()
    arn = store.arn(kind.resource, str(request.get(kind.name, "")))
    actions = [
        kind.create,
        *((kind.describe, kind.stop) if sync else ()),
        *(["AddTags"] if request.get("Tags") else []),
    ]
    for action in actions:
        service_permissions.demand(f"sagemaker:{action}", arn, REFUSED)
    role = kind.role(request)
    if machine and role and not roles.may_pass(machine, role):
        cause = f"{machine} is not authorized to perform: iam:PassRole on resource: {role}"
        raise stepfunctions._ExecutionError(REFUSED, cause)


def install() -> None:
    """Add the integrations, and tell them of the execution that they belong to and of the end of their time."""
    execute: Callable[..., Any] = stepfunctions._execute_task
    limited: Callable[[str, Any, float], Any] = stepfunctions._invoke_resource_with_timeout

    def execute_known(state: Json, data: Any, execution: Json, context: Json) -> Any:
        token = running.set(execution)
        try:
            return execute(state, data, execution, context)
        finally:
            running.reset(token)

    def limited_known(resource: str, data: Any, timeout: float) -> Any:
        late = threading.Event()
        token = out_of_time.set(late)
        try:
            return limited(resource, data, timeout)
        except stepfunctions._ExecutionError as error:
            if error.error == "States.Timeout":
                late.set()
            raise
        finally:
            out_of_time.reset(token)

    stepfunctions._execute_task = execute_known
    stepfunctions._invoke_resource_with_timeout = limited_known
    for word, kind in (("createTrainingJob", TRAINING), ("createHyperParameterTuningJob", TUNING)):
        stepfunctions._SERVICE_DISPATCH[PREFIX + word] = lambda resource, data, kind=kind: run(
            kind, resource, data
        )
