"""The rules of a project's columns over a block of rows: which rows break which rule.

Called by `tidemill.data.scan`. A clean block costs a few passes of Arrow's kernels; only offending rows are looked
at one by one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.formats.blocks import RAW_LIMIT, Block, RowFault
from tidemill.data.quality.faults import SHOWN
from tidemill.projects import Column, Kind

NOUN = {Kind.NUMBER: "a number", Kind.INTEGER: "a whole number", Kind.TIMESTAMP: "an ISO 8601 time"}
_BOUNDLESS = re.compile(r"^\s*[+-]?(inf|infinity|nan|\d*\.?\d+e\+?\d{3,})\s*$", re.IGNORECASE)
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Offence:
    """The rows of a block that break one rule."""

    code: str
    column: str
    reason: str
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Rules:
    """What the rows of a project are held to."""

    columns: Mapping[str, Column]
    target: str
    classification: bool
    """Whether the target is 0 or 1. Classes with names are held to the column's `allowed`."""

    @property
    def kinds(self) -> dict[str, Kind]:
        return {name: column.type for name, column in self.columns.items()}


def offences(block: Block, rules: Rules) -> Iterator[Offence]:
    """Every rule that rows of the block break, column by column. Columns that the file lacks are passed over."""
    present = set(block.batch.schema.names)
    for name, column in rules.columns.items():
        if name in present:
            values = block.batch.column(name)
            unreadable = _mask(block.unreadable.get(name), len(values))
            yield from _cells(name, column, values, unreadable, block)
            if name == rules.target and rules.classification:
                yield from _found("target_not_binary", name, "neither 0 nor 1, as the target must be",
                                  _outside(values, [0.0, 1.0]))  # fmt: skip


def row_faults(block: Block, offence: Offence, most: int) -> Iterator[RowFault]:
    """The first `most` rows of an offence, each told by itself."""
    for row in offence.rows[:most].tolist():
        raw = block.raw(row)[:RAW_LIMIT].decode(errors="replace")
        value = _value(block, offence.column, row)[:SHOWN]
        yield RowFault(int(block.lines[row]), offence.code, offence.column, offence.reason, value, raw)


def _cells(
    name: str, column: Column, values: pa.Array, unreadable: Mask | None, block: Block
) -> Iterator[Offence]:
    if unreadable is not None:
        yield from _unreadable(name, column.type, unreadable, block.text[name])
    missing = values.null_count - (int(unreadable.sum()) if unreadable is not None else 0)
    if missing and not column.nullable:
        absent = values.is_null().to_numpy(zero_copy_only=False)
        absent = absent if unreadable is None else absent & ~unreadable
        yield from _found("null_value", name, "missing, and the column is not nullable", absent)
    if column.allowed is not None:
        wanted = _as_values(column)
        yield from _found("not_allowed", name, "not among the allowed values", _outside(values, wanted))
    if column.type.numeric and (column.minimum is not None or column.maximum is not None):
        yield from _range(name, column, values)


def _unreadable(name: str, kind: Kind, mask: Mask, text: pa.StringArray) -> Iterator[Offence]:
    rows = np.flatnonzero(mask)
    if kind.numeric:
        words = text.take(pa.array(rows)).to_pylist()
        boundless = np.array([bool(_BOUNDLESS.match(word or "")) for word in words], dtype=bool)
        if boundless.any():
            yield Offence("not_finite", name, "not a finite number", rows[boundless])
        rows = rows[~boundless]
    if rows.size:
        code = "unreadable_timestamp" if kind is Kind.TIMESTAMP else "wrong_type"
        yield Offence(code, name, f"not {NOUN.get(kind, 'text')}", rows)


def _range(name: str, column: Column, values: pa.Array) -> Iterator[Offence]:
    bounds = pc.min_max(values)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    if low is None:
        return
    if column.minimum is not None and low < column.minimum:
        reason = f"below the minimum {column.minimum:g}"
        yield from _found("below_minimum", name, reason, _true(pc.less(values, column.minimum)))
    if column.maximum is not None and high > column.maximum:
        reason = f"above the maximum {column.maximum:g}"
        yield from _found("above_maximum", name, reason, _true(pc.greater(values, column.maximum)))


def _outside(values: pa.Array, wanted: list[Any]) -> Mask:
    """Which values are there and none of these."""
    known = pc.is_in(values, value_set=pa.array(wanted, values.type))
    strange = pc.and_not(pc.is_valid(values), known)
    return _true(strange)


def _found(code: str, column: str, reason: str, mask: Mask) -> Iterator[Offence]:
    rows = np.flatnonzero(mask)
    if rows.size:
        yield Offence(code, column, reason, rows)


def _true(mask: pa.BooleanArray) -> Mask:
    filled: Mask = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return filled


def _mask(mask: pa.BooleanArray | None, rows: int) -> Mask | None:
    return None if mask is None else _true(mask)


def _value(block: Block, column: str, row: int) -> str:
    """The offending cell as a person would write it."""
    if column in block.unreadable and block.unreadable[column][row].as_py():
        return block.text[column][row].as_py() or ""
    value = block.batch.column(column)[row].as_py()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None else str(value)


def _as_values(column: Column) -> list[Any]:
    if column.type.numeric:
        return [float(value) for value in column.allowed or ()]
    return [str(value) for value in column.allowed or ()]
