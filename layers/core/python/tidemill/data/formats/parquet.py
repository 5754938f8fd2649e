"""Parquet as blocks of rows, read in place: the footer first, then a batch of rows at a time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidemill.data.formats import magic, parquet_cells
from tidemill.data.formats.blocks import Block, Widened
from tidemill.data.formats.object_file import ObjectFile
from tidemill.errors import UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Kind

__all__ = ["ObjectFile", "blocks"]

MOST_COLUMNS = 2_000
MOST_ROWS = 65_536
LEAST_LIMIT, LIMIT_RATIO = 16 << 30, 1000
_CELLS = 8 << 20  # of a batch
_BATCH_BYTES = 64 << 20  # of a batch as the footer tells them
_BUFFERED = 64 << 20  # of all columns' pages together, still packed
_SMALL_GROUP = 16 << 20
_SHOWN = 80


def blocks(
    objects: ObjectStore,
    key: str,
    *,
    version_id: str | None,
    size: int,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    only: Collection[str] | None = None,
    row_groups: Sequence[int] | None = None,
    limit: int | None = None,
) -> Iterator[Block]:
    """The blocks of a Parquet file of `size` bytes, or of those of its row groups; rows are numbered from 1
    through the whole file. Columns in `rules` become the kind that `kinds` says, the others what their type is
    (numbers, moments, or text; lists, structs and maps stay as they are). `limit`: bytes it may unpack to
    (default: 16 GiB or 1,000 times `size`, whatever is more).

    Raises Widened, before the first block, if `kinds` has a narrower kind for a column without a rule;
    UploadRejected: `truncated_file`, `corrupt_file`, `encrypted_file`, `decompression_bomb`, `too_many_columns`,
    `duplicate_columns`, `no_rows`."""
    source = ObjectFile(objects, key, version_id=version_id, size=size)
    with _readable(source):
        metadata = footer(source)
        _check_metadata(metadata, size, max(LEAST_LIMIT, LIMIT_RATIO * size) if limit is None else limit)
        file = pq.ParquetFile(
            pa.PythonFile(source, mode="r"),
            metadata=metadata,
            buffer_size=max(1 << 16, _BUFFERED // metadata.num_columns),
            page_checksum_verification=True,
            read_dictionary=_repeating(metadata),
        )
        goal = _kinds(file.schema_arrow, kinds, frozenset(rules))
        goal = {name: kind for name, kind in goal.items() if only is None or name in only}
    wanted = range(metadata.num_row_groups) if row_groups is None else row_groups
    for number, batch in _batches(file, source, wanted, list(goal)):
        yield _block(batch, number, goal)


def footer(source: ObjectFile) -> pq.FileMetaData:
    """What a file says of itself at its end. Raises UploadRejected: `truncated_file`, `corrupt_file`,
    `encrypted_file`."""
    with _readable(source):
        _check_ends(source)
        return pq.read_metadata(pa.PythonFile(source, mode="r"))


def _check_ends(source: ObjectFile) -> None:
    source.seek(-min(4, source.size), 2)
    tail = source.read(4)
    if tail == magic.PARQUET_ENCRYPTED:
        raise _encrypted()
    if tail != magic.PARQUET or source.size < 12:
        reason = "the Parquet file has no end: its upload or its making was cut off; upload it again in full"
        raise UploadRejected("truncated_file", reason)


def _check_metadata(metadata: pq.FileMetaData, size: int, limit: int) -> None:
    if metadata.num_columns > MOST_COLUMNS:
        reason = f"{metadata.num_columns:,} columns are more than {MOST_COLUMNS:,}; leave out what is not used"
        raise UploadRejected("too_many_columns", reason)
    names = metadata.schema.to_arrow_schema().names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        shown = ", ".join(repr(name)[:_SHOWN] for name in twice[:5])
        reason = f"more than one column is called {shown}; give each its own name"
        raise UploadRejected("duplicate_columns", reason)
    if metadata.num_rows == 0 or not names:
        raise UploadRejected("no_rows", "the file has columns and no rows; upload it with its data")
    unpacked = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if unpacked > limit:
        reason = f"the file of {size:,} bytes unpacks to more than {limit:,} bytes; upload it in several files"
        raise UploadRejected("decompression_bomb", reason)


def _kinds(schema: pa.Schema, kinds: Mapping[str, Kind], rules: frozenset[str]) -> dict[str, Kind | None]:
    """The kind of each column of the file; None if it stays as it is. Raises Widened."""
    found: dict[str, Kind | None] = {}
    wider: dict[str, Kind] = {}
    for name, kind in zip(schema.names, schema.types, strict=True):
        by_type, known = parquet_cells.natural(kind), kinds.get(name)
        if known is None or name in rules or by_type is None:
            found[name] = known if name in rules and known is not None else by_type
        elif known in (by_type, Kind.CATEGORY):
            found[name] = known
        else:
            wider[name] = by_type if known is Kind.INTEGER and by_type is Kind.NUMBER else Kind.CATEGORY
    if wider:
        raise Widened(wider)
    return found


def _batches(
    file: pq.ParquetFile, source: ObjectFile, row_groups: Sequence[int], columns: list[str]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """These columns of the rows of these groups in batches, with the number of each batch's first row, from 1."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    starts = list(accumulate(sizes, initial=1))
    for run in _runs(row_groups):
        number = starts[run[0]]
        batches = file.iter_batches(_batch_rows(file.metadata), row_groups=run, columns=columns, use_threads=False)
        while True:
            with _readable(source):
                batch = next(batches, None)
                if batch is None and number != starts[run[-1] + 1]:
                    raise pa.ArrowInvalid("rows are missing")
                spans = [] if batch is None else _spans(batch)
            if batch is None:
                break
            for start, end in spans:
                yield number + start, batch.slice(start, end - start)
            number += batch.num_rows


