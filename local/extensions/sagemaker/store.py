"""What the embedded SageMaker remembers: training jobs, tuning jobs and tags, by account and region.

A job's record is what its Describe call answers. `lock` is held by whoever reads or changes one, because requests
and the threads of jobs do both.
"""

import copy
import threading
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

Record = dict[str, Any]

UNDER_WAY = ("InProgress", "Stopping")
LOST = "InternalServerError: the embedded cloud was stopped while the job was under way"

lock = threading.RLock()
training_jobs = AccountRegionScopedDict()
tuning_jobs = AccountRegionScopedDict()
tags = AccountRegionScopedDict()  # ARN → list of {Key, Value}


def arn(kind: str, name: str) -> str:
    """The ARN of a `training-job` or `hyper-parameter-tuning-job` of this account and region."""
    return f"arn:aws:sagemaker:{get_region()}:{get_account_id()}:{kind}/{name}"


def copied(record: Record) -> Record:
    """The record as it is at this moment."""
    with lock:
        return copy.deepcopy(record)


def transition(record: Record, status: str, message: str) -> None:
    """Note a secondary status of a training job, and when the one before ended."""
    with lock:
        now = time.time()
        passed = record["SecondaryStatusTransitions"]
        if passed and "EndTime" not in passed[-1]:
            passed[-1]["EndTime"] = now
        passed.append({"Status": status, "StartTime": now, "StatusMessage": message})
        record.update(SecondaryStatus=status, LastModifiedTime=now)


def finish(record: Record, status: str, secondary: str, message: str, *, reason: str | None = None) -> None:
    """Give a training job its last status."""
    with lock:
        transition(record, secondary, message)
        record["SecondaryStatusTransitions"][-1]["EndTime"] = record["LastModifiedTime"]
        record["TrainingEndTime"] = record["LastModifiedTime"]
        if reason:
            record["FailureReason"] = reason[:1024]
        record["TrainingJobStatus"] = status  # the last, so that whoever sees it sees the rest too


def state() -> Record:
    """Everything, for the state file."""
    with lock:
        return copy.deepcopy({"training_jobs": training_jobs, "tuning_jobs": tuning_jobs, "tags": tags})


def restore(data: Record) -> None:
    """Take back what `state` gave. A job that was under way then has no process any more, and has failed."""
    with lock:
        for name, kept in (("training_jobs", training_jobs), ("tuning_jobs", tuning_jobs), ("tags", tags)):
            kept.update(data.get(name, {}))
        for record in training_jobs._data.values():
            if record["TrainingJobStatus"] in UNDER_WAY:
                finish(record, "Failed", "Failed", "Training job failed", reason=LOST)
        for record in tuning_jobs._data.values():
            if record["HyperParameterTuningJobStatus"] in UNDER_WAY:
                end = {"HyperParameterTuningEndTime": time.time(), "FailureReason": LOST}
                record.update(end, HyperParameterTuningJobStatus="Failed")


def reset() -> None:
    """Forget everything."""
    with lock:
        for kept in (training_jobs, tuning_jobs, tags):
            kept._data.clear()
