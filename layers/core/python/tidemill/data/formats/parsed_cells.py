"""A piece of delimited text as typed columns: Arrow parses it; what Arrow refuses is judged cell by cell.

Called by `delimited`. Where quotes stand in irregular places, the csv module parses instead: slower, and exact.
"""

import csv
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from tidemill.data.formats import cells
from tidemill.data.formats.blocks import ARROW, NULLS, RAW_LIMIT, Block, Lines, RowFault, Widened
from tidemill.projects import Kind

_COLUMN = re.compile(r"CSV column #(\d+)")
_NAIVE = pa.timestamp("us")
_LEADING_ZERO = r"^[+-]?0\d"
_MOST_RETRIES = 4


class Spans(NamedTuple):
    """The rows of a piece that are not empty: their places in the text, their lines, and whether their quotes are
    regular."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: Lines
    regular: bool


@dataclass
class Layout:
    """The columns of a file, and what is known of their kinds. `naive` are timestamp columns whose values have no
    zone."""

    names: list[str]
    rules: frozenset[str]
    delimiter: str
    kinds: dict[str, Kind] = field(default_factory=dict)
    naive: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, names: list[str], kinds: Mapping[str, Kind], rules: Collection[str], delimiter: str) -> Self:
        known = {name: kinds[name] for name in names if name in kinds}
        return cls(names, frozenset(rules), delimiter, known)

    def all_kinds(self) -> dict[str, Kind]:
        """The kind of each column; of one that nothing is known of, the narrowest."""
        return {name: self.kinds.get(name, Kind.INTEGER) for name in self.names}


def empty(layout: Layout) -> Block:
    """The block of a file without rows."""
    kinds = layout.all_kinds()
    arrays = [pa.array([], ARROW[kind]) for kind in kinds.values()]
    batch = pa.RecordBatch.from_arrays(arrays, names=layout.names)
    return Block(batch, kinds, np.array([], np.int64), lambda _: b"")


def parse(text: bytes, spans: Spans, layout: Layout) -> Block:
    """The block of these rows. Raises Widened."""
    parser: _ArrowParser | _CsvParser = (
        _ArrowParser(text, layout) if spans.regular else _CsvParser(text, spans, layout)
    )
    batch, unreadable, texts = _typed(parser, layout)
    if isinstance(parser, _ArrowParser) and not parser.agrees(spans):
        parser = _CsvParser(text, spans, layout)
        batch, unreadable, texts = _typed(parser, layout)
    kept = np.delete(np.arange(spans.starts.size), parser.skipped)
    faults = [_uneven(text, spans, row, len(layout.names), found) for row, found in parser.uneven.items()]
    starts, ends = spans.starts[kept], spans.ends[kept]

    def raw(row: int) -> bytes:
        return text[starts[row] : ends[row]].rstrip(b"\r\n")

    return Block(batch, layout.all_kinds(), spans.lines[kept], raw, faults, unreadable, texts)


def _uneven(text: bytes, spans: Spans, row: int, expected: int, found: int) -> RowFault:
    raw = text[spans.starts[row] : spans.ends[row]].rstrip(b"\r\n")[:RAW_LIMIT].decode(errors="replace")
    reason = f"{found} cells, the header has {expected}; check separators and quotes" if found else "is not CSV"
    return RowFault(int(spans.lines[row]), "uneven_row", None, reason, raw=raw)


class _ArrowParser:
    """Arrow's parser on one piece: columns as any type, rows with another number of cells left out."""

    def __init__(self, text: bytes, layout: Layout) -> None:
        self._buffer, self._layout = pa.py_buffer(text), layout
        self._quotes = b'"' in text
        self.uneven: dict[int, int] = {}
        self.rows = 0

    @property
    def skipped(self) -> list[int]:
        return list(self.uneven)

    def agrees(self, spans: Spans) -> bool:
        """Whether Arrow sees as many rows as there are; to be asked once columns were read."""
        return self.rows + len(self.uneven) == spans.starts.size

    def columns(self, types: Mapping[str, pa.DataType | None]) -> dict[str, pa.Array]:
        """These columns; of the type that Arrow sees in them, where none is given. Raises pa.ArrowInvalid."""
        table = self._read(types)
        self.rows = table.num_rows
        return {name: _whole(table.column(name)) for name in types}

    def _note(self, row: Any) -> str:
        # Rows are numbered from 1, empty lines not counted.
        self.uneven[row.number - 1] = row.actual_columns
        return "skip"

    def refused(self, error: pa.ArrowInvalid, types: Mapping[str, Any]) -> str:  # noqa: ARG002
        """The column that Arrow names in its refusal, by its place in the file."""
        place = _COLUMN.search(str(error))
        return self._layout.names[int(place[1])] if place else ""

    def _read(self, types: Mapping[str, pa.DataType | None]) -> pa.Table:
        size = max(self._buffer.size, 1)
        return arrow_csv.read_csv(
            pa.BufferReader(self._buffer),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=size + 1, column_names=self._layout.names
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._layout.delimiter, newlines_in_values=self._quotes, invalid_row_handler=self._note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: kind for name, kind in types.items() if kind is not None},
                include_columns=list(types),
                null_values=list(NULLS),
                strings_can_be_null=True,
                check_utf8=False,
                timestamp_parsers=[arrow_csv.ISO8601],
            ),
        )


