"""Where the rows of delimited text end: at the line ends that stand outside of quotes.

Called by `delimited`. Rows are those that Python's csv module sees (not strict), and Arrow's parser: a quote opens
a cell only at the cell's beginning, is doubled within, and what follows the closing one belongs to the cell; lines
end by LF, CR LF or CR.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

QUOTE, LF, CR = 0x22, 0x0A, 0x0D
Places = NDArray[np.int64]


class Rows(NamedTuple):
    """`ends`: the places just behind the line end of each complete row; `breaks`: those behind every line end,
    within cells or not."""

    ends: Places
    breaks: Places


def find(text: bytes, delimiter: bytes, *, final: bool = True) -> Rows:
    """The rows of `text`, which begins at a row's beginning. What comes behind the last end is no row yet. Unless
    the text is the `final` one, a CR at its very end is not known to end a line."""
    data = np.frombuffer(text, np.uint8)
    breaks = _breaks(data, text, final=final)
    if b'"' not in text:
        return Rows(breaks, breaks)
    quotes = np.flatnonzero(data == QUOTE)
    if not _regular(data, quotes, delimiter[0]):
        ends = np.array(_exact(text, delimiter), np.int64)
        return Rows(ends[ends <= breaks[-1]] if breaks.size else ends[:0], breaks)
    return Rows(breaks[np.searchsorted(quotes, breaks) % 2 == 0], breaks)


def line_feeds(text: bytes) -> int:
    """How many there are: faster than bytes.count where lines are short."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == LF))


def _breaks(data: NDArray[np.uint8], text: bytes, *, final: bool) -> Places:
    feeds = np.flatnonzero(data == LF)
    returns = text.count(b"\r")
    paired = int(np.count_nonzero(data[feeds[feeds > 0] - 1] == CR)) if returns else 0
    if returns == paired:
        return feeds + 1
    places = np.flatnonzero(data == CR)
    following = data[np.minimum(places + 1, data.size - 1)]
    lone = places[following != LF]
    if not final and lone.size and lone[-1] == data.size - 1:
        lone = lone[:-1]
    return np.sort(np.concatenate((feeds, lone))) + 1


def _regular(data: NDArray[np.uint8], quotes: Places, delimiter: int) -> bool:
    """Whether each quote opens at a cell's beginning, closes at its end, or is half of a doubled one: then a line
    end is within a cell if the number of quotes before it is odd."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[np.maximum(opening - 1, 0)]
    starts = (before == delimiter) | (before == LF) | (before == CR) | (opening == 0)
    after = data[np.minimum(closing + 1, data.size - 1)]
    ends = (after == delimiter) | (after == LF) | (after == CR) | (closing == data.size - 1)
    doubled = closing[: opening.size - 1] + 1 == opening[1:]
    starts[1:] |= doubled
    ends[: doubled.size] |= doubled
    return bool(starts.all() and ends.all())


def _exact(text: bytes, delimiter: bytes) -> list[int]:
    tokens = _tokens(delimiter).finditer(text)
    return [token.end() for token in tokens if token.group()[:1] != b'"']


@lru_cache(maxsize=8)
def _tokens(delimiter: bytes) -> re.Pattern[bytes]:
    """A quoted part at the beginning of a cell, or a line end outside of one."""
    begin = rb"(?:(?<=[\n\r" + re.escape(delimiter) + rb"])|\A)"
    return re.compile(begin + rb'"(?:[^"]++|"")*+(?:"|\Z)|\r\n?|\n')
