"""Log lines in the embedded metric format become CloudWatch metrics.

Specification:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
Looks at every event that a log group takes in, from functions and from PutLogEvents. A line that does not
follow the format stays an ordinary log line.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ministack.services import cloudwatch, cloudwatch_logs

PAST_SECONDS = 14 * 24 * 3600  # what CloudWatch takes: two weeks back, two hours ahead
FUTURE_SECONDS = 2 * 3600
MAX_VALUES = 100
MAX_DIMENSIONS = 30
MARK = '"_aws"'
SIZES = [f"{prefix}{size}" for size in ("bytes", "bits") for prefix in ("", "Kilo", "Mega", "Giga", "Tera")]
AMOUNTS = [*(size.capitalize() for size in SIZES), "Count"]
UNITS = {*AMOUNTS, *(f"{amount}/Second" for amount in AMOUNTS)} | {
    "Seconds", "Microseconds", "Milliseconds", "Percent", "None",
}  # fmt: skip


@dataclass(frozen=True)
class Datum:
    """One metric's values under one dimension set, at `at` seconds since the epoch."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    values: tuple[float, ...]
    unit: str
    at: float


def parse(line: str, *, now: float) -> list[Datum]:
    """The metrics of a log line; empty when it is not in the format. `now` in seconds since the epoch."""
    if MARK not in line:
        return []
    try:
        root = json.loads(line)
    except ValueError:
        return []
    metadata = root.get("_aws") if isinstance(root, dict) else None
    if not isinstance(metadata, dict):
        return []
    at = timestamp(metadata.get("Timestamp"), now=now)
    directives = metadata.get("CloudWatchMetrics")
    if at is None or not isinstance(directives, list):
        return []
    return [datum for directive in directives for datum in data(root, directive, at)]


def timestamp(milliseconds: object, *, now: float) -> float | None:
    """The moment in seconds, or None when CloudWatch would not take it."""
    if not number(milliseconds):
        return None
    at = float(milliseconds) / 1000  # type: ignore[arg-type]
    return at if now - PAST_SECONDS <= at <= now + FUTURE_SECONDS else None


def data(root: dict[str, Any], directive: Any, at: float) -> Iterator[Datum]:
    """What one metric directive names: each metric under each of its dimension sets."""
    if not isinstance(directive, dict) or not isinstance(directive.get("Namespace"), str):
        return
    sets = [
        dimensions for keys in listed(directive, "Dimensions") if (dimensions := targets(root, keys)) is not None
    ]
    for metric in listed(directive, "Metrics"):
        name = metric.get("Name") if isinstance(metric, dict) else None
        values = numbers(root.get(name)) if isinstance(name, str) else ()
        unit = metric.get("Unit", "None") if values else "None"
        if isinstance(name, str) and values and unit in UNITS:
            for dimensions in sets:
                yield Datum(directive["Namespace"], name, dimensions, values, unit, at)


def listed(directive: dict[str, Any], key: str) -> list[Any]:
    value = directive.get(key)
    return value if isinstance(value, list) else []


def targets(root: dict[str, Any], keys: Any) -> dict[str, str] | None:
    """The dimension set's values, or None when one of them is missing or not a string."""
    if not isinstance(keys, list) or len(keys) > MAX_DIMENSIONS:
        return None
    dimensions = {key: root.get(key) for key in keys if isinstance(key, str)}
    return dimensions if len(dimensions) == len(keys) and all(map(text, dimensions.values())) else None  # type: ignore[return-value]


def numbers(value: object) -> tuple[float, ...]:
    """A metric's values: a number or a list of up to 100 numbers; empty when it is anything else."""
    values = value if isinstance(value, list) else [value]
    return tuple(map(float, values)) if len(values) <= MAX_VALUES and all(map(number, values)) else ()


def text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def store(data: Iterable[Datum]) -> None:
    """Put the values where PutMetricData puts them. The alarms see them at their next look."""
    for datum in data:
        cloudwatch._store_datum(
            datum.namespace,
            datum.name,
            datum.dimensions,
            datum.at,
            datum.unit,
            None,
            list(datum.values),
            None,
            None,
        )


def install() -> None:
    """Look at the events of every log group when they are taken in."""
    forward: Callable[[str, str, list[dict[str, Any]]], None] = cloudwatch_logs._fanout_to_subscription_filters

    def take_in(group: str, stream: str, events: list[dict[str, Any]]) -> None:
        forward(group, stream, events)
        for event in events:
            store(parse(str(event.get("message") or ""), now=time.time()))

    cloudwatch_logs._fanout_to_subscription_filters = take_in
