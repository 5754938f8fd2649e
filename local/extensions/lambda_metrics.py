"""The metrics of `AWS/Lambda`: of every invocation, by function, by alias or version, and by executed version.

MiniStack writes them for Invoke requests alone, by function alone. Here each invocation counts, whatever service
made it, with the dimensions of
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html: `FunctionName`; `Resource`
(`<function>:<alias or version>`) with it; and `ExecutedVersion` with both, where an alias was invoked, which tells
the two versions of a weighted alias apart. `Duration` is the time that the code ran: the initialization of an
environment is not in it (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html).

Differs from CloudWatch: of each metric the last points are kept, 10,000 or more, as a storm of invocations would
make alarms slow and the saved state large.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import cloudwatch, lambda_svc

Record = dict[str, Any]
NAMESPACE = "AWS/Lambda"
KEPT = 20_000


def dimensions(config: Record) -> Iterator[dict[str, str]]:
    """The dimension sets of an invocation. The ARN in `config` is the one that was invoked."""
    name = config["FunctionName"]
    yield {"FunctionName": name}
    invoked = config["FunctionArn"].split(":")[7:]
    if invoked and invoked[0] != "$LATEST":
        resource = {"FunctionName": name, "Resource": f"{name}:{invoked[0]}"}
        yield resource
        if not invoked[0].isdecimal():
            yield {**resource, "ExecutedVersion": config.get("Version", "$LATEST")}


def note(config: Record, *, milliseconds: float, failed: bool) -> None:
    """Write the metrics of an invocation that was let in."""
    for each in dimensions(config):
        add("Invocations", 1, "Count", each)
        add("Errors", int(failed), "Count", each)
        add("Duration", milliseconds, "Milliseconds", each)


def add(metric: str, value: float, unit: str, dimensions: dict[str, str]) -> None:
    """Write one point, and forget the older half where there are too many."""
    cloudwatch.record_metric(NAMESPACE, metric, value, unit, dimensions)
    points = cloudwatch._metric_bucket((NAMESPACE, metric, cloudwatch._dims_key(dimensions)))
    if len(points) > KEPT:
        del points[: KEPT // 2]


def throttles(function: str, duration_ms: float, error: bool, throttle: bool) -> None:
    """What is left of MiniStack's own metrics: refused invocations, which never reach a function."""
    if throttle:
        cloudwatch.record_metric(NAMESPACE, "Throttles", 1, "Count", {"FunctionName": function})


def install() -> None:
    run: Callable[..., Record] = lambda_svc._execute_function_dispatch

    def measured(record: Record, config: Record, event: Any, request_id: str, started: float) -> Record:
        began = time.time()
        result = run(record, config, event, request_id, started)
        took = result.get("milliseconds", (time.time() - began) * 1000)
        note(config, milliseconds=took, failed=bool(result.get("error")))
        return result

    lambda_svc._execute_function_dispatch = measured
    lambda_svc._emit_lambda_metrics = throttles
