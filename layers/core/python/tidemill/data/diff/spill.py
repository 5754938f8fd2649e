"""Rows of a dataset version on disk, in partitions by their key: so much at a time as memory is given for.

Called by `rows_diff`. Equal rows, and rows of equal keys, are in the same partition of both versions. Hashes only
divide; they decide nothing.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.manifests import File
from tidemill.data.sketches.dataset import row_hashes

PLACE = ""
"""The column that has each row's number among all rows read of its side; no file has an unnamed column."""
MOST = 256
_TIMES = 5  # what comparing takes, in bytes per byte of rows: their codes, and the sorting of them


@dataclass
class Places:
    """Which file each row came from: the paths, and the number of the first row of each."""

    paths: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    rows: int = 0

    def of(self, place: int) -> tuple[str, int]:
        """The path, and the number of the row in that file, from 1."""
        at = int(np.searchsorted(self.starts, place, side="right")) - 1
        return self.paths[at], place - self.starts[at] + 1


def numbered_rows(batches: Iterable[tuple[File, pa.RecordBatch]], places: Places) -> Iterator[pa.RecordBatch]:
    """The batches with their rows numbered, NaN as missing; `places` notes where they are from."""
    for file, batch in batches:
        if not places.paths or places.paths[-1] != file.path:
            places.paths.append(file.path)
            places.starts.append(places.rows)
        numbers = np.arange(places.rows, places.rows + batch.num_rows)
        places.rows += batch.num_rows
        arrays = [_without_nan(column) for column in batch.columns]
        yield pa.RecordBatch.from_arrays([*arrays, pa.array(numbers)], names=[*batch.schema.names, PLACE])


def how_many(size: float, memory_bytes: int) -> int:
    """The number of partitions so that one of each side can be compared in that memory; `size`: bytes of both
    sides in memory."""
    return min(max(math.ceil(_TIMES * size / memory_bytes), 1), MOST)


def peeked(batches: Iterator[pa.RecordBatch]) -> tuple[float, Iterator[pa.RecordBatch]]:
    """Bytes per row of the first batch that has rows (0.0 without one), and all of the batches."""
    seen = []
    for batch in batches:
        seen.append(batch)
        if batch.num_rows:
            return batch.nbytes / batch.num_rows, itertools.chain(seen, batches)
    return 0.0, iter(seen)


class Partitions:
    """The rows of one side, written once and read partition by partition."""

    def __init__(self, folder: Path, count: int) -> None:
        self._paths = [folder / f"{number:04d}.arrow" for number in range(count)]

    def write(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, keys: Sequence[str], row: Sequence[str]
    ) -> Iterator[int]:
        """Divide the rows by `keys`, those without a key by the columns `row`; give how many of them after each
        batch."""
        writers = [pa.ipc.new_file(str(path), schema) for path in self._paths]
        try:
            for batch in batches:
                for number, part in self._divided(batch, keys, row):
                    writers[number].write_batch(part)
                yield batch.num_rows
        finally:
            for writer in writers:
                writer.close()

    def read(self, number: int) -> pa.Table:
        """The rows of a partition in the order in which they were written."""
        with pa.memory_map(str(self._paths[number])) as source:
            return pa.ipc.open_file(source).read_all()

    def drop(self, number: int) -> None:
        """Free the disk of a partition that has been compared."""
        self._paths[number].unlink()

    def _divided(
        self, batch: pa.RecordBatch, keys: Sequence[str], row: Sequence[str]
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        if len(self._paths) == 1:
            yield 0, batch
            return
        number = (_hashes(batch, keys, row) % np.uint64(len(self._paths))).astype(np.int64)
        order = np.argsort(number, kind="stable")
        ordered = batch.take(pa.array(order))
        ends = np.cumsum(np.bincount(number, minlength=len(self._paths)))
        for part, (start, end) in enumerate(itertools.pairwise([0, *ends.tolist()])):
            if end > start:
                yield part, ordered.slice(start, end - start)


def _hashes(batch: pa.RecordBatch, keys: Sequence[str], row: Sequence[str]) -> NDArray[np.uint64]:
    if not keys:
        return row_hashes(batch, list(row))
    hashes = row_hashes(batch, list(keys))
    keyless = np.zeros(batch.num_rows, bool)
    for name in keys:
        keyless |= pc.is_null(batch.column(name)).to_numpy(zero_copy_only=False)
    # They would all be in one partition else.
    return np.where(keyless, row_hashes(batch, list(row)), hashes) if keyless.any() else hashes


def _without_nan(column: pa.Array) -> pa.Array:
    if not pa.types.is_floating(column.type) or not pc.any(pc.is_nan(column)).as_py():
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
