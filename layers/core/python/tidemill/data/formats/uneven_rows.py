"""Rows of delimited text that have another number of cells than the header.

Made by `parsed_cells`, read by `tidemill.data.scan`.
"""

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from tidemill.data.formats.blocks import RAW_LIMIT, Lines, RowFault


class Spans(NamedTuple):
    """The rows of a piece of text that are not empty: where each begins and ends (its line end included), and the
    lines they begin on."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lines: Lines


class UnevenRows(Sequence[RowFault]):
    """The faults of rows with another number of cells than `expected`; made when they are looked at, since there
    may be a great many."""

    def __init__(
        self, text: bytes, spans: Spans, rows: Sequence[int], counts: Sequence[int], expected: int
    ) -> None:
        self._text, self._spans, self._rows, self._counts, self._expected = text, spans, rows, counts, expected

    @property
    def lines(self) -> Lines:
        """The lines where they begin."""
        return self._spans.lines[np.asarray(self._rows, np.int64)]

    def __len__(self) -> int:
        return len(self._rows)

    def between(self, first: int | None, last: int | None) -> "UnevenRows":
        """Those that begin on a line from `first` up to, not including, `last`; None sets no bound."""
        rows = np.asarray(self._rows, np.int64)
        lines = self._spans.lines[rows]
        start = 0 if first is None else int(np.searchsorted(lines, first))
        end = len(rows) if last is None else int(np.searchsorted(lines, last))
        return UnevenRows(
            self._text, self._spans, rows[start:end].tolist(), self._counts[start:end], self._expected
        )

    @overload
    def __getitem__(self, place: int) -> RowFault: ...

    @overload
    def __getitem__(self, place: slice) -> list[RowFault]: ...

    def __getitem__(self, place: int | slice) -> RowFault | list[RowFault]:
        if isinstance(place, slice):
            return [self._fault(at) for at in range(*place.indices(len(self)))]
        return self._fault(range(len(self))[place])

    def _fault(self, place: int) -> RowFault:
        start, end, line = (int(part[self._rows[place]]) for part in self._spans)
        raw = self._text[start : min(end, start + 4 * RAW_LIMIT)].rstrip(b"\r\n")
        reason = f"{self._counts[place]} cells, the header has {self._expected}; check separators and quotes"
        return RowFault(line, "uneven_row", None, reason, raw=raw.decode(errors="replace")[:RAW_LIMIT])