class _CsvParser:
    """Python's csv module on one piece, row by row."""

    def __init__(self, text: bytes, spans: Spans, layout: Layout) -> None:
        self.uneven: dict[int, int] = {}
        self._layout = layout
        records: list[list[str]] = []
        for row, (start, end) in enumerate(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)):
            record = _record(text[start:end], layout.delimiter)
            if record is not None and len(record) == len(layout.names):
                records.append(record)
            else:
                self.uneven[row] = len(record or ())
        self._cells = list(zip(*records, strict=True)) if records else [()] * len(layout.names)
        self.rows = len(records)

    @property
    def skipped(self) -> list[int]:
        return list(self.uneven)

    def columns(self, types: Mapping[str, pa.DataType | None]) -> dict[str, pa.Array]:
        """These columns, as text where they are asked for as text. Raises pa.ArrowInvalid where not."""
        place = {name: number for number, name in enumerate(self._layout.names)}
        if any(kind is None or kind != pa.string() for kind in types.values()):
            return self._guessed(types, place)
        return {name: _nulled(pa.array(self._cells[place[name]], pa.string())) for name in types}

    def refused(self, error: pa.ArrowInvalid, types: Mapping[str, Any]) -> str:
        """The column that Arrow names in its refusal, by its place among those that were asked for."""
        place = _COLUMN.search(str(error))
        return list(types)[int(place[1])] if place else ""

    def _guessed(self, types: Mapping[str, pa.DataType | None], place: Mapping[str, int]) -> dict[str, pa.Array]:
        """By Arrow's reading of the same cells, each quoted properly."""
        buffer = io.StringIO()
        wanted = [self._cells[place[name]] for name in types]
        csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(zip(*wanted, strict=True))
        layout = Layout.of(list(types), {}, (), ",")
        return _ArrowParser(buffer.getvalue().encode(), layout).columns(types)


def _record(raw: bytes, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader(io.StringIO(raw.decode(), newline=""), delimiter=delimiter), None)
    except csv.Error:
        return None


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else chunks.chunk(0)


def _nulled(text: pa.StringArray) -> pa.StringArray:
    missing = pc.is_in(text, value_set=pa.array(NULLS))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)


