"""The log lines of a training job: in CloudWatch Logs, and read for its metrics.

Group, streams and metric definitions: https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html.
"""

import contextvars
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch_logs

from local.extensions.sagemaker import store

GROUP = "/aws/sagemaker/TrainingJobs"

Record = dict[str, Any]


class Log:
    """Takes the lines of all hosts of one job."""

    def __init__(self, record: Record, observe: Callable[[str, float], None] | None) -> None:
        self._record = record
        self._observe = observe
        self._lock = threading.Lock()
        self._born = int(time.time())
        self._context = contextvars.copy_context()  # the lines come from threads without the request's account
        definitions = record["AlgorithmSpecification"].get("MetricDefinitions") or []
        self._patterns = [(each["Name"], re.compile(each["Regex"])) for each in definitions]
        self._metrics: dict[str, Record] = {}

    def line(self, host: str, text: str) -> None:
        """One line of a host."""
        with self._lock:
            self._context.run(self._write, f"{self._record['TrainingJobName']}/{host}-{self._born}", text)
        for name, pattern in self._patterns:
            for found in pattern.finditer(text):
                self._note(name, found)

    def _write(self, stream: str, text: str) -> None:
        if GROUP not in cloudwatch_logs._log_groups:
            cloudwatch_logs._create_log_group({"logGroupName": GROUP})
        streams = cloudwatch_logs._log_groups[GROUP]["streams"]
        if stream not in streams:
            cloudwatch_logs._create_log_stream({"logGroupName": GROUP, "logStreamName": stream})
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": text, "ingestionTime": now}]
        cloudwatch_logs._append_log_events(streams[stream], events)
        cloudwatch_logs._fanout_to_subscription_filters(GROUP, stream, events)

    def _note(self, name: str, found: re.Match[str]) -> None:
        """The last value of each metric counts."""
        try:
            value = float(found[1])
        except (IndexError, ValueError):
            return
        with store.lock:
            self._metrics[name] = {"MetricName": name, "Value": value, "Timestamp": time.time()}
            self._record["FinalMetricDataList"] = list(self._metrics.values())
        if self._observe is not None:
            self._observe(name, value)

    def close(self) -> None:
        """The job has ended; a metric that was never logged is not in the list."""
        with store.lock:
            self._record.setdefault("FinalMetricDataList", [])
