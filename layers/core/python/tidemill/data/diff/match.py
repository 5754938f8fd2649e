"""Which rows of two tables are the same, which changed, which came and which went.

Called by `rows_diff` with one partition of either version. Rows that are equal in every compared column cancel out
first, one for one. Of what is left, rows with the same key are one row that changed; where a key occurs more than
once, the first of its rows that are left go with the first, and so on. The rest was added or removed. So the
numbers do not depend on rows that both tables share, nor on the order of rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.data.diff.codes import Codes, codes_of, combined, ranks

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Repeated:
    """Keys that occur more than once on one side: how many, the rows that have them, the first row of each and
    how often it is there."""

    keys: int
    rows: int
    first: Places
    times: Places


@dataclass(frozen=True)
class Matched:
    """Places (row numbers from 0) in the two tables. `changed` are pairs, [k] and [k]; `differs` says of each
    compared column which pairs differ in it, bool [k]. `repeated` and `without_key` are of (before, after)."""

    unchanged: int
    added: Places
    removed: Places
    changed: tuple[Places, Places]
    differs: Mapping[str, NDArray[np.bool_]]
    repeated: tuple[Repeated, Repeated]
    without_key: tuple[int, int]


def match(before: pa.Table, after: pa.Table, *, compared: Sequence[str], keys: Sequence[str]) -> Matched:
    """Match the rows of two tables that both have the columns `compared`, of one type each; `keys` are some of
    them, or none. A row with a part of its key missing has no key: it can be the same as another, not changed."""
    size, rows = before.num_rows, before.num_rows + after.num_rows
    codes, present = {}, {}
    for name in compared:
        codes[name], present[name] = codes_of(before[name], after[name])
    keyed = np.full(rows, bool(keys))
    for name in keys:
        keyed &= present[name]
    left = _left(combined(list(codes.values()), rows), size)
    key = combined([codes[name] for name in keys], rows)
    pairs = _pairs(left[0][keyed[left[0]]], left[1][keyed[left[1]]], key)
    return Matched(
        unchanged=size - left[0].size,
        added=_without(left[1], pairs[1]) - size,
        removed=_without(left[0], pairs[0]),
        changed=(pairs[0], pairs[1] - size),
        differs={name: column[pairs[0]] != column[pairs[1]] for name, column in codes.items()},
        repeated=(_repeated(key[:size], keyed[:size]), _repeated(key[size:], keyed[size:])),
        without_key=(int((~keyed[:size]).sum()), int((~keyed[size:]).sum())) if keys else (0, 0),
    )


def _left(ids: Codes, size: int) -> tuple[Places, Places]:
    """The rows that have no equal on the other side, counted one for one; the first ones of each id cancel out."""
    most = int(ids.max(initial=-1)) + 1
    sides = ids[:size], ids[size:]
    there = [np.bincount(side, minlength=most) for side in sides]
    before = np.flatnonzero(ranks(sides[0]) >= there[1][sides[0]])
    after = np.flatnonzero(ranks(sides[1]) >= there[0][sides[1]])
    return before, after + size


def _pairs(before: Places, after: Places, key: Codes) -> tuple[Places, Places]:
    """The rows that have the same key, the first with the first."""
    most = int(key.max(initial=-1)) + 1
    paired = []
    for mine, others in ((before, after), (after, before)):
        rank = ranks(key[mine])
        with_other = rank < np.bincount(key[others], minlength=most)[key[mine]]
        order = np.lexsort((rank[with_other], key[mine][with_other]))
        paired.append(mine[with_other][order])
    return paired[0], paired[1]


def _without(places: Places, taken: Places) -> Places:
    return np.setdiff1d(places, taken, assume_unique=True)


def _repeated(key: Codes, keyed: NDArray[np.bool_]) -> Repeated:
    places = np.flatnonzero(keyed)
    _, first, times = np.unique(key[places], return_index=True, return_counts=True)
    more = times > 1
    return Repeated(int(more.sum()), int(times[more].sum()), places[first[more]], times[more])
