"""Arrow's CSV parser on one piece of a file, and where it takes more for a number or a time than we do.

Called by `parsed_cells`.
"""

import re
from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from tidemill.data.formats import cells, guesses, row_ends
from tidemill.data.formats.blocks import ARROW, NULLS
from tidemill.data.formats.layouts import Layout
from tidemill.projects import Kind

_COLUMN = re.compile(r"CSV column #(\d+)")
_NAIVE = pa.timestamp("us")
_ATTEMPTS = 4
_WINDOW = 1 << 17
_MARK = b"\xef\xbb\xbf"
Types = dict[str, pa.DataType]


class ArrowPiece:
    """Text as Arrow parses it. `uneven`: the rows (from 0, empty ones not counted) that have another number of
    cells than there are columns, `counts`: these numbers; they are left out."""

    def __init__(self, text: bytes, delimiter: str, layout: Layout) -> None:
        # Arrow drops a byte-order mark wherever it is told that a file begins.
        self._text = b"\n" + text if text.startswith(_MARK) else text
        self._names, self._delimiter = list(layout.names), delimiter
        self.uneven, self.counts = array("q"), array("q")

    def typed(self, kinds: Mapping[str, Kind], layout: Layout) -> dict[str, pa.Array]:
        """The columns as Arrow reads them, but for those in which something is not what it seems."""
        columns = self._attempt(kinds, layout)
        for name in [name for name, column in columns.items() if not _holds(column, kinds[name])]:
            layout.odd.add(name)
            del columns[name]
        numbers = [name for name in columns if name not in layout.ruled and kinds[name].numeric]
        if numbers and _zeros_lead(self._text, self._delimiter):
            for name, text in self.texts(numbers).items():
                if guesses.has_leading_zeros(text):
                    del columns[name]
        return columns

    def texts(self, names: list[str]) -> dict[str, pa.StringArray]:
        """These columns as text, null where missing."""
        return self._read(dict.fromkeys(names, pa.string())) if names else {}

    def _attempt(self, kinds: Mapping[str, Kind], layout: Layout) -> dict[str, pa.Array]:
        types: Types = {}
        for name, kind in kinds.items():
            if name not in layout.odd:
                types[name] = _NAIVE if name in layout.naive and kind is Kind.TIMESTAMP else ARROW[kind]
        turned: set[str] = set()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return {name: _zoned(column) for name, column in self._read(types).items()}
            except pa.ArrowInvalid as error:
                name = self._names[int(_COLUMN.search(str(error))[1])]  # type: ignore[index]
            if pa.types.is_timestamp(types[name]) and name not in turned:
                turned.add(name)
                _turn(types, name, layout)
            else:
                self._give_up(types, name, layout, following=attempt >= _ATTEMPTS - 1)
        return {}

    def _give_up(self, types: Types, name: str, layout: Layout, *, following: bool) -> None:
        """Leave a column out, and those behind it, which were not looked at yet, when there have been many."""
        place = list(types).index(name)
        for other in list(types)[place:] if following else [name]:
            if other == name or types[other] != pa.string():
                layout.odd.add(other)
                del types[other]

    def _read(self, types: Types) -> dict[str, pa.Array]:
        self.uneven, self.counts = array("q"), array("q")
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(self._text)),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=len(self._text) + 1, column_names=self._names
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=b'"' in self._text, invalid_row_handler=self._note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types or {self._names[0]: pa.string()},
                include_columns=list(types) or self._names[:1],
                null_values=list(NULLS),
                strings_can_be_null=True,
                check_utf8=False,
                timestamp_parsers=[arrow_csv.ISO8601],
            ),
        )
        return {name: _one(table.column(name)) for name in types}

    def _note(self, row: Any) -> str:
        self.uneven.append(row.number - 1)
        self.counts.append(row.actual_columns)
        return "skip"


def _turn(types: Types, name: str, layout: Layout) -> None:
    """Read times without zone in a column, and most likely in those behind it, or again with one."""
    naive = types[name] != _NAIVE
    for other in list(types)[list(types).index(name) :]:
        if pa.types.is_timestamp(types[other]):
            types[other] = _NAIVE if naive else ARROW[Kind.TIMESTAMP]
            (layout.naive.add if naive else layout.naive.discard)(other)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
    )


def _zoned(column: pa.Array) -> pa.Array:
    return pc.assume_timezone(column, "UTC") if column.type == _NAIVE else column


def _holds(column: pa.Array, kind: Kind) -> bool:
    """Whether Arrow's values are what we take for such: finite numbers, whole ones in an integer column, times
    that Python has."""
    if kind is Kind.CATEGORY or column.null_count == len(column):
        return True
    if kind is Kind.TIMESTAMP:
        return cells.in_range(column)
    data = np.frombuffer(column.buffers()[1], np.float64, len(column), column.offset * 8)
    # Missing cells hold zeros there, as a rule.
    return _usable(data, kind) or (column.null_count > 0 and _usable(column.drop_null().to_numpy(), kind))


def _usable(values: NDArray[np.float64], kind: Kind) -> bool:
    whole = kind is Kind.NUMBER or bool((values == np.rint(values)).all())
    return whole and bool(np.isfinite(values).all())


def _zeros_lead(text: bytes, delimiter: str) -> bool:
    """Whether some cell may be a number with zeros before it (see `guesses.LEADING_ZERO`)."""
    # The text begins a line, so that a line end may be thought before it. Small windows stay in the cache.
    data = np.frombuffer(b"\n\n" + text, np.uint8)
    for start in range(0, data.size, _WINDOW):
        part = data[start : start + _WINDOW + 3]
        leading = part[2:-1] == ord("0")
        leading &= part[3:] - np.uint8(ord("0")) < 10
        signed = ((part[1:-2] == ord("-")) | (part[1:-2] == ord("+"))) & leading
        if (_edges(part[1:-2], delimiter) & leading).any():
            return True
        if signed.any() and (_edges(part[:-3], delimiter) & signed).any():
            return True
    return False


def _edges(data: NDArray[np.uint8], delimiter: str) -> NDArray[np.bool_]:
    edges = data == ord(delimiter)
    for mark in (row_ends.LF, row_ends.QUOTE, row_ends.CR):
        edges |= data == mark
    found: NDArray[np.bool_] = edges
    return found
