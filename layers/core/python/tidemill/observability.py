"""Logs and metrics, the same way in every function. Payloads are never logged outside capture."""

from collections.abc import Mapping
from datetime import UTC, datetime

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from tidemill import names

logger = Logger()


def count(metric: str, value: float, *, project: str) -> None:
    """One data point of a project's metric, written as an embedded-metric-format log line."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value, namespace=names.METRIC_NAMESPACE) as line:
        line.add_dimension(names.DIMENSION_PROJECT, project)


def counts(metrics: Mapping[str, float], *, project: str) -> None:
    """Several metrics of a project."""
    for metric, value in metrics.items():
        count(metric, value, project=project)


def now() -> datetime:
    """The clock that handlers pass in: now, aware, UTC."""
    return datetime.now(UTC)
