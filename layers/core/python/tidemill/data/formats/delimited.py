"""Delimited text (CSV and its kin), block by block: cut at the ends of rows, parsed by Arrow, judged cell by cell
only where a cell does not fit its column.

`tidemill.data.scan` calls it with UTF-8 text. The header is the first line that is not empty.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from tidemill.data.formats import parsed_cells, row_ends
from tidemill.data.formats.blocks import Block, Lines
from tidemill.data.formats.parsed_cells import Layout
from tidemill.errors import UploadRejected
from tidemill.projects import Kind

BLOCK = 8 << 20
LONGEST_ROW = 16 << 20
MOST_COLUMNS = 2000
_SHOWN = 80


class Piece(NamedTuple):
    """Whole rows of the text: their bytes, where they are, and the line on which the first one begins."""

    text: bytes
    rows: row_ends.Rows
    line: int


def blocks(
    chunks: Iterable[bytes],
    *,
    delimiter: str,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    header: list[str] | None = None,
    first_line: int = 1,
    block_bytes: int = BLOCK,
) -> Iterator[Block]:
    """The blocks of a file, or of a part of it if its `header` is given and the first byte begins a row.

    `kinds` has what is known of the columns: those in `rules` keep their kind, whatever they hold; the others are
    guessed from the first block if they are not there. Raises Widened when a guess proves wrong, UploadRejected:
    `duplicate_columns`, `unnamed_column`, `too_many_columns`, `row_too_long`, `unclosed_quote`.
    """
    layout: Layout | None = None
    for piece in pieces(chunks, delimiter=delimiter.encode(), line=first_line, block_bytes=block_bytes):
        if layout is None and header is None:
            header, piece = _take_header(piece, delimiter)
            if header is None:
                continue
        if layout is None:
            layout = Layout.of(header or [], kinds, rules, delimiter)
        if len(piece.rows.ends):
            yield parsed_cells.parse(piece.text, _spans(piece), layout)
    if layout is None and header is not None:
        yield parsed_cells.empty(Layout.of(header, kinds, rules, delimiter))


def pieces(chunks: Iterable[bytes], *, delimiter: bytes, line: int, block_bytes: int) -> Iterator[Piece]:
    """The text cut at the ends of rows, at least `block_bytes` at a time. The last row may lack its line end."""
    held, least = bytearray(), block_bytes
    for chunk in chunks:
        held += chunk
        if len(held) < least:
            continue
        rows = row_ends.find(bytes(held), delimiter)
        if not rows.ends.size:
            least = _more(len(held), line)
            continue
        cut = int(rows.ends[-1])
        yield Piece(bytes(held[:cut]), rows, line)
        line += int((rows.breaks < cut).sum())
        del held[:cut]
        least = block_bytes
    if held:
        yield from _last(bytes(held), delimiter, line)


def _more(size: int, line: int) -> int:
    """How much text to gather until the next look for a row's end. Raises UploadRejected."""
    if size >= LONGEST_ROW:
        raise UploadRejected(
            "row_too_long",
            f"the row at line {line} has no end within {LONGEST_ROW >> 20} MiB; check its quotes and line ends",
        )
    return min(size * 2, LONGEST_ROW)


def _last(text: bytes, delimiter: bytes, line: int) -> Iterator[Piece]:
    ended = text if text.endswith(b"\n") else text + b"\n"
    rows = row_ends.find(ended, delimiter)
    end = int(rows.ends[-1]) if rows.ends.size else 0
    if end < len(ended):
        where = line + int((rows.breaks < end).sum())
        raise UploadRejected(
            "unclosed_quote", f"a quote in the row at line {where} is never closed; close it, or double it"
        )
    if len(ended) > LONGEST_ROW and rows.ends[0] > LONGEST_ROW:
        _more(LONGEST_ROW, line)
    yield Piece(ended, rows, line)


def _take_header(piece: Piece, delimiter: str) -> tuple[list[str] | None, Piece]:
    """The names in the first row that is not empty, and the piece behind it."""
    start = 0
    for number, end in enumerate(piece.rows.ends.tolist()):
        record = piece.text[start:end]
        if record.strip(b"\r\n"):
            names = next(csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter))
            line = piece.line + int((piece.rows.breaks < end).sum())
            rest = row_ends.Rows(
                piece.rows.ends[number + 1 :] - end,
                piece.rows.breaks[piece.rows.breaks >= end] - end,
                piece.rows.regular,
                False,
            )
            return checked(names), Piece(piece.text[end:], rest, line)
        start = end
    return None, piece


def checked(names: list[str]) -> list[str]:
    """The names of the columns. Raises UploadRejected."""
    if len(names) > MOST_COLUMNS:
        raise UploadRejected(
            "too_many_columns", f"{len(names)} columns are more than {MOST_COLUMNS}; leave out what is not used"
        )
    if not all(name.strip() for name in names):
        place = next(number for number, name in enumerate(names, start=1) if not name.strip())
        raise UploadRejected("unnamed_column", f"column {place} has no name in the header; give it one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        shown = ", ".join(repr(name)[:_SHOWN] for name in twice[:5])
        raise UploadRejected("duplicate_columns", f"more than one column is called {shown}; name each for itself")
    return names


def _spans(piece: Piece) -> parsed_cells.Spans:
    """Where each row that is not empty begins and ends, and on which line."""
    ends = piece.rows.ends
    starts = np.concatenate(([0], ends[:-1])).astype(np.int64)
    data = np.frombuffer(piece.text, np.uint8)
    width = ends - starts
    blank = (width == 1) | ((width == 2) & (data[starts] == row_ends.CR))
    lines: Lines = piece.line + np.searchsorted(piece.rows.breaks, starts)
    keep = ~blank
    return parsed_cells.Spans(starts[keep], ends[keep], lines[keep], piece.rows.regular)
