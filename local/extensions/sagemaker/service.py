"""SageMaker as a service of MiniStack: which requests are its own, what answers them, what is kept.

MiniStack has no SageMaker. It takes services from a registry; this one is added to it, with the names by which IAM
knows its actions and resources.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import error_response_json, json_response

from local.extensions.sagemaker import shapes, store, training, tuning_calls
from local.extensions.sagemaker.shapes import Refused

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

NAME = "sagemaker"
TARGET = "SageMaker."
CONTENT_TYPE = "application/x-amz-json-1.1"
STOP_SECONDS = 10.0
# The member of a request that names its resource, and the resource's type in an ARN.
RESOURCES = {"TrainingJobName": "training-job", "HyperParameterTuningJobName": "hyper-parameter-tuning-job"}


def add_tags(request: Json) -> Json:
    """Set tags of a job, a new value over an old one."""
    arn = existing(request["ResourceArn"])
    with store.lock:
        kept = {each["Key"]: each for each in [*(store.tags.get(arn) or []), *request["Tags"]]}
        store.tags[arn] = list(kept.values())
    return {"Tags": list(kept.values())}


def list_tags(request: Json) -> Json:
    return {"Tags": list(store.tags.get(existing(request["ResourceArn"])) or [])}


def delete_tags(request: Json) -> Json:
    arn = existing(request["ResourceArn"])
    with store.lock:
        store.tags[arn] = [each for each in store.tags.get(arn) or [] if each["Key"] not in request["TagKeys"]]
    return {}


def existing(arn: str) -> str:
    """The ARN, when it is that of a job. Raises Refused."""
    jobs = [*store.training_jobs.values(), *store.tuning_jobs.values()]
    if arn not in {each.get("TrainingJobArn") or each.get("HyperParameterTuningJobArn") for each in jobs}:
        raise Refused("ResourceNotFound", f"{arn} does not exist")
    return arn


CALLS: dict[str, Callable[[Json], Json]] = {
    "CreateTrainingJob": training.create,
    "DescribeTrainingJob": training.describe,
    "StopTrainingJob": training.stop,
    "ListTrainingJobs": training.list_jobs,
    "CreateHyperParameterTuningJob": tuning_calls.create,
    "DescribeHyperParameterTuningJob": tuning_calls.describe,
    "StopHyperParameterTuningJob": tuning_calls.stop,
    "ListTrainingJobsForHyperParameterTuningJob": tuning_calls.list_training_jobs,
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}


def call(operation: str, request: Json) -> Json:
    """The answer of an operation. Raises Refused."""
    if operation not in CALLS:
        known = ", ".join(CALLS)
        raise Refused("UnknownOperationException", f"The embedded SageMaker has no {operation}; it has {known}")
    shapes.check(operation, request)
    answered = CALLS[operation](request)
    return shapes.answer(operation, answered) if shapes.model().operation_model(operation).output_shape else {}


async def handle_request(method: str, path: str, headers: Json, body: bytes, query: Json) -> Answer:
    """Answer a request, in a thread: the service model and layers are read from disk."""
    operation = headers.get("x-amz-target", "").removeprefix(TARGET)
    try:
        request = json.loads(body or b"{}")
        answered = await asyncio.to_thread(call, operation, request)
    except Refused as error:
        return refusal(error.code, error.message)
    except ValueError as error:
        return refusal("SerializationException", str(error))
    return json_response(answered, content_type=CONTENT_TYPE)  # type: ignore[no-any-return]


def refusal(code: str, message: str) -> Answer:
    answered: Answer = error_response_json(code, message, 400, content_type=CONTENT_TYPE)
    return answered


# What MiniStack asks of the module of a service.
get_state = store.state
load_persisted_state = store.restore
reset = store.reset


def stop() -> None:
    """End all jobs, because the cloud stops."""
    for tuning in list(tuning_calls.under_way.values()):
        tuning.stopping.set()
    training.end_all(STOP_SECONDS)


def install() -> None:
    """Add the service to MiniStack's registry."""
    app.SERVICE_REGISTRY[NAME] = {"module": NAME}
    app.SERVICE_HANDLERS[NAME] = handle_request
    app._loaded_modules[NAME] = sys.modules[__name__]
    app._state_map[NAME] = NAME
    router.SERVICE_PATTERNS[NAME] = {"target_prefixes": [TARGET], "host_patterns": [r"api\.sagemaker\."]}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[NAME] = NAME
    resource_of: Callable[..., str] = iam_actions.extract_resource_arn

    def with_jobs(service: str, method: str, path: str, headers: Json, body: bytes, *rest: Any) -> str:
        if service != NAME:
            return resource_of(service, method, path, headers, body, *rest)
        return resource(body)

    iam_actions.extract_resource_arn = with_jobs


def resource(body: bytes) -> str:
    """The ARN that a request is about, `*` where it is about none."""
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return "*"
    for member, kind in RESOURCES.items():
        if isinstance(request, dict) and member in request:
            return store.arn(kind, str(request[member]))
    return str(request.get("ResourceArn", "*")) if isinstance(request, dict) else "*"
