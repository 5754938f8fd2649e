"""Record batches as the bytes of a file, in a stream: for contents that are not stored as they came.

Called by `take_in` for uploads whose personal data was masked. Equal rows give equal bytes.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from tidemill.data.formats import streams
from tidemill.data.formats.detect import Format


def written(batches: Iterable[pa.RecordBatch], form: Format) -> Iterator[bytes]:
    """The file of these batches, all of one schema and at least one: CSV (comma or the format's own delimiter) and
    JSON Lines in UTF-8, compressed as the format says; Parquet compressed by zstd."""
    if form.kind == "parquet":
        return _parquet(batches)
    lines = _csv(batches, form.delimiter) if form.kind == "csv" else _json_lines(batches)
    return streams.compressed(lines, form.compression)


class Sink:
    """What a writer wrote since it was last asked."""

    def __init__(self) -> None:
        self.closed = False
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _parquet(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    return _through(batches, lambda sink, schema: pq.ParquetWriter(sink, schema, compression="zstd"))


def _csv(batches: Iterable[pa.RecordBatch], delimiter: str) -> Iterator[bytes]:
    options = arrow_csv.WriteOptions(delimiter=delimiter, quoting_style="needed")
    return _through(batches, lambda sink, schema: arrow_csv.CSVWriter(sink, schema, write_options=options))


def _through(batches: Iterable[pa.RecordBatch], make: Callable[[Sink, pa.Schema], Any]) -> Iterator[bytes]:
    sink, writer = Sink(), None
    for batch in batches:
        writer = writer or make(sink, batch.schema)
        writer.write_batch(batch)
        yield sink.taken()
    if writer is not None:
        writer.close()
        yield sink.taken()


def _json_lines(batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    for batch in batches:
        lines = (json.dumps(row, ensure_ascii=False, default=_plain) for row in batch.to_pylist())
        yield "".join(f"{line}\n" for line in lines).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
