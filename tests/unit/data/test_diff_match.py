"""Matching of rows against a naive comparison, in any number of partitions."""

import math
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data.diff import spill
from tidemill.data.diff.match import match
from tidemill.data.manifests import File

SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("number", pa.float64()),
        ("when", pa.timestamp("us", tz="UTC")),
        (spill.PLACE, pa.int64()),
    ]
)
COLUMNS = SCHEMA.names[:-1]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "", "a", "b", "c,\n", "ä"]),
        st.sampled_from([None, math.nan, 0.0, -0.0, 1.0, 2**53, 2**53 + 2.0]),
        st.sampled_from([None, 0, 1, -1]),
    ),
    max_size=40,
)
Row = tuple[Any, ...]


def plain(row: Row) -> Row:
    name, number, when = row
    return name, None if number is None or math.isnan(number) else number + 0.0, when


def naive(before: list[Row], after: list[Row], keys: list[int]) -> tuple[int, int, int, int]:
    """Added, removed, changed, unchanged."""
    old, new = (Counter(map(plain, side)) for side in (before, after))
    left = [list((old - new).elements()), list((new - old).elements())]
    groups: dict[Row, list[int]] = defaultdict(lambda: [0, 0])
    for side in (0, 1):
        for row in left[side]:
            key = tuple(row[number] for number in keys)
            if keys and None not in key:
                groups[key][side] += 1
    changed = sum(min(pair) for pair in groups.values())
    return len(left[1]) - changed, len(left[0]) - changed, changed, sum((old & new).values())


def spilled(folder: Path, rows: list[Row], keys: list[str], count: int) -> spill.Partitions:
    """The rows on disk, in batches of seven."""
    folder.mkdir()
    file = File(path="a", size=1, sha256="", rows=len(rows))
    batches = [
        (
            file,
            pa.RecordBatch.from_arrays(
                [pa.array(c, f.type) for c, f in zip(zip(*part, strict=True), SCHEMA, strict=False)], COLUMNS
            ),
        )
        for start in range(0, len(rows), 7)
        for part in [rows[start : start + 7]]
    ]
    partitions = spill.Partitions(folder, count)
    numbered = spill.numbered_rows(batches, spill.Places())
    assert sum(partitions.write(numbered, SCHEMA, keys=keys, row=COLUMNS)) == len(rows)
    return partitions


@pytest.mark.parametrize("keys", [[], [0], [1], [0, 2]])
@settings(max_examples=60, deadline=None)
@given(before=ROWS, after=ROWS, count=st.sampled_from([1, 2, 5]))
def test_any_rows_are_matched_as_one_by_one(
    keys: list[int], before: list[Row], after: list[Row], count: int
) -> None:
    names, found = [COLUMNS[number] for number in keys], [0, 0, 0, 0]
    with TemporaryDirectory() as folder:
        sides = [
            spilled(Path(folder) / name, rows, names, count) for name, rows in (("old", before), ("new", after))
        ]
        for number in range(count):
            tables = [side.read(number) for side in sides]
            matched = match(*tables, compared=COLUMNS, keys=names)
            found[0] += matched.added.size
            found[1] += matched.removed.size
            found[2] += matched.changed[0].size
            found[3] += matched.unchanged
            _check_pairs(matched, tables, keys)
    assert tuple(found) == naive(before, after, keys)


def _check_pairs(matched: Any, tables: list[pa.Table], keys: list[int]) -> None:
    """A changed pair has one key, and differs exactly where it is said to."""
    sides = [
        table.select(COLUMNS).take(pa.array(rows)) for table, rows in zip(tables, matched.changed, strict=True)
    ]
    for number, (old, new) in enumerate(zip(*(side.to_pylist() for side in sides), strict=True)):
        assert all(old[COLUMNS[key]] == new[COLUMNS[key]] for key in keys)
        differs = [name for name in COLUMNS if old[name] != new[name]]
        assert differs and differs == [name for name in COLUMNS if matched.differs[name][number]]


def test_partitions_follow_from_what_there_is_to_hold() -> None:
    assert spill.how_many(0, 100) == 1
    assert spill.how_many(1_000, 1_000_000) == 1
    assert 10 <= spill.how_many(1e9, 300 << 20) <= 30
    assert spill.how_many(1e15, 1) == spill.MOST


def test_rows_without_a_key_are_spread() -> None:
    rows: list[Row] = [(None, float(i), None) for i in range(200)]
    with TemporaryDirectory() as folder:
        partitions = spilled(Path(folder) / "rows", rows, ["name"], 4)
        assert all(20 < partitions.read(number).num_rows < 100 for number in range(4))
