"""Where the rows of delimited text end: at the line ends that stand outside of quotes.

Called by `delimited`. Follows RFC 4180 as Python's csv module reads it (not strict): a quote opens a cell only at
the cell's beginning, is doubled within, and what follows the closing one belongs to the cell.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

QUOTE, LF, CR = 0x22, 0x0A, 0x0D
Places = NDArray[np.int64]


class Rows(NamedTuple):
    """`ends`: the places just behind the line end of each complete row; `breaks`: the places of all line feeds;
    `regular`: whether every quote stands where a fast parser and csv agree on it; `open`: whether the text ends
    within quotes."""

    ends: Places
    breaks: Places
    regular: bool
    open: bool


def find(text: bytes, delimiter: bytes) -> Rows:
    """The rows of `text`, which begins at a row's beginning. What comes behind the last end is no row yet. Without
    a delimiter, a row is a line."""
    data = np.frombuffer(text, np.uint8)
    breaks = np.flatnonzero(data == LF)
    if not delimiter or (b'"' not in text and not _lone_returns(data, text)):
        return Rows(breaks + 1, breaks, True, False)
    quotes = np.flatnonzero(data == QUOTE)
    if _lone_returns(data, text) or not _regular(data, quotes, delimiter[0]):
        return _exact(text, breaks, delimiter)
    outside = np.searchsorted(quotes, breaks) % 2 == 0
    return Rows(breaks[outside] + 1, breaks, True, quotes.size % 2 == 1)


def _lone_returns(data: NDArray[np.uint8], text: bytes) -> bool:
    """Whether there is a carriage return that does not belong to a line end: parsers disagree on it."""
    if b"\r" not in text:
        return False
    returns = np.flatnonzero(data[:-1] == CR)
    return bool(np.any(data[returns + 1] != LF))


def _regular(data: NDArray[np.uint8], quotes: Places, delimiter: int) -> bool:
    """Whether quotes open at the beginning of cells and close at their ends, or are doubled."""
    padded = np.concatenate(([LF], data, [LF])).astype(np.uint8)
    before, after = padded[quotes], padded[quotes + 2]
    opens, closes = np.arange(quotes.size) % 2 == 0, np.arange(quotes.size) % 2 == 1
    starts = (before == delimiter) | (before == LF)
    starts[2::2] |= quotes[2::2] == quotes[1:-1:2] + 1
    ends = (after == delimiter) | (after == LF) | (after == CR)
    paired = quotes[1::2][: quotes[2::2].size] + 1 == quotes[2::2]
    ends[1::2][: paired.size] |= paired
    return bool(np.all(starts[opens]) and np.all(ends[closes]))


def _exact(text: bytes, breaks: Places, delimiter: bytes) -> Rows:
    ends, within = [], False
    for token in _tokens(delimiter).finditer(text):
        found = token.group()
        if found == b"\n":
            ends.append(token.end())
        else:
            within = len(found) == 1 or (found.count(b'"') % 2 == 1)
    return Rows(np.array(ends, dtype=np.int64), breaks, False, within)


@lru_cache(maxsize=8)
def _tokens(delimiter: bytes) -> re.Pattern[bytes]:
    """A quoted part at the beginning of a cell, or a line feed outside of one."""
    return re.compile(rb"(?<![^\n" + re.escape(delimiter) + rb'])"(?:[^"]|"")*+(?:"|\Z)|\n')
