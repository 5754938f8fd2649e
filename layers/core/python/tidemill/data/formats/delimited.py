"""Delimited text (CSV and its kin), block by block: cut at the ends of rows, the blocks parsed side by side.

`open_file` calls it with UTF-8 text. The header is the first line that is not empty; empty lines are no rows.
"""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from tidemill.data.formats import parsed_cells, row_ends
from tidemill.data.formats.blocks import Block, Widened
from tidemill.data.formats.layouts import Layout
from tidemill.data.formats.parsed_cells import Parsed
from tidemill.data.formats.pipes import side_by_side
from tidemill.data.formats.uneven_rows import Spans
from tidemill.errors import UploadRejected
from tidemill.projects import Kind

BLOCK = 8 << 20
LONGEST_ROW = 16 << 20
MOST_COLUMNS = 2000
MOST_ROWS = 65_536
"""Rows of a block, at most."""

MOST_LINES = 1 << 19
"""Lines of a piece, about, at most."""

_SHOWN = 80


class Piece(NamedTuple):
    """Whole rows of the text, and the line on which the first one begins. `rows` is None if every LF ends one."""

    text: bytes
    line: int
    rows: row_ends.Rows | None = None


def blocks(
    chunks: Iterable[bytes],
    *,
    delimiter: str,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    only: Collection[str] | None = None,
    header: Sequence[str] | None = None,
    first_line: int = 1,
    block_bytes: int = BLOCK,
    workers: int = 1,
) -> Iterator[Block]:
    """The blocks of a file, or of a part of it if its `header` is given and its first byte begins a row.

    `kinds` has what is known of the columns: those in `rules` keep their kind, whatever they hold; the others have
    the narrowest that fits. `only` these columns are read. `workers` blocks are parsed at once. Raises Widened,
    after the whole text, when a guess proved wrong; UploadRejected: `empty_file`, `duplicate_columns`,
    `unnamed_column`, `too_many_columns`, `row_too_long`, `unclosed_quote`.
    """
    parts = pieces(chunks, delimiter=delimiter.encode(), line=first_line, block_bytes=block_bytes)
    if header is None:
        header, parts = take_header(parts, delimiter)
    layout = Layout.of(header, kinds, rules, only)
    seen = False
    parsed = side_by_side(partial(_parse, layout, delimiter), _guessed(parts, layout, delimiter), workers=workers)
    for block, found in parsed:
        layout.fit(block.kinds, found)
        if not layout.widened and (block.batch.num_rows or block.faults):
            seen = True
            yield from parsed_cells.sliced(block, MOST_ROWS)
    if layout.widened:
        raise Widened(layout.kinds)
    if not seen:
        yield parsed_cells.empty(layout)


def pieces(
    chunks: Iterable[bytes], *, delimiter: bytes, line: int = 1, block_bytes: int = BLOCK
) -> Iterator[Piece]:
    """The text cut at the ends of rows, about `block_bytes` at a time. The last row may lack its line end. Without
    a `delimiter`, quotes mean nothing, and every LF ends a row. Raises UploadRejected."""
    held = b""
    for chunk in _sized(chunks, block_bytes):
        text = held + chunk
        cut, breaks, rows = _cut(text, delimiter)
        if cut:
            yield from _portions(Piece(text[:cut], line, rows), breaks)
        line += breaks
        held = text[cut:]
        if len(held) > LONGEST_ROW:
            raise _too_long(line)
    if held:
        yield _last(held, delimiter, line)


def _portions(piece: Piece, breaks: int) -> Iterator[Piece]:
    """The piece, in parts where its rows are so short that their places alone would fill the memory."""
    if breaks <= MOST_LINES:
        yield piece
        return
    starts, ends, lines = places(piece)
    for place in range(0, starts.size, MOST_LINES):
        start, end = int(starts[place]), int(ends[place : place + MOST_LINES][-1])
        rows = piece.rows
        if rows is not None:
            within = (rows.breaks > start) & (rows.breaks <= end)
            rows = row_ends.Rows(ends[place : place + MOST_LINES] - start, rows.breaks[within] - start)
        yield Piece(piece.text[start:end], int(lines[place]), rows)


def take_header(parts: Iterator[Piece], delimiter: str) -> tuple[list[str], Iterator[Piece]]:
    """The names in the first row that is not empty, and what follows. Raises UploadRejected."""
    for piece in parts:
        ends = (piece.rows or row_ends.find(piece.text, delimiter.encode())).ends
        start = 0
        for end in ends.tolist():
            record = piece.text[start:end]
            if record.strip(b"\r\n"):
                names = next(csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter))
                line = piece.line + row_ends.find(piece.text[:end], delimiter.encode()).breaks.size
                rest = piece.text[end:]
                rows = piece.rows and row_ends.find(rest, delimiter.encode())
                return checked(names), _before(Piece(rest, line, rows), parts)
            start = end
    raise UploadRejected("empty_file", "the file is empty; upload a file with a header line and rows")