def _runs(groups: Sequence[int]) -> Iterator[list[int]]:
    """Groups that follow each other, together."""
    run: list[int] = []
    for group in groups:
        if run and group != run[-1] + 1:
            yield run
            run = []
        run.append(group)
    if run:
        yield run


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Rows of a batch, so that neither wide nor long ones fill the memory."""
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    widest = max(group.total_byte_size / max(1, group.num_rows) for group in groups)
    columns = int(metadata.num_columns)
    return max(1, min(MOST_ROWS, _CELLS // columns, int(_BATCH_BYTES / max(1, widest))))


def _repeating(metadata: pq.FileMetaData) -> list[str]:
    """The columns of bytes or text that a small file may multiply: the footer tells what their dictionary takes,
    not what comes of it. They are read as a dictionary and places in it: `_spans` can tell before it happens.
    (The footer's entry for each column would say more, but asking for a damaged one ends the process.)"""
    groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
    if any(group.total_byte_size > _SMALL_GROUP for group in groups):
        return []  # there the texts themselves fill the pages, and a dictionary of all of them takes long
    leaves = (metadata.schema.column(place) for place in range(metadata.num_columns))
    return [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path == leaf.name]


def _spans(batch: pa.RecordBatch) -> list[tuple[int, int]]:
    """From and to which rows the batch is to be cut, so that each part's texts are of about _BATCH_BYTES. Raises
    ArrowIndexError where a damaged column points beyond its dictionary."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
            sizes += pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False)
    parts = np.cumsum(sizes) // _BATCH_BYTES
    ends = [*np.flatnonzero(np.diff(parts)) + 1, batch.num_rows]
    return [(int(start), int(end)) for start, end in zip([0, *ends], ends, strict=False)]


def _block(batch: pa.RecordBatch, number: int, kinds: Mapping[str, Kind | None]) -> Block:
    columns = {
        name: parquet_cells.Cells(batch.column(name))
        if kind is None
        else parquet_cells.cast(batch.column(name), kind)
        for name, kind in kinds.items()
    }
    return Block(
        batch=pa.RecordBatch.from_arrays([column.values for column in columns.values()], names=list(columns)),
        kinds={name: kind for name, kind in kinds.items() if kind is not None},
        lines=np.arange(number, number + batch.num_rows, dtype=np.int64),
        raw=partial(parquet_cells.row, batch),
        unreadable={name: column.unreadable for name, column in columns.items() if column.unreadable is not None},
        text={name: column.text for name, column in columns.items() if column.text is not None},
    )


@contextmanager
def _readable(source: ObjectFile) -> Iterator[None]:
    """Whatever the reader stumbles over is the file's fault, unless the store failed."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if source.failure is not None:
            raise source.failure from None
        if "crypt" in str(error):
            raise _encrypted() from error
        reason = f"the Parquet file is damaged ({_first_line(error)}); write it anew and upload it again"
        raise UploadRejected("corrupt_file", reason) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:_SHOWN]


def _encrypted() -> UploadRejected:
    return UploadRejected("encrypted_file", "the Parquet file is encrypted; write it without, the bucket encrypts")
