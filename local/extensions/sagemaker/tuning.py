"""A tuning job under way: training jobs, several at a time, at the points that the search asks for.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeHyperParameterTuningJob.html
"""

import contextlib
import logging
import threading
import time
import uuid
from typing import Any

from local.extensions.sagemaker import store, training
from local.extensions.sagemaker.search import Search
from local.extensions.sagemaker.shapes import Refused

Json = dict[str, Any]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.05
COUNTERS = {"Completed": "Completed", "Failed": "NonRetryableError", "Stopped": "Stopped"}


class Tuning:
    """`record` is what Describe answers."""

    def __init__(self, record: Json, search: Search) -> None:
        self.record = record
        self.stopping = threading.Event()
        self.ended = threading.Event()
        self._search = search
        config = record["HyperParameterTuningJobConfig"]
        self._definition: Json = record["TrainingJobDefinition"]
        self._metric: str = config["HyperParameterTuningJobObjective"]["MetricName"]
        limits = config["ResourceLimits"]
        self._most = min(limits.get("MaxNumberOfTrainingJobs") or search.size or 1, search.size or 10**9)
        self._parallel: int = limits["MaxParallelTrainingJobs"]
        self._seconds: float | None = limits.get("MaxRuntimeInSeconds")
        self._criteria: Json = config.get("TuningJobCompletionCriteria") or {}
        self._lock = threading.Lock()  # of the search, which the log threads of jobs report to
        self._running: list[str] = []
        self._steps: dict[str, int] = {}
        self._lagging: set[str] = set()
        self._launched = 0
        self._not_improving = 0

    def run(self) -> None:
        """Until all jobs have ended."""
        try:
            while True:
                self._settle()
                if not self._enough() and len(self._running) < self._parallel:
                    self._launch()
                elif not self._running and self._enough():
                    break
                else:
                    time.sleep(POLL_SECONDS)
            self._end()
        except Refused as error:
            self._close("Failed", error.message)
        except Exception as error:  # whatever it was, the tuning job must reach a last status
            logger.exception("tuning job %s", self.record["HyperParameterTuningJobName"])
            self._close("Failed", f"InternalServerError: {type(error).__name__}: {error}")
        finally:
            self._stop_running()

    def stop(self) -> None:
        """Launch no more jobs, and stop those that run."""
        self.stopping.set()
        self._stop_running()

    def _stop_running(self) -> None:
        for name in list(self._running):
            with contextlib.suppress(Refused):  # it has ended meanwhile
                training.stop({"TrainingJobName": name})

    def _enough(self) -> bool:
        late = self._seconds is not None and time.time() - self.record["CreationTime"] > self._seconds
        return self.stopping.is_set() or late or self._launched >= self._most or self._satisfied()

    def _satisfied(self) -> bool:
        """Whether a completion criterion is met."""
        best = self.record.get("BestTrainingJob")
        target = self._criteria.get("TargetObjectiveMetricValue")
        patience = (self._criteria.get("BestObjectiveNotImproving") or {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        )
        if patience is not None and self._not_improving >= patience:
            return True
        return best is not None and target is not None and not self._better(target, value_of(best))

    def _better(self, value: float, than: float) -> bool:
        return value > than if self._search.direction == "maximize" else value < than

    def _launch(self) -> None:
        self._launched += 1
        name = f"{self.record['HyperParameterTuningJobName']}-{self._launched:03d}-{uuid.uuid4().hex[:8]}"
        with self._lock:
            tuned = self._search.ask(name)
        copied = (
            "AlgorithmSpecification", "RoleArn", "InputDataConfig", "VpcConfig", "OutputDataConfig",
            "ResourceConfig", "StoppingCondition", "EnableNetworkIsolation", "EnableManagedSpotTraining",
            "EnableInterContainerTrafficEncryption", "CheckpointConfig", "RetryStrategy", "Environment",
        )  # fmt: skip
        request = {member: self._definition[member] for member in copied if member in self._definition}
        static = self._definition.get("StaticHyperParameters") or {}
        request["TrainingJobName"] = name
        request["HyperParameters"] = {**static, **tuned, "_tuning_objective_metric": self._metric}
        training.create(
            request,
            tuning_arn=self.record["HyperParameterTuningJobArn"],
            observe=lambda metric, value: self._observe(name, metric, value),
        )
        with store.lock:
            store.training_jobs[name]["TunedHyperParameters"] = tuned
            self._running.append(name)
            self._count()

    def _observe(self, name: str, metric: str, value: float) -> None:
        """A job has logged a metric: it is stopped when it lags behind the others."""
        if metric != self._metric or name in self._lagging:
            return
        with self._lock:
            self._steps[name] = step = self._steps.get(name, 0) + 1
            lags = self._search.report(name, value, step)
        if lags:
            self._lagging.add(name)
            with contextlib.suppress(Refused):
                training.stop({"TrainingJobName": name})

    def _settle(self) -> None:
        """Take note of the jobs that have ended."""
        for name in list(self._running):
            record = store.copied(store.training_jobs[name])
            if record["TrainingJobStatus"] in store.UNDER_WAY:
                continue
            self._running.remove(name)
            value = objective(record, self._metric) if record["TrainingJobStatus"] != "Failed" else None
            with self._lock:
                self._search.tell(name, value, pruned=name in self._lagging)
            self._not_improving += 1
            best = self.record.get("BestTrainingJob")
            if value is not None and (best is None or self._better(value, value_of(best))):
                self._not_improving = 0
                with store.lock:
                    self.record["BestTrainingJob"] = summary(record, self.record)
            self._count()

    def _count(self) -> None:
        """The counters of the record."""
        with store.lock:
            records = [store.training_jobs[each["TrainingJobName"]] for each in children(self.record)]
            states = {"Completed": 0, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0}
            told = {"Succeeded": 0, "Pending": 0, "Failed": 0}
            for record in records:
                states[COUNTERS.get(record["TrainingJobStatus"], "InProgress")] += 1
                told[status_of_objective(record, self._metric)] += 1
            counted = {"TrainingJobStatusCounters": states, "ObjectiveStatusCounters": told}
            self.record.update(counted, LastModifiedTime=time.time())

    def _end(self) -> None:
        if self.stopping.is_set():
            self._close("Stopped")
        elif self.record["ObjectiveStatusCounters"]["Succeeded"] == 0:
            self._close("Failed", "No training job succeeded with an objective metric; see the training jobs")
        else:
            self._close("Completed")

    def _close(self, status: str, reason: str | None = None) -> None:
        with store.lock:
            now = time.time()
            self.record.update(HyperParameterTuningEndTime=now, LastModifiedTime=now)
            if reason:
                self.record["FailureReason"] = reason[:1024]
            self.record["HyperParameterTuningJobStatus"] = status
        self.ended.set()


def objective(record: Json, metric: str) -> float | None:
    """The last value of the metric that the job logged."""
    values = [each["Value"] for each in record.get("FinalMetricDataList") or [] if each["MetricName"] == metric]
    return values[0] if values else None


def value_of(shown: Json) -> float:
    value: float = shown["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return value


def status_of_objective(record: Json, metric: str) -> str:
    if record["TrainingJobStatus"] in store.UNDER_WAY:
        return "Pending"
    failed = record["TrainingJobStatus"] == "Failed" or objective(record, metric) is None
    return "Failed" if failed else "Succeeded"


def children(tuning: Json) -> list[Json]:
    """The records of its training jobs, in the order in which they were launched."""
    arn = tuning["HyperParameterTuningJobArn"]
    return [each for each in list(store.training_jobs.values()) if each.get("TuningJobArn") == arn]


def summary(record: Json, tuning: Json) -> Json:
    """A training job as the calls about its tuning job show it."""
    wanted = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    metric: str = wanted["MetricName"]
    value = objective(record, metric)
    names = (
        "TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime",
        "TrainingJobStatus", "FailureReason",
    )  # fmt: skip
    shown = {name: record[name] for name in names if name in record}
    final = {"Type": wanted["Type"], "MetricName": metric, "Value": value}
    return {
        **shown,
        "TunedHyperParameters": record.get("TunedHyperParameters", {}),
        "ObjectiveStatus": status_of_objective(record, metric),
        **({"FinalHyperParameterTuningJobObjectiveMetric": final} if value is not None else {}),
    }
