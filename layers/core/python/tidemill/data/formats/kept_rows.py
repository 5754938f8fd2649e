"""A file without some of its rows, in the same format: what is stored when bad rows were left out.

Called by `take_in`. Rows stay as they stand, byte for byte; only the bad ones go. Text comes out as UTF-8.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill.data.formats import delimited, streams
from tidemill.data.formats.detect import Format
from tidemill.data.formats.object_file import ObjectFile
from tidemill.data.formats.writing import Sink
from tidemill.ports import ObjectStore

Lines = NDArray[np.int64]


def kept_rows(
    objects: ObjectStore, key: str, *, version_id: str | None, size: int, form: Format, bad_lines: Lines
) -> Iterator[bytes]:
    """The bytes of the file at `key` without the rows that begin on `bad_lines` (for Parquet: with these numbers),
    both ascending. Raises RecordNotFound."""
    if form.kind == "parquet":
        yield from _parquet(ObjectFile(objects, key, version_id=version_id, size=size), bad_lines)
        return
    raw = objects.chunks(key, version_id=version_id)
    text = streams.text_chunks(raw, form, compressed_size=size)
    pieces = delimited.pieces(text, delimiter=_delimiter(form))
    yield from streams.compressed((_without(piece, bad_lines) for piece in pieces), form.compression)


def _delimiter(form: Format) -> bytes:
    # Rows of JSON Lines end at every line feed: within a string, one is written as \n.
    return form.delimiter.encode() if form.kind == "csv" else b""


def _without(piece: delimited.Piece, bad_lines: Lines) -> bytes:
    starts, ends, lines = delimited.places(piece)
    here = slice(*np.searchsorted(bad_lines, (piece.line, lines[-1] + 1)))
    bad = np.isin(lines, bad_lines[here])
    if not bad.any():
        return piece.text
    spans = zip(starts[~bad].tolist(), ends[~bad].tolist(), strict=True)
    return b"".join(piece.text[start:end] for start, end in spans)


def _parquet(file: ObjectFile, bad_lines: Lines) -> Iterator[bytes]:
    source, sink, first = pq.ParquetFile(file), Sink(), 1
    with pq.ParquetWriter(sink, source.schema_arrow, compression="zstd") as writer:
        for batch in source.iter_batches():
            keep = ~np.isin(np.arange(first, first + batch.num_rows), bad_lines)
            if keep.any():
                writer.write_batch(batch.filter(pa.array(keep)))
            first += batch.num_rows
            yield sink.taken()
    yield sink.taken()
