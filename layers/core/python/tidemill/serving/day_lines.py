"""Captured predictions and outcomes back as JSON objects, over a span of days. Whoever compares them reads here.

What cannot be read is counted as `unreadable`, never guessed; one broken object must not stop every release.
"""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from tidemill.errors import RecordNotFound
from tidemill.ports import ObjectStore

UNREADABLE = "unreadable"
BROKEN = (ValueError, KeyError, TypeError, AttributeError)
"""What reading a line raises that is not as the contract says."""


def lines(
    objects: ObjectStore,
    folder: Callable[[str], str],
    *,
    since: datetime,
    until: datetime,
    counted: Counter[str],
) -> Iterator[dict[str, Any]]:
    """The lines of the folders of these days, both included."""
    for offset in range((until.date() - since.date()).days + 1):
        day = since.date() + timedelta(days=offset)
        for key in objects.keys(folder(day.isoformat())):
            yield from _of(objects, key, counted)


def _of(objects: ObjectStore, key: str, counted: Counter[str]) -> Iterator[dict[str, Any]]:
    try:
        body = objects.get(key)
        text = gzip.decompress(body) if key.endswith(".gz") else body
    except (RecordNotFound, OSError, EOFError, zlib.error):
        counted[UNREADABLE] += 1
        return
    for line in filter(None, text.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if isinstance(found, dict):
            yield found
        else:
            counted[UNREADABLE] += 1
