"""The rows that were added, removed and changed between two dataset versions: exact numbers, and examples.

Called by `versions_diff`. Only files whose contents differ are read. Their rows go to a temporary directory in
partitions by key, and are compared one partition at a time, so that memory stays flat.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidemill.data import rows
from tidemill.data.diff import spill
from tidemill.data.diff.examples import Examples
from tidemill.data.diff.match import Matched, match
from tidemill.data.formats.blocks import ARROW
from tidemill.data.manifests import File
from tidemill.ports import ObjectStore
from tidemill.projects import Kind

Progress = Callable[[int, int], None]
"""Called with the rows read so far, and how many there are to read."""


@dataclass(frozen=True)
class Side:
    """What is read of a version: the files that the other one does not have, and all its columns. `rows`: of the
    whole version."""

    files: tuple[File, ...]
    kinds: Mapping[str, Kind]
    rows: int

    @property
    def to_read(self) -> int:
        return sum(file.rows for file in self.files)


def compare_rows(
    objects: ObjectStore,
    before: Side,
    after: Side,
    *,
    compared: Sequence[str],
    keys: Sequence[str],
    examples: int,
    memory_bytes: int,
    progress: Progress,
) -> dict[str, Any]:
    """The numbers `added`, `removed`, `changed`, `unchanged`, of changed rows by column, of rows without a key and
    of keys that occur more than once, and the first `examples` of each (see `Examples`). Rows are the same when
    all columns `compared` are equal; both sides have them with the same kind.

    Raises RecordNotFound, and ProjectInvalid for a file that is not of its columns' kinds any more."""
    count, found = _Count(compared), Examples(compared, keys, (before.kinds, after.kinds), examples)
    total = before.to_read + after.to_read
    with _spilled(objects, (before, after), compared, keys, memory_bytes, progress) as (sides, places, partitions):
        for number in range(partitions):
            tables = sides[0].read(number), sides[1].read(number)
            matched = match(*tables, compared=compared, keys=keys)
            count.add(matched)
            found.add(matched, *tables)
            del tables
            for side in sides:
                side.drop(number)
    progress(total, total)
    shared = before.rows - places[0].rows
    return {
        "by": "key" if keys else "row",
        "key": list(keys),
        "compared": list(compared),
        "before": before.rows,
        "after": after.rows,
        "read": {"before": places[0].rows, "after": places[1].rows},
        **count.numbers(shared),
        "partitions": partitions,
        "examples": found.told(*places),
    }


class _Count:
    """What the partitions add up to."""

    def __init__(self, compared: Sequence[str]) -> None:
        self._columns = Counter(dict.fromkeys(compared, 0))
        self._numbers: Counter[str] = Counter()
        self._without_key, self._repeated = [0, 0], [[0, 0], [0, 0]]

    def add(self, matched: Matched) -> None:
        self._numbers["added"] += matched.added.size
        self._numbers["removed"] += matched.removed.size
        self._numbers["changed"] += matched.changed[0].size
        self._numbers["unchanged"] += matched.unchanged
        for name, differs in matched.differs.items():
            self._columns[name] += int(differs.sum())
        for side in (0, 1):
            self._without_key[side] += matched.without_key[side]
            self._repeated[side][0] += matched.repeated[side].keys
            self._repeated[side][1] += matched.repeated[side].rows

    def numbers(self, shared: int) -> dict[str, Any]:
        """`shared` rows are in files that both versions have."""
        told = {name: self._numbers[name] for name in ("added", "removed", "changed")}
        ranked = sorted(self._columns.items(), key=lambda item: (-item[1], item[0]))
        repeated = [{"keys": keys, "rows": rows} for keys, rows in self._repeated]
        return {
            **told,
            "unchanged": shared + self._numbers["unchanged"],
            "changed_columns": {name: number for name, number in ranked if number},
            "without_key": dict(zip(("before", "after"), self._without_key, strict=True)),
            "repeated_keys": dict(zip(("before", "after"), repeated, strict=True)),
        }


@contextmanager
def _spilled(
    objects: ObjectStore,
    sides: tuple[Side, Side],
    compared: Sequence[str],
    keys: Sequence[str],
    memory_bytes: int,
    progress: Progress,
) -> Iterator[tuple[list[spill.Partitions], list[spill.Places], int]]:
    """Both sides on disk, until the context ends."""
    places = [spill.Places(), spill.Places()]
    streams, size = [], 0.0
    for side, place in zip(sides, places, strict=True):
        read = rows.batches(objects, side.files, side.kinds, lacking=side.kinds)
        width, stream = spill.peeked(spill.numbered_rows(read, place))
        streams.append(stream)
        size += width * side.to_read
    partitions = spill.how_many(size, memory_bytes)
    done, total = 0, sum(side.to_read for side in sides)
    with tempfile.TemporaryDirectory(prefix="tidemill-diff-") as folder:
        spilled = []
        for name, side, stream in zip(("before", "after"), sides, streams, strict=True):
            at = Path(folder) / name
            at.mkdir()
            spilled.append(spill.Partitions(at, partitions))
            for number in spilled[-1].write(stream, _schema(side), keys=keys, row=compared):
                done += number
                progress(done, total)
        yield spilled, places, partitions


def _schema(side: Side) -> pa.Schema:
    return pa.schema([*((name, ARROW[kind]) for name, kind in side.kinds.items()), (spill.PLACE, pa.int64())])
