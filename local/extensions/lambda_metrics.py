"""The metrics of `AWS/Lambda`: of every invocation, by function, by alias or version, and by executed version.

MiniStack writes them for Invoke requests alone, by function alone. Here each invocation counts, whatever service
made it, with the dimensions of
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html: `FunctionName`; `Resource`
(`<function>:<alias or version>`) with it; and `ExecutedVersion` with both, where an alias was invoked, which tells
the two versions of a weighted alias apart. `Duration` is the time that the code ran: the initialization of an
environment is not in it (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html).
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import cloudwatch, lambda_svc

Record = dict[str, Any]
NAMESPACE = "AWS/Lambda"


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
        cloudwatch.record_metric(NAMESPACE, "Invocations", 1, "Count", each)
        cloudwatch.record_metric(NAMESPACE, "Errors", int(failed), "Count", each)
        cloudwatch.record_metric(NAMESPACE, "Duration", milliseconds, "Milliseconds", each)


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
