"""JSON Lines as blocks of rows: one object on each line, its keys the columns.

What a column without a rule holds is guessed from the first block; the rest of the file may prove that wrong.
"""

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.data.formats.blocks import ARROW, Block, Widened
from tidemill.data.formats.cells import typed
from tidemill.data.formats.json_rows import Nested, Rows, limit_columns, row_groups, spelled
from tidemill.projects import Kind

BLOCK_BYTES = 8 << 20
_DATED = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_NUMBERS, _TEXTS = frozenset({int, float}), frozenset({str})
_ACCEPTED = {
    Kind.NUMBER: _NUMBERS | _TEXTS,
    Kind.INTEGER: _NUMBERS | _TEXTS,
    Kind.CATEGORY: _NUMBERS | _TEXTS | {bool},
    Kind.TIMESTAMP: _TEXTS,
}


def blocks(
    chunks: Iterable[bytes],
    *,
    kinds: Mapping[str, Kind],
    rules: Collection[str],
    only: Collection[str] | None = None,
    block_bytes: int = BLOCK_BYTES,
    first_line: int = 1,
) -> Iterator[Block]:
    """The blocks of a text in UTF-8 whose first line has the number `first_line`; empty lines are passed over.

    Every block has the columns of `kinds`, also where no row has that key, then those that the first block adds,
    if `only` these are not named.
    Columns in `rules` have the kind that `kinds` says. The others are `number` if all cells are numbers,
    `timestamp` if all are ISO 8601 texts, else `category`: text, `true` and `false`, numbers and nested values as
    JSON. Faults of rows are `bad_json`, `duplicate_keys` (of the row itself) and `too_deep`; NaN, infinities and
    numbers beyond float64 are unreadable cells. Raises UploadRejected: `too_many_columns`, `row_too_long`; and
    Widened, after the whole text, with all columns that the first block was wrong about or lacked."""
    columns = _Columns(dict(kinds), frozenset(rules), None if only is None else frozenset(only))
    for rows in row_groups(chunks, columns.kinds, block_bytes=block_bytes, first_line=first_line):
        columns.meet(rows)
        if not columns.widened:
            yield _block(rows, columns)
    if columns.widened:
        raise Widened(columns.widened)


@dataclass
class _Columns:
    """What is known of the columns so far. `open` have a kind, but no cell yet that says so."""

    kinds: dict[str, Kind]
    rules: frozenset[str]
    only: frozenset[str] | None = None
    open: set[str] = field(default_factory=set)
    widened: dict[str, Kind] = field(default_factory=dict)
    begun: bool = False

    def meet(self, rows: Rows) -> None:
        """Hold the rows against what is known. Raises UploadRejected `too_many_columns`."""
        for key in rows.keys:
            if (key in self.rules and key in self.kinds) or (self.only is not None and key not in self.only):
                continue
            values = [row.get(key) for row in rows.values]
            if key not in self.kinds:
                self._add(key, values)
            elif not _fits(values, self.kinds[key]):
                self._widen(key, values)
            elif key in self.open and any(value is not None for value in values):
                self.open.remove(key)
        if rows.values:
            limit_columns(len(self.kinds), rows.lines[-1])
            self.begun = True

    def _add(self, key: str, values: list[Any]) -> None:
        kind = _guess(values)
        self.kinds[key] = kind or Kind.NUMBER
        if kind is None:
            self.open.add(key)
        if self.begun:
            self.widened[key] = self.kinds[key]

    def _widen(self, key: str, values: list[Any]) -> None:
        kind = _guess(values) if key in self.open else None
        self.open.discard(key)
        self.kinds[key] = self.widened[key] = kind or Kind.CATEGORY


@dataclass(frozen=True)
class _Column:
    values: pa.Array
    unreadable: pa.BooleanArray | None = None
    text: pa.StringArray | None = None


def _block(rows: Rows, columns: _Columns) -> Block:
    found = {
        name: _column(rows, name, kind, nested=name not in columns.rules) for name, kind in columns.kinds.items()
    }
    schema = pa.schema([(name, ARROW[kind]) for name, kind in columns.kinds.items()])
    raws = rows.raws
    return Block(
        batch=_batch([column.values for column in found.values()], schema, len(rows.values)),
        kinds=dict(columns.kinds),
        lines=np.array(rows.lines, np.int64),
        raw=raws.__getitem__,
        faults=rows.faults,
        unreadable={name: column.unreadable for name, column in found.items() if column.unreadable is not None},
        text={name: column.text for name, column in found.items() if column.text is not None},
    )


def _batch(arrays: list[pa.Array], schema: pa.Schema, rows: int) -> pa.RecordBatch:
    if arrays:
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))


def _column(rows: Rows, name: str, kind: Kind, *, nested: bool) -> _Column:
    values = [row.get(name) for row in rows.values]
    if name not in rows.keys:
        return _Column(pa.nulls(len(values), ARROW[kind]))
    plain = _plain(values, kind)
    if plain is not None:
        return _Column(plain)
    accepted = _ACCEPTED[kind] | ({Nested} if nested and kind is Kind.CATEGORY else set())
    fitting = [value if type(value) in accepted and _finite(value) else None for value in values]
    cells, unreadable = typed(pa.array(map(_text, fitting), pa.string()), kind)
    unfit = pa.array([value is not None and fit is None for value, fit in zip(values, fitting, strict=True)])
    mask = unfit if unreadable is None else pc.or_(unfit, unreadable)
    if not pc.any(mask).as_py():
        return _Column(cells)
    text: list[str | None] = [None] * len(values)
    for row in np.flatnonzero(mask.to_numpy(zero_copy_only=False)):
        text[row] = _text(values[row]) if _finite(values[row]) else spelled(rows.raws[row], name)
    return _Column(cells, mask, pa.array(text, pa.string()))


def _plain(values: list[Any], kind: Kind) -> pa.Array | None:
    """The column at once, if all its cells are plainly of the kind."""
    types = _types(values)
    if kind.numeric and types <= _NUMBERS:
        try:
            numbers = pa.array(values, pa.float64())
        except (pa.ArrowInvalid, OverflowError):  # integers beyond 2**53
            return None
        whole = kind is Kind.NUMBER or pc.all(pc.equal(numbers, pc.floor(numbers)), min_count=0).as_py()
        return numbers if whole and pc.all(pc.is_finite(numbers), min_count=0).as_py() else None
    if not kind.numeric and types <= _TEXTS:
        cells, unreadable = typed(pa.array(values, pa.string()), kind)
        return cells if unreadable is None else None
    return None


def _types(values: list[Any]) -> set[type]:
    return set(map(type, values)) - {type(None)}


def _fits(values: list[Any], kind: Kind) -> bool:
    """Whether a column without a rule may keep its kind."""
    types = _types(values)
    if kind is Kind.CATEGORY or not types:
        return True
    if kind is Kind.TIMESTAMP:
        return types <= _TEXTS and _guess(values) is kind
    return types <= _NUMBERS and (kind is Kind.NUMBER or all(map(_whole, values)))


def _guess(values: list[Any]) -> Kind | None:
    types = _types(values)
    if not types:
        return None
    if types <= _NUMBERS:
        return Kind.NUMBER
    if types <= _TEXTS:
        text = pa.array(values, pa.string())
        moments, unreadable = typed(text, Kind.TIMESTAMP)
        dated = pc.all(pc.match_substring_regex(text.filter(pc.is_valid(moments)), _DATED)).as_py()
        if unreadable is None and dated:
            return Kind.TIMESTAMP
    return Kind.CATEGORY


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _whole(value: Any) -> bool:
    return value is None or not _finite(value) or value % 1 == 0


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
