"""The alarms on challengers, on CloudWatch: made when a challenger gets traffic, removed when its release ends.

The version of a challenger is known only then, so that no deployment can make them. They have fixed names, by
which the deployment grants PutMetricAlarm and DeleteAlarms (all calls made) and listens to them. Lambda's metrics
tell the versions of a weighted alias apart by `ExecutedVersion`, beside `FunctionName` and `Resource`
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html).
"""

from typing import Any

from botocore.exceptions import ClientError

from tidemill import names
from tidemill.ports import Watch
from tidemill.release import guard_names

PERIOD = 60
PAGE = "docs/operations/guard-alarms.md"
_GONE = {"ResourceNotFound", "ResourceNotFoundException"}


class CloudWatchGuards:
    """A Guards. Alarms tell `topic`, if there is one."""

    def __init__(self, client: Any, *, stage: str, topic: str | None = None) -> None:
        self._client = client
        self._stage = stage
        self._topic = topic

    def set(self, project: str, watch: Watch) -> None:
        version = f"more than {{}} of the requests that version {watch.version} of {project} answers"
        if watch.errors is None:
            self._remove("errors", project)
        else:
            # An answer of 500 or above is no error of Lambda's: the endpoint counts it itself, if there is one.
            rate = f"IF(invocations >= {watch.min_requests}, (errors + FILL(faults, 0)) / invocations, 0)"
            metrics = [
                _expression("rate", rate, "share of failed requests"),
                self._lambda("invocations", "Invocations", "Sum", project, watch),
                self._lambda("errors", "Errors", "Sum", project, watch),
                self._faults(project, watch),
            ]
            told = f"{version.format(f'{watch.errors:.2%}')} fail"
            self._put("errors", project, watch, metrics, watch.errors, told)
        if watch.p95_ms is None:
            self._remove("latency", project)
        else:
            slow = f"IF(invocations >= {watch.min_requests}, p95, 0)"
            metrics = [
                _expression("slow", slow, "95th percentile of milliseconds"),
                self._lambda("invocations", "Invocations", "Sum", project, watch),
                self._lambda("p95", "Duration", "p95", project, watch),
            ]
            told = f"{version.format('5%')} take more than {watch.p95_ms:g} ms"
            self._put("latency", project, watch, metrics, watch.p95_ms, told)

    def clear(self, project: str) -> None:
        for kind in guard_names.KINDS:
            self._remove(kind, project)

    def _put(
        self, kind: str, project: str, watch: Watch, metrics: list[dict[str, Any]], limit: float, told: str
    ) -> None:
        self._client.put_metric_alarm(
            AlarmName=guard_names.alarm(self._stage, kind, project),
            AlarmDescription=f"{guard_names.subject(watch.release_id)}{told}. It is rolled back at once: {PAGE}",
            AlarmActions=[self._topic] if self._topic else [],
            Metrics=metrics,
            # One minute is enough; of three, as a metric may come later than another of the same minute.
            EvaluationPeriods=3,
            DatapointsToAlarm=1,
            Threshold=limit,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )

    def _remove(self, kind: str, project: str) -> None:
        """One by one: DeleteAlarms deletes none of several if one of them is not there."""
        try:
            self._client.delete_alarms(AlarmNames=[guard_names.alarm(self._stage, kind, project)])
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise

    def _lambda(self, name: str, metric: str, statistic: str, project: str, watch: Watch) -> dict[str, Any]:
        function = names.endpoint_function(self._stage, project)
        dimensions = {
            "FunctionName": function,
            "Resource": f"{function}:{names.LIVE_ALIAS}",
            "ExecutedVersion": watch.version,
        }
        return _metric(name, "AWS/Lambda", metric, statistic, dimensions)

    def _faults(self, project: str, watch: Watch) -> dict[str, Any]:
        dimensions = {
            names.DIMENSION_STAGE: self._stage,
            names.DIMENSION_PROJECT: project,
            names.DIMENSION_VARIANT: watch.version,
        }
        return _metric("faults", names.METRIC_NAMESPACE, names.METRIC_ANSWER_FAULTS, "Sum", dimensions)


def _metric(name: str, namespace: str, metric: str, statistic: str, dimensions: dict[str, str]) -> dict[str, Any]:
    which = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    of = {"Namespace": namespace, "MetricName": metric, "Dimensions": which}
    return {"Id": name, "MetricStat": {"Metric": of, "Period": PERIOD, "Stat": statistic}, "ReturnData": False}


def _expression(name: str, text: str, label: str) -> dict[str, Any]:
    return {"Id": name, "Expression": text, "Label": label, "ReturnData": True}
