"""Captured predictions and outcomes as they lie in the store: lines of JSON, by day."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from tidemill.ports import ObjectStore


def read(
    objects: ObjectStore, folder: Callable[[str], str], since: datetime, until: datetime
) -> Iterator[dict[str, Any]]:
    """The lines below `folder(<day>)` of each day from `since` to `until`, whatever their own time."""
    for day in _days(since.date(), until.date()):
        for key in objects.keys(folder(day.isoformat())):
            body = objects.get(key)
            text = gzip.decompress(body) if key.endswith(".gz") else body
            yield from (json.loads(line) for line in text.splitlines() if line)


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
