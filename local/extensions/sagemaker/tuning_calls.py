"""The calls about tuning jobs: create, describe, stop, list their training jobs."""

import contextvars
import threading
import time
from typing import Any

from local.extensions.sagemaker import images, roles, store, training
from local.extensions.sagemaker.search import Search
from local.extensions.sagemaker.shapes import Refused
from local.extensions.sagemaker.tuning import Tuning, children, summary

Json = dict[str, Any]

under_way: dict[tuple[str, str, str], Tuning] = {}


def create(request: Json) -> Json:
    """Start a tuning job. Raises Refused."""
    name, config = request["HyperParameterTuningJobName"], request["HyperParameterTuningJobConfig"]
    arn = store.arn("hyper-parameter-tuning-job", name)
    check(request)
    search = Search(config)
    with store.lock:
        if name in store.tuning_jobs:
            raise Refused(
                "ResourceInUse",
                "Tuning job names must be unique within an AWS account and region, and a tuning job with this "
                f"name already exists ({arn})",
            )
        now = time.time()
        record = {
            "HyperParameterTuningJobName": name,
            "HyperParameterTuningJobArn": arn,
            "HyperParameterTuningJobConfig": config,
            "TrainingJobDefinition": request["TrainingJobDefinition"],
            "HyperParameterTuningJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            "TrainingJobStatusCounters": dict.fromkeys(
                ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
            ),
            "ObjectiveStatusCounters": dict.fromkeys(("Succeeded", "Pending", "Failed"), 0),
        }
        store.tuning_jobs[name] = record
        if request.get("Tags"):
            store.tags[arn] = list(request["Tags"])
        tuning = under_way[training.key(name)] = Tuning(record, search)
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run, tuning), daemon=True, name=f"tuning-{name}").start()
    return {"HyperParameterTuningJobArn": arn}


def run(tuning: Tuning) -> None:
    try:
        tuning.run()
    finally:
        under_way.pop(training.key(tuning.record["HyperParameterTuningJobName"]), None)


def check(request: Json) -> None:
    """What the model's shapes cannot say, and what this cloud lacks. Raises Refused."""
    config, definition = request["HyperParameterTuningJobConfig"], request.get("TrainingJobDefinition")
    if definition is None or request.get("TrainingJobDefinitions"):
        raise Refused("ValidationException", "The embedded cloud runs tuning jobs of one TrainingJobDefinition")
    if request.get("WarmStartConfig") or request.get("Autotune"):
        raise Refused("ValidationException", "The embedded cloud has neither WarmStartConfig nor Autotune")
    if "HyperParameterTuningJobObjective" not in config:
        raise Refused("ValidationException", "HyperParameterTuningJobObjective must be specified")
    metric = config["HyperParameterTuningJobObjective"]["MetricName"]
    defined = definition["AlgorithmSpecification"].get("MetricDefinitions") or []
    if metric not in {each["Name"] for each in defined}:
        raise Refused("ValidationException", f"The objective {metric!r} is not among the MetricDefinitions")
    if config["Strategy"] != "Grid" and "MaxNumberOfTrainingJobs" not in config["ResourceLimits"]:
        raise Refused("ValidationException", "MaxNumberOfTrainingJobs must be specified")
    ranges = config.get("ParameterRanges") or {}
    tuned = {each["Name"] for listed in ranges.values() if isinstance(listed, list) for each in listed}
    both = sorted(tuned & set(definition.get("StaticHyperParameters") or {}))
    if both:
        raise Refused("ValidationException", f"Hyperparameters {both} are both static and tuned")
    training.check(definition)
    images.program(definition["AlgorithmSpecification"])
    roles.demand_assumable(definition["RoleArn"])


def found(name: str) -> Json:
    """The tuning job's record. Raises Refused."""
    record: Json | None = store.tuning_jobs.get(name)
    if record is None:
        raise Refused("ResourceNotFound", f"Amazon SageMaker can't find a tuning job with name {name}.")
    return record


def describe(request: Json) -> Json:
    return store.copied(found(request["HyperParameterTuningJobName"]))


def stop(request: Json) -> Json:
    """Ask a tuning job, and its training jobs, to end. Raises Refused."""
    name = request["HyperParameterTuningJobName"]
    record = found(name)
    with store.lock:
        status = record["HyperParameterTuningJobStatus"]
        if status not in store.UNDER_WAY:
            raise Refused(
                "ValidationException", f"The request was rejected because the tuning job is in status {status}."
            )
        record["HyperParameterTuningJobStatus"] = "Stopping"
        tuning = under_way.get(training.key(name))
    if tuning is not None:
        tuning.stop()
    return {}


def list_training_jobs(request: Json) -> Json:
    """The training jobs of a tuning job, those launched last first unless asked otherwise."""
    tuning = found(request["HyperParameterTuningJobName"])
    with store.lock:
        shown = [summary(store.copied(record), tuning) for record in children(tuning)]
    wanted = request.get("StatusEquals")
    listed = [each for each in shown if wanted in (None, each["TrainingJobStatus"])]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        final = "FinalHyperParameterTuningJobObjectiveMetric"
        listed = sorted((each for each in listed if final in each), key=lambda each: each[final]["Value"])
    elif request.get("SortBy") in ("Name", "Status"):
        member = {"Name": "TrainingJobName", "Status": "TrainingJobStatus"}[request["SortBy"]]
        listed.sort(key=lambda each: each[member])
    if request.get("SortOrder", "Descending" if "SortBy" not in request else "Ascending") == "Descending":
        listed.reverse()
    return training.page(listed, request, "TrainingJobSummaries")
