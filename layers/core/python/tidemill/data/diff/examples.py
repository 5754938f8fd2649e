"""Examples of rows that were added, removed or changed: the first ones in the order of the files, whatever the
partitions, as JSON values.

Called by `rows_diff`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.data.diff.match import Matched
from tidemill.data.diff.spill import PLACE, Places
from tidemill.projects import Kind

Example = dict[str, Any]
Rows = NDArray[np.int64]


class Examples:
    """The first `most` of each sort. `kinds` are those of the columns (before, after)."""

    def __init__(
        self,
        compared: Sequence[str],
        keys: Sequence[str],
        kinds: tuple[Mapping[str, Kind], Mapping[str, Kind]],
        most: int,
    ) -> None:
        self._compared, self._keys, self._kinds, self._most = compared, keys, kinds, most
        self._added: list[Example] = []
        self._removed: list[Example] = []
        self._changed: list[Example] = []
        self._repeated: list[Example] = []

    def add(self, matched: Matched, before: pa.Table, after: pa.Table) -> None:
        """Those of one partition."""
        if not self._most:
            return
        self._added = self._first([*self._added, *self._whole(after, matched.added, 1)])
        self._removed = self._first([*self._removed, *self._whole(before, matched.removed, 0)])
        self._changed = self._first([*self._changed, *self._pairs(matched, before, after)])
        repeated = [*self._keys_of(matched, before, 0), *self._keys_of(matched, after, 1)]
        self._repeated = self._first([*self._repeated, *repeated])

    def told(self, before: Places, after: Places) -> dict[str, list[Example]]:
        """`added` and `removed`: `path`, `row` (its number in that file, from 1), `values` by column. `changed`:
        `path` and `row` of the row after, `before` (path and row), `key`, and `changes` ([{column, before,
        after}]). `repeated_keys`: `key`, `times`, `side`, and the first row that has it."""
        sides = {"before": before, "after": after}
        return {
            "added": [_placed(example, after) for example in self._added],
            "removed": [_placed(example, before) for example in self._removed],
            "changed": [
                {**_placed(example, after), "before": _placed({"place": example["old"]}, before)}
                for example in self._changed
            ],
            "repeated_keys": [_placed(example, sides[example["side"]]) for example in self._repeated],
        }

    def _first(self, examples: list[Example]) -> list[Example]:
        return sorted(examples, key=lambda example: (example.get("side") == "before", example["place"]))[
            : self._most
        ]

    def _whole(self, table: pa.Table, rows: Rows, side: int) -> Iterable[Example]:
        kinds = self._kinds[side]
        for place, values in self._taken(table, rows, list(kinds)):
            yield {"place": place, "values": _row(values, kinds)}

    def _pairs(self, matched: Matched, before: pa.Table, after: pa.Table) -> Iterable[Example]:
        order = _foremost(after, matched.changed[1], self._most)
        old_rows, new_rows = (rows[order] for rows in matched.changed)
        old = self._taken(before, old_rows, self._compared, in_order=True)
        new = self._taken(after, new_rows, self._compared, in_order=True)
        for pair, (one, other) in zip(order, zip(old, new, strict=True), strict=True):
            row = [_row(values, kinds) for (_, values), kinds in zip((one, other), self._kinds, strict=True)]
            columns = [name for name in self._compared if matched.differs[name][pair]]
            changes = [{"column": name, "before": row[0][name], "after": row[1][name]} for name in columns]
            key = {name: row[1][name] for name in self._keys}
            yield {"place": other[0], "old": one[0], "key": key, "changes": changes}

    def _keys_of(self, matched: Matched, table: pa.Table, side: int) -> Iterable[Example]:
        found = matched.repeated[side]
        order = _foremost(table, found.first, self._most)
        taken = self._taken(table, found.first[order], self._keys, in_order=True)
        for (place, values), times in zip(taken, found.times[order].tolist(), strict=True):
            told = {"key": _row(values, self._kinds[side]), "times": times, "side": ("before", "after")[side]}
            yield {"place": place, **told}

    def _taken(
        self, table: pa.Table, rows: Rows, names: Sequence[str], *, in_order: bool = False
    ) -> list[tuple[int, dict[str, Any]]]:
        """The place and the values of these rows; of the foremost of them, unless they are `in_order`."""
        wanted = rows if in_order else rows[_foremost(table, rows, self._most)]
        part = table.select([*names, PLACE]).take(pa.array(wanted))
        return [(row.pop(PLACE), row) for row in part.to_pylist()]


def _foremost(table: pa.Table, rows: Rows, most: int) -> Rows:
    """Which of `rows` come first in the files."""
    places = table[PLACE].to_numpy()[rows]
    chosen = np.argpartition(places, most)[:most] if rows.size > most else np.arange(rows.size)
    return chosen[np.argsort(places[chosen])]


def _placed(example: Example, places: Places) -> Example:
    path, row = places.of(example["place"])
    return {"path": path, "row": row, **{k: v for k, v in example.items() if k not in ("place", "old")}}


def _row(values: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    return {name: _plain(value, kinds[name]) for name, value in values.items()}


def _plain(value: Any, kind: Kind) -> Any:
    """The value as JSON has it: whole numbers as such, times in ISO 8601."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and kind is Kind.INTEGER:
        return int(value)
    return value
