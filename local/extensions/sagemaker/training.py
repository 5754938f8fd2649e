"""The calls about training jobs: create, describe, stop, list."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local.extensions.sagemaker import images, roles, store
from local.extensions.sagemaker.job import Job
from local.extensions.sagemaker.shapes import Refused
from local.extensions.sagemaker.transfers import joined

Json = dict[str, Any]

DAY = 86_400
KEPT = (
    "TrainingJobName", "HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig",
    "OutputDataConfig", "ResourceConfig", "VpcConfig", "CheckpointConfig", "Environment", "RetryStrategy",
    "ExperimentConfig",
)  # fmt: skip

under_way: dict[tuple[str, str, str], Job] = {}


def create(
    request: Json, *, tuning_arn: str | None = None, observe: Callable[[str, float], None] | None = None
) -> Json:
    """Start a job. Raises Refused."""
    name = request["TrainingJobName"]
    arn = store.arn("training-job", name)
    check(request)
    program = images.program(request["AlgorithmSpecification"])
    roles.demand_assumable(request["RoleArn"])
    with store.lock:
        if name in store.training_jobs:
            raise Refused(
                "ResourceInUse",
                "Training job names must be unique within an AWS account and region, and a training job with "
                f"this name already exists ({arn})",
            )
        record = new_record(request, arn, tuning_arn)
        store.training_jobs[name] = record
        if request.get("Tags"):
            store.tags[arn] = list(request["Tags"])
        job = Job(record, program, roles.credentials, observe)
        under_way[key(name)] = job
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run, job), daemon=True, name=f"training-{name}").start()
    return {"TrainingJobArn": arn}


def run(job: Job) -> None:
    try:
        job.run()
    finally:
        under_way.pop(key(job.record["TrainingJobName"]), None)


def key(name: str) -> tuple[str, str, str]:
    return (get_account_id(), get_region(), name)


def check(request: Json) -> None:
    """What the model's shapes cannot say. Raises Refused."""
    for member in ("AlgorithmSpecification", "ResourceConfig"):
        if member not in request:
            raise Refused("ValidationException", f"{member} must be specified")
    if request["ResourceConfig"].get("InstanceGroups"):
        raise Refused(
            "ValidationException", "The embedded cloud runs homogeneous clusters only: no InstanceGroups"
        )
    if "TrainingImage" not in request["AlgorithmSpecification"]:
        raise Refused(
            "ValidationException", "You must specify a TrainingImage; the embedded cloud has no algorithms"
        )
    for channel in request.get("InputDataConfig") or []:
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            raise Refused(
                "ValidationException", "The embedded cloud reads S3Prefix and ManifestFile channels only"
            )
        if channel.get("InputMode", "File") == "Pipe":
            raise Refused("ValidationException", "The embedded cloud has no Pipe mode; use File or FastFile")
    inside = (request.get("CheckpointConfig") or {}).get("LocalPath", "/opt/ml/checkpoints")
    if not inside.startswith("/opt/ml/"):
        raise Refused(
            "ValidationException", f"The embedded cloud keeps checkpoints below /opt/ml only, not {inside}"
        )
    check_spot(request)


def check_spot(request: Json) -> None:
    limits = request.get("StoppingCondition") or {}
    longest, wait = limits.get("MaxRuntimeInSeconds", DAY), limits.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < longest:
            raise Refused(
                "ValidationException",
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to "
                "MaxRuntimeInSeconds",
            )
    elif wait is not None:
        raise Refused(
            "ValidationException", "MaxWaitTimeInSeconds is for jobs with EnableManagedSpotTraining only"
        )


def new_record(request: Json, arn: str, tuning_arn: str | None) -> Json:
    """What Describe answers of a job that has just been created."""
    now = time.time()
    record = {name: request[name] for name in KEPT if name in request}
    limits = {"MaxRuntimeInSeconds": DAY, **(request.get("StoppingCondition") or {})}
    model = f"{request['TrainingJobName']}/output/model.tar.gz"
    record |= {
        "TrainingJobArn": arn,
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [],
        "StoppingCondition": limits,
        "ModelArtifacts": {"S3ModelArtifacts": joined(request["OutputDataConfig"]["S3OutputPath"], model)},
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": request.get("EnableInterContainerTrafficEncryption", False),
        "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
        "CreationTime": now,
        "LastModifiedTime": now,
        **({"TuningJobArn": tuning_arn} if tuning_arn else {}),
    }
    store.transition(record, "Starting", "Preparing the instances for training")
    return record


def found(name: str) -> Json:
    """The job's record. Raises Refused."""
    record: Json | None = store.training_jobs.get(name)
    if record is None:
        raise Refused("ValidationException", "Requested resource not found.")
    return record


def describe(request: Json) -> Json:
    return store.copied(found(request["TrainingJobName"]))


def stop(request: Json) -> Json:
    """Ask a job to end; it may take until its grace period is over. Raises Refused."""
    name = request["TrainingJobName"]
    record = found(name)
    with store.lock:
        status = record["TrainingJobStatus"]
        if status not in store.UNDER_WAY:
            raise Refused(
                "ValidationException",
                f"The request was rejected because the training job is in status {status}.",
            )
        if status == "InProgress":
            record["TrainingJobStatus"] = "Stopping"
            store.transition(record, "Stopping", "Stopping the training job")
    if job := under_way.get(key(name)):
        job.ask("stop")
    return {}


def interrupt(name: str) -> bool:
    """Take back the spot capacity of a job of the default account. False where there is no such spot job that
    trains."""
    for (_, _, named), job in list(under_way.items()):
        if (
            named == name
            and job.record["EnableManagedSpotTraining"]
            and job.record["SecondaryStatus"] == "Training"
        ):
            job.ask("interrupt")
            return True
    return False


def end_all(seconds: float) -> None:
    """End every job, because the cloud stops."""
    jobs = list(under_way.values())
    for job in jobs:
        job.ask("end")
    deadline = time.monotonic() + seconds
    for job in jobs:
        job.over.wait(max(0.0, deadline - time.monotonic()))


def summaries(request: Json) -> Iterator[Json]:
    """The jobs that the request asks for, as ListTrainingJobs shows them."""
    shown = (
        "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime",
        "TrainingJobStatus", "SecondaryStatus",
    )  # fmt: skip
    for record in list(store.training_jobs.values()):
        at, changed = record["CreationTime"], record["LastModifiedTime"]
        if (
            request.get("NameContains", "") in record["TrainingJobName"]
            and request.get("StatusEquals", record["TrainingJobStatus"]) == record["TrainingJobStatus"]
            and request.get("CreationTimeAfter", at) <= at <= request.get("CreationTimeBefore", at)
            and request.get("LastModifiedTimeAfter", changed) <= changed
            and changed <= request.get("LastModifiedTimeBefore", changed)
        ):
            yield {name: record[name] for name in shown if name in record}


def list_jobs(request: Json) -> Json:
    sort = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}.get(
        request.get("SortBy", ""), "CreationTime"
    )
    with store.lock:
        listed = sorted(summaries(request), key=lambda each: each[sort])
    if request.get("SortOrder") == "Descending":
        listed.reverse()
    return page(listed, request, "TrainingJobSummaries")


def page(listed: list[Json], request: Json, member: str) -> Json:
    """One page of a list; the token is the place at which the next begins. Raises Refused."""
    token = request.get("NextToken", "0")
    if not token.isdecimal():
        raise Refused("ValidationException", f"Invalid NextToken: {token}")
    start, size = int(token), request.get("MaxResults", 10)
    more = {"NextToken": str(start + size)} if start + size < len(listed) else {}
    return {member: listed[start : start + size], **more}