def _typed(
    parser: _ArrowParser | _CsvParser, layout: Layout
) -> tuple[pa.RecordBatch, dict[str, pa.BooleanArray], dict[str, pa.StringArray]]:
    """The columns, the cells of ruled columns that do not fit them, and the text of the columns that have some.
    Raises Widened."""
    _guess(parser, layout)
    columns = _fast(parser, layout)
    unreadable: dict[str, pa.BooleanArray] = {}
    texts: dict[str, pa.StringArray] = {}
    odd = [name for name in layout.names if name not in columns or _not_whole(columns[name], layout.kinds[name])]
    for name, text in parser.columns(dict.fromkeys(odd, pa.string())).items() if odd else ():
        columns[name], mask = cells.typed(text, layout.kinds[name])
        if mask is not None:
            unreadable[name], texts[name] = mask, text
    _widen(unreadable, texts, layout)
    batch = pa.RecordBatch.from_arrays([columns[name] for name in layout.names], names=layout.names)
    return batch, unreadable, texts


def _guess(parser: _ArrowParser | _CsvParser, layout: Layout) -> None:
    """The kinds of the columns that nothing is known of, as this block shows them."""
    unknown = [name for name in layout.names if name not in layout.kinds]
    if not unknown:
        return
    found = parser.columns(dict.fromkeys(unknown))
    texts = parser.columns(dict.fromkeys(unknown, pa.string()))
    layout.kinds |= {name: _kind(found[name].type, texts[name]) for name in unknown}


def _kind(kind: pa.DataType, text: pa.StringArray) -> Kind:
    if pa.types.is_null(kind):
        return Kind.INTEGER  # the narrowest: whatever comes later widens it
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        # What is written 007 is a name made of digits.
        zeros = pc.any(pc.match_substring_regex(text, _LEADING_ZERO + r"\d*$")).as_py()
        return Kind.CATEGORY if zeros else Kind.INTEGER if pa.types.is_integer(kind) else Kind.NUMBER
    return Kind.TIMESTAMP if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else Kind.CATEGORY


def _fast(parser: _ArrowParser | _CsvParser, layout: Layout) -> dict[str, pa.Array]:
    """The columns as Arrow reads them; a column that it refuses is left out."""
    types = {name: _arrow_type(name, layout) for name in layout.names}
    naive = set(layout.naive)
    for _ in range(_MOST_RETRIES):
        try:
            columns = parser.columns(types)
        except pa.ArrowInvalid as error:
            name = parser.refused(error, types)
            if name not in types:
                break
            if pa.types.is_timestamp(types[name]) and name not in naive:
                naive.add(name)
                types[name] = _NAIVE
            else:
                del types[name]
            continue
        layout.naive |= {name for name in naive if name in columns}
        return {name: _zoned(column) for name, column in columns.items()}
    return {}


def _arrow_type(name: str, layout: Layout) -> pa.DataType:
    return _NAIVE if name in layout.naive else ARROW[layout.kinds[name]]


def _zoned(column: pa.Array) -> pa.Array:
    return pc.assume_timezone(column, "UTC") if column.type == _NAIVE else column


def _not_whole(column: pa.Array, kind: Kind) -> bool:
    """Whether a numeric column holds what Arrow reads and we do not: infinities, and fractions of integers."""
    if not kind.numeric:
        return False
    values = column.to_numpy(zero_copy_only=False)
    if kind is Kind.INTEGER:
        whole = (values == np.floor(values)) & np.isfinite(values)
        return bool(np.count_nonzero(whole) + column.null_count < len(column))
    return bool(np.count_nonzero(np.isfinite(values)) + column.null_count < len(column))


def _widen(unreadable: Mapping[str, Any], texts: Mapping[str, pa.StringArray], layout: Layout) -> None:
    """Raise Widened if a column without a rule has cells that do not fit the kind that was guessed."""
    wider = {}
    for name in unreadable:
        if name not in layout.rules:
            numeric = layout.kinds[name] is Kind.INTEGER and cells.typed(texts[name], Kind.NUMBER)[1] is None
            wider[name] = Kind.NUMBER if numeric else _other(layout.kinds[name], texts[name])
    if wider:
        raise Widened({**layout.kinds, **wider})


def _other(kind: Kind, text: pa.StringArray) -> Kind:
    """The next wider kind: a column that was empty so far may be one of times."""
    times = kind is Kind.INTEGER and cells.typed(text, Kind.TIMESTAMP)[1] is None
    return Kind.TIMESTAMP if times else Kind.CATEGORY
