"""Logs and metrics, the same way in every function. Payloads are never logged outside capture."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from tidemill import names, token_names

logger = Logger()


def count(metric: str, value: float, *, project: str) -> None:
    """One data point of a project's metric, written as an embedded-metric-format log line."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value, namespace=names.METRIC_NAMESPACE) as line:
        line.add_dimension(names.DIMENSION_PROJECT, project)


def denied(reason: str) -> None:
    """A request whose token does not open what it asks for. Not by project: what is in a path is anybody's text,
    and each new text would be a metric to pay for."""
    with single_metric(
        name=token_names.METRIC_DENIED, unit=MetricUnit.Count, value=1, namespace=names.METRIC_NAMESPACE
    ) as line:
        line.add_dimension(token_names.DIMENSION_REASON, reason)


def counts(metrics: Mapping[str, float], *, project: str) -> None:
    """Several metrics of a project."""
    for metric, value in metrics.items():
        count(metric, value, project=project)


def log_of(context: Any) -> dict[str, str]:
    """Where the lines of an invocation are, by its Lambda context: `{group, stream, request_id}`."""
    return {
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "request_id": context.aws_request_id,
    }


def left_of(context: Any) -> Callable[[], timedelta]:
    """Gives the time that an invocation has left, by its Lambda context."""
    return lambda: timedelta(milliseconds=context.get_remaining_time_in_millis())


def now() -> datetime:
    """The clock that handlers pass in: now, aware, UTC."""
    return datetime.now(UTC)
