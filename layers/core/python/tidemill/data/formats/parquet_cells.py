"""Columns of Parquet as their kind, from whatever type they were written with."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.formats.blocks import ARROW
from tidemill.data.formats.cells import typed
from tidemill.projects import Kind

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST, _END = -62_135_596_800, 253_402_300_800
"""Seconds from 1970 to the beginnings of the years 1 and 10000."""


@dataclass(frozen=True)
class Cells:
    """A column's values, which cells could not be read (None: all could), and their text (null for the others)."""

    values: pa.Array
    unreadable: pa.BooleanArray | None = None
    text: pa.StringArray | None = None


def natural(kind: pa.DataType) -> Kind | None:
    """What a column of that Arrow type holds; None if its cells are lists, structs or maps, or bytes that need not
    be text."""
    if pa.types.is_dictionary(kind):
        return natural(kind.value_type)
    if pa.types.is_nested(kind) or _is_binary(kind) or isinstance(kind, pa.BaseExtensionType):
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Kind.NUMBER
    return Kind.TIMESTAMP if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else Kind.CATEGORY


def _is_binary(kind: pa.DataType) -> bool:
    plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(plain or pa.types.is_fixed_size_binary(kind) or pa.types.is_binary_view(kind))


def cast(column: pa.Array, kind: Kind) -> Cells:
    """A column as ARROW[kind]. Texts are read as in CSV; booleans are 0 and 1, or `true` and `false`; timestamps
    without a zone are in UTC, dates their midnight; NaN is missing. Unreadable is what is of another nature (a
    number as timestamp, a list as anything), infinite, no UTF-8 or outside the years 1 to 9999."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return Cells(pa.nulls(len(column), ARROW[kind]))
    if pa.types.is_float16(column.type):
        column = pc.cast(column, pa.float32())
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    text = _text(column)
    if text is not None:
        values = typed(text, kind)[0]
        missing = pc.and_(pc.is_valid(text), pc.is_null(typed(text, Kind.CATEGORY)[0]))
        return _cells(column, values, missing)
    if kind.numeric:
        return _cells(column, _numbers(column, kind))
    return _cells(column, _moments(column) if kind is Kind.TIMESTAMP else _names(column))


def plain(value: Any) -> str:
    """A cell's value as text: itself, or canonical JSON of what is in it."""
    if not isinstance(value, bool | int | float | list | dict):
        return str(_printed(value))
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_printed)


def row(batch: pa.RecordBatch, place: int) -> bytes:
    """One row of a batch as canonical JSON."""
    return plain({name: _value(batch.column(name), place) for name in batch.schema.names}).encode(errors="replace")


def _cells(column: pa.Array, values: pa.Array, missing: pa.BooleanArray | None = None) -> Cells:
    """`values`; unreadable are the cells of `column` that have none, but for those that spell a `missing` one."""
    unreadable = pc.and_(pc.is_valid(column), pc.is_null(values))
    if missing is not None:
        unreadable = pc.and_not(unreadable, missing)
    places = np.flatnonzero(unreadable.to_numpy(zero_copy_only=False))
    if not len(places):
        return Cells(values)
    text: list[str | None] = [None] * len(column)
    for place in places:
        text[place] = plain(_value(column, int(place)))
    return Cells(values, unreadable, pa.array(text, pa.string()))


def _text(column: pa.Array) -> pa.StringArray | None:
    """A column of texts, or of bytes that are UTF-8 (null where they are not); None for another."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.cast(column, pa.string())
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    if not any(check(kind) for check in binary):
        return None
    try:
        return pc.cast(pc.cast(column, pa.binary()), pa.string())
    except pa.ArrowInvalid:
        return pa.array(map(_utf8, column.to_pylist()), pa.string())


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _numbers(column: pa.Array, kind: Kind) -> pa.Array:
    if natural(column.type) is not Kind.NUMBER and not pa.types.is_boolean(column.type):
        return pa.nulls(len(column), pa.float64())
    numbers = pc.cast(column, pa.float64(), safe=False)
    usable = pc.is_finite(numbers)
    if kind is Kind.INTEGER:
        usable = pc.and_(usable, pc.equal(numbers, pc.floor(numbers)))
    return pc.if_else(usable, numbers, pa.scalar(None, pa.float64()))


def _moments(column: pa.Array) -> pa.Array:
    goal = ARROW[Kind.TIMESTAMP]
    if natural(column.type) is not Kind.TIMESTAMP:
        return pa.nulls(len(column), goal)
    if pa.types.is_date(column.type):
        column = pc.cast(column, pa.timestamp("s" if pa.types.is_date32(column.type) else "ms"))
    count, unit = pc.cast(column, pa.int64()), _PER_SECOND[column.type.unit]
    if unit < 10**9:  # what 64 bits of nanoseconds hold is within the years anyway
        inside = pc.and_(pc.greater_equal(count, _FIRST * unit), pc.less(count, _END * unit))
        count = pc.if_else(inside, count, pa.scalar(None, pa.int64()))
        return pc.cast(pc.multiply(count, 10**6 // unit), goal)
    return pc.cast(pc.cast(count, pa.timestamp("ns", tz="UTC")), goal, safe=False)


def _names(column: pa.Array) -> pa.Array:
    if natural(column.type) is None:
        return pa.nulls(len(column), pa.string())
    return pc.cast(column, pa.string())


def _value(column: pa.Array, place: int) -> Any:
    cell = column[place]
    try:
        value = cell.as_py()
    except (ValueError, OverflowError):  # a moment that Python has no datetime for
        return str(column.slice(place, 1).to_string(skip_new_lines=True)).strip("[]")
    return value.isoformat() if hasattr(value, "isoformat") else value


def _printed(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
