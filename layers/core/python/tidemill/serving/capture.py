"""Capture lines: what was asked and answered, for standard output, where a log subscription picks them up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill import names
from tidemill.serving import compact

MAX_INSTANCES = 200
MAX_BYTES = 200_000  # CloudWatch Logs cuts an event at 256 KiB


def lines(head: Mapping[str, Any], instances: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """JSON lines that hold all instances, each with `head`, none too long for a log event."""
    batch: list[str] = []
    size = 0
    for instance in instances:
        text = compact.text(instance)
        if batch and (len(batch) == MAX_INSTANCES or size + len(text) > MAX_BYTES):
            yield _line(head, batch)
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield _line(head, batch)


def _line(head: Mapping[str, Any], instances: Sequence[str]) -> str:
    opening = compact.text({"kind": names.CAPTURE_TERM, **head})
    return f'{opening[:-1]},"instances":[{",".join(instances)}]}}'
