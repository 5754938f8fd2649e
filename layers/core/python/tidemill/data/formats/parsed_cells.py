"""A piece of delimited text as a block: Arrow parses it; a column that holds what Arrow refuses is read as text
and judged cell by cell.

Called by `delimited`, by several threads at once.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tidemill.data.formats import cells, guesses
from tidemill.data.formats.arrow_pieces import ArrowPiece
from tidemill.data.formats.blocks import ARROW, Block
from tidemill.data.formats.layouts import Layout
from tidemill.data.formats.uneven_rows import Spans, UnevenRows
from tidemill.projects import Kind


class Parsed(NamedTuple):
    """A block, and the kinds of its columns without rules that it does not fit, or that were empty before."""

    block: Block
    found: Mapping[str, Kind | None]


def empty(layout: Layout) -> Block:
    """The block of a file without rows."""
    kinds, _ = layout.read_as()
    arrays = [pa.array([], ARROW[kind]) for kind in kinds.values()]
    batch = pa.RecordBatch.from_arrays(arrays, names=list(kinds))
    return Block(batch, kinds, np.array([], np.int64), lambda _: b"")


def guess(text: bytes, delimiter: str, layout: Layout) -> None:
    """Note what the first rows tell of columns that nothing is known of."""
    unknown = [name for name in layout.wanted if name not in layout.kinds]
    if unknown:
        columns = ArrowPiece(text, delimiter, layout).texts(unknown)
        layout.guess({name: guesses.narrowest(column) for name, column in columns.items()})


def parse(text: bytes, spans: Spans, delimiter: str, layout: Layout) -> Parsed:
    """The block of these rows. `layout` is left as it is, but for what saves attempts."""
    kinds, unknown = layout.read_as()
    piece = ArrowPiece(text, delimiter, layout)
    columns = piece.typed(kinds, layout)
    unreadable: dict[str, pa.BooleanArray] = {}
    texts: dict[str, pa.StringArray] = {}
    found: dict[str, Kind | None] = {}
    for name, column in piece.texts([name for name in kinds if name not in columns]).items():
        columns[name], mask = cells.typed(column, kinds[name])
        if name not in layout.ruled and (mask is not None or _named(column, kinds[name])):
            found[name] = guesses.narrowest(column)
        elif mask is not None:
            unreadable[name], texts[name] = mask, column
        else:
            layout.odd.discard(name)
    for name in unknown - found.keys():
        found[name] = Kind.INTEGER if columns[name].null_count < len(columns[name]) else None
    batch = pa.RecordBatch.from_arrays([columns[name] for name in kinds], names=list(kinds))
    faults = UnevenRows(text, spans, piece.uneven, piece.counts, len(layout.names))
    starts, ends, lines = (np.delete(part, piece.uneven) for part in spans) if faults else spans

    def raw(row: int) -> bytes:
        return text[starts[row] : ends[row]].rstrip(b"\r\n")

    return Parsed(Block(batch, kinds, lines, raw, faults, unreadable, texts), found)


def sliced(block: Block, most: int) -> Iterator[Block]:
    """The block in parts of at most so many rows, nothing copied, each with the faults among its rows."""
    if block.batch.num_rows <= most:
        yield block
        return
    rows = block.batch.num_rows
    for start in range(0, rows, most):
        first = int(block.lines[start]) if start else None
        last = int(block.lines[start + most]) if start + most < rows else None
        yield Block(
            block.batch.slice(start, most),
            block.kinds,
            block.lines[start : start + most],
            partial(_further, block.raw, start),
            block.faults.between(first, last) if isinstance(block.faults, UnevenRows) else block.faults,
            {name: mask.slice(start, most) for name, mask in block.unreadable.items()},
            {name: text.slice(start, most) for name, text in block.text.items()},
        )


def _further(raw: Callable[[int], bytes], start: int, row: int) -> bytes:
    return raw(start + row)


def _named(column: pa.StringArray, kind: Kind) -> bool:
    """Whether text that can be read as the kind would not be taken for it where no rule says so."""
    if kind is Kind.TIMESTAMP:
        return not guesses.are_dashed(column)
    return kind.numeric and guesses.has_leading_zeros(column)