def checked(names: list[str]) -> list[str]:
    """The names of the columns. Raises UploadRejected."""
    if len(names) > MOST_COLUMNS:
        reason = f"{len(names):,} columns are more than {MOST_COLUMNS:,}; leave out what is not used"
        raise UploadRejected("too_many_columns", reason)
    for place, name in enumerate(names, start=1):
        if not name.strip():
            raise UploadRejected("unnamed_column", f"column {place} has no name in the header; give it one")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        shown = ", ".join(repr(name)[:_SHOWN] for name in twice[:5])
        raise UploadRejected("duplicate_columns", f"more than one column is called {shown}; name each for itself")
    return names


def _before(first: Piece, rest: Iterator[Piece]) -> Iterator[Piece]:
    if first.text:
        yield first
    yield from rest


def _guessed(parts: Iterator[Piece], layout: Layout, delimiter: str) -> Iterator[Piece]:
    """The pieces, the kinds of columns guessed from the first one."""
    for number, piece in enumerate(parts):
        if number == 0:
            parsed_cells.guess(piece.text, delimiter, layout)
        yield piece


def _parse(layout: Layout, delimiter: str, piece: Piece) -> Parsed:
    return parsed_cells.parse(piece.text, rows_of(piece), delimiter, layout)


def _sized(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The chunks, none larger than `size`, small ones gathered."""
    gathered: list[bytes] = []
    length = 0
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            part = chunk[start : start + size] if len(chunk) > size else chunk
            gathered.append(part)
            length += len(part)
            if length >= size:
                yield b"".join(gathered) if len(gathered) > 1 else part
                gathered, length = [], 0
    if gathered:
        yield b"".join(gathered)


def _cut(text: bytes, delimiter: bytes) -> tuple[int, int, row_ends.Rows | None]:
    """Where the last complete row ends, the line ends up to there, and the rows unless each LF ends one."""
    if not delimiter or (b'"' not in text and b"\r" not in text):
        cut = text.rfind(b"\n") + 1
        return cut, row_ends.line_feeds(text), None
    rows = row_ends.find(text, delimiter, final=False)
    cut = int(rows.ends[-1]) if rows.ends.size else 0
    breaks = rows.breaks[rows.breaks <= cut]
    return cut, breaks.size, row_ends.Rows(rows.ends, breaks)


def _last(text: bytes, delimiter: bytes, line: int) -> Piece:
    ended = text if text.endswith((b"\n", b"\r")) else text + b"\n"
    if not delimiter:
        return Piece(ended, line)
    rows = row_ends.find(ended, delimiter)
    if not rows.ends.size or rows.ends[-1] < len(ended):
        end = rows.ends[-1] if rows.ends.size else 0
        where = line + int((rows.breaks <= end).sum())
        reason = f"a quote in the row at line {where:,} is never closed; close it, or double it"
        raise UploadRejected("unclosed_quote", reason)
    return Piece(ended, line, rows)


def _too_long(line: int) -> UploadRejected:
    reason = f"the row at line {line:,} has no end within {LONGEST_ROW >> 20} MiB; check its quotes and line ends"
    return UploadRejected("row_too_long", reason)


def places(piece: Piece) -> Spans:
    """Where each row begins and ends, and on which line; empty lines are among them."""
    data = np.frombuffer(piece.text, np.uint8)
    ends = np.flatnonzero(data == row_ends.LF) + 1 if piece.rows is None else piece.rows.ends
    starts = np.concatenate(([0], ends[:-1])).astype(np.int64)
    if piece.rows is None or piece.rows.ends.size == piece.rows.breaks.size:
        return Spans(starts, ends, np.arange(piece.line, piece.line + ends.size, dtype=np.int64))
    return Spans(starts, ends, piece.line + np.searchsorted(piece.rows.breaks, starts, side="right"))


def rows_of(piece: Piece) -> Spans:
    """Where each row that is not empty begins and ends, and on which line."""
    spans = places(piece)
    data, widths = np.frombuffer(piece.text, np.uint8), spans.ends - spans.starts
    # In a row of two bytes that begins with CR, the other one is its LF: a lone CR would have ended it.
    blank = (widths == 1) | ((widths == 2) & (data[spans.starts] == row_ends.CR))
    return Spans(*(part[~blank] for part in spans)) if blank.any() else spans
