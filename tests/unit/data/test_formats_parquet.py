"""Parquet as blocks: every type as every kind, row groups, reading in place, and what is refused."""

import io
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.adapters.memory import MemoryObjects
from tidemill.data.formats import object_file, parquet
from tidemill.data.formats.blocks import ARROW, Block, Widened
from tidemill.data.formats.object_file import ObjectFile
from tidemill.errors import RecordNotFound, UploadRejected
from tidemill.projects import Kind

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(body: bytes | pa.Table, kinds: dict[str, Kind] | None = None, **options: Any) -> list[Block]:
    body = written(body) if isinstance(body, pa.Table) else body
    objects = MemoryObjects()
    objects.put("k", body)
    objects.put("k", b"a later version")
    options.setdefault("rules", tuple(kinds or {}))
    found = parquet.blocks(objects, "k", version_id="1", size=len(body), kinds=kinds or {}, **options)
    return list(found)


def refused(body: bytes | pa.Table, **options: Any) -> tuple[str, str]:
    with pytest.raises(UploadRejected) as caught:
        read(body, **options)
    return caught.value.code, caught.value.reason


def as_kind(column: pa.Array, kind: Kind) -> tuple[list[Any], dict[int, str]]:
    """The cells, and the text of the unreadable ones by row."""
    (block,) = read(pa.table({"a": column}), {"a": kind})
    assert block.batch.schema.field("a").type == ARROW[kind]
    mask = block.unreadable["a"].to_pylist() if "a" in block.unreadable else []
    told = {row: block.text["a"][row].as_py() for row, odd in enumerate(mask) if odd}
    return block.batch.column("a").to_pylist(), told


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None], pa.int8()), [1, None]),
        (pa.array([2**64 - 1], pa.uint64()), [2.0**64]),
        (pa.array([2**53 + 1], pa.int64()), [2.0**53]),
        (pa.array(np.array([1.5], np.float16)), [1.5]),
        (pa.array([1.5, float("nan"), None], pa.float32()), [1.5, None, None]),
        (pa.array([Decimal("1.25"), None], pa.decimal128(9, 2)), [1.25, None]),
        (pa.array([Decimal("-1e30")], pa.decimal256(40, 2)), [-1e30]),
        (pa.array([True, False, None]), [1, 0, None]),
        (pa.array(["1.5", "NA", None]), [1.5, None, None]),
        (pa.array([" 2 "], pa.large_string()), [2]),
        (pa.array([b"3"], pa.binary()), [3]),
        (pa.array(["4", None, "4"]).dictionary_encode(), [4, None, 4]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_numbers_from_every_type_that_holds_them(column: pa.Array, expected: list[float | None]) -> None:
    assert as_kind(column, Kind.NUMBER) == (expected, {})


@pytest.mark.parametrize(
    ("column", "values", "unreadable"),
    [
        (pa.array([1.0, float("inf"), -float("inf")]), [1, None, None], {1: "Infinity", 2: "-Infinity"}),
        (pa.array(["1", "one", ""]), [1, None, None], {1: "one"}),
        (pa.array([b"\xff", b"1"]), [None, 1], {0: "ff"}),
        (pa.array([date(2026, 1, 1), None]), [None, None], {0: "2026-01-01"}),
        (pa.array([NEW_YEAR]), [None], {0: "2026-01-01T00:00:00+00:00"}),
        (pa.array([[1, 2], None]), [None, None], {0: "[1,2]"}),
        (pa.array([{"b": 1, "a": "é"}]), [None], {0: '{"a":"é","b":1}'}),
    ],
)
def test_what_is_no_number_is_unreadable(column: pa.Array, values: list[Any], unreadable: dict[int, str]) -> None:
    assert as_kind(column, Kind.NUMBER) == (values, unreadable)


def test_integers_are_whole() -> None:
    assert as_kind(pa.array([1.0, 1.5, float("nan")]), Kind.INTEGER) == ([1, None, None], {1: "1.5"})
    assert as_kind(pa.array([Decimal("2.00"), Decimal("2.50")]), Kind.INTEGER) == ([2, None], {1: "2.50"})


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([NEW_YEAR, None], pa.timestamp(unit, tz=zone)), [NEW_YEAR, None])
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "Asia/Tokyo")
    ]
    + [
        (pa.array([1_767_225_600_000_000_123], pa.timestamp("ns")), [NEW_YEAR]),
        (pa.array([date(2026, 1, 1)], pa.date32()), [NEW_YEAR]),
        (pa.array([date(2026, 1, 1)], pa.date64()), [NEW_YEAR]),
        (pa.array(["2026-01-01T01:00:00+01:00", "NA"]), [NEW_YEAR, None]),
    ],
)
def test_timestamps_of_any_unit_and_zone(column: pa.Array, expected: list[datetime | None]) -> None:
    assert as_kind(column, Kind.TIMESTAMP) == (expected, {})


def test_moments_beyond_the_calendar_are_unreadable() -> None:
    far = pa.array([2**62, 0, -(2**62)], pa.timestamp("us"))
    assert as_kind(far, Kind.TIMESTAMP) == (
        [None, datetime(1970, 1, 1, tzinfo=UTC), None],
        {0: "<value out of range: 4611686018427387904>", 2: "<value out of range: -4611686018427387904>"},
    )
    ends = pa.array([date(1, 1, 1), date(9999, 12, 31)])
    assert as_kind(ends, Kind.TIMESTAMP)[0] == [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ]
    assert as_kind(pa.array([2**31 - 1], pa.date32()), Kind.TIMESTAMP)[0] == [None]
    assert as_kind(pa.array([1]), Kind.TIMESTAMP) == ([None], {0: "1"})


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["x", "NA", None]), ["x", None, None]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
        (pa.array([7, None]), ["7", None]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array([b"\xc3\xa9"]), ["é"]),
        (pa.array([date(2026, 1, 1)]), ["2026-01-01"]),
        (pa.array([Decimal("1.50")]), ["1.50"]),
        (pa.array([1], pa.duration("s")), ["1"]),
    ],
)
def test_categories_are_the_text_of_the_cells(column: pa.Array, expected: list[str | None]) -> None:
    assert as_kind(column, Kind.CATEGORY) == (expected, {})


def test_a_list_is_no_category_and_bytes_that_are_no_text_neither() -> None:
    assert as_kind(pa.array([["x"]]), Kind.CATEGORY) == ([None], {0: '["x"]'})
    assert as_kind(pa.array([b"a", b"\xff\xfe"]), Kind.CATEGORY) == (["a", None], {1: "fffe"})


def test_columns_without_a_rule_are_what_their_type_is() -> None:
    table = pa.table(
        {
            "n": pa.array([1, 2]),
            "b": pa.array([True, None]),
            "s": pa.array(["x", "2026-01-01"]),
            "d": pa.array([date(2026, 1, 1), None]),
            "l": pa.array([[1], [2, 3]]),
        }
    )
    (block,) = read(table)
    assert block.batch.schema.field("l").type == table.schema.field("l").type
    assert block.batch.to_pydict() == {
        "n": [1, 2],
        "b": ["true", None],
        "s": ["x", "2026-01-01"],
        "d": [NEW_YEAR, None],
        "l": [[1], [2, 3]],
    }


def test_a_guess_from_another_file_may_be_too_narrow() -> None:
    table = pa.table({"i": [1.5], "s": ["x"], "c": [7], "l": [[1]], "r": ["y"]})
    known = {"i": Kind.INTEGER, "s": Kind.NUMBER, "c": Kind.CATEGORY, "l": Kind.NUMBER, "r": Kind.NUMBER}
    with pytest.raises(Widened) as caught:
        read(table, known, rules=("r",))
    assert caught.value.kinds == {"i": Kind.NUMBER, "s": Kind.CATEGORY}
    (block,) = read(table, {**known, **caught.value.kinds}, rules=("r",))
    assert block.batch.to_pydict() == {"i": [1.5], "s": ["x"], "c": ["7"], "l": [[1]], "r": [None]}


def test_rows_are_numbered_through_the_file_and_given_as_json() -> None:
    table = pa.table({"b": range(10), "a": [["é", None]] * 10, "t": pa.array([1] * 10, pa.timestamp("ns"))})
    body = written(table, row_group_size=3)
    blocks = read(body)
    assert [line for block in blocks for line in block.lines.tolist()] == list(range(1, 11))
    assert blocks[0].raw(1).startswith('{"a":["é",null],"b":1,"t":"1970-01-01T00:00:00'.encode())
    assert json.loads(blocks[-1].raw(blocks[-1].batch.num_rows - 1))["b"] == 9
    some = read(body, row_groups=[3, 0, 1])
    assert [line for block in some for line in block.lines.tolist()] == [10, 1, 2, 3, 4, 5, 6]
    assert [value for block in some for value in block.batch.column("b").to_pylist()] == [9, 0, 1, 2, 3, 4, 5]
    assert read(body, row_groups=[]) == []


def test_batches_are_bounded_by_rows_cells_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(block.batch.num_rows for block in read(pa.table({"a": range(200_000)}))) == parquet.MOST_ROWS
    long = pa.table({"a": [f"{row:05d}" * 2000 for row in range(20)]})
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 50_000)
    assert max(block.batch.num_rows for block in read(written(long, use_dictionary=False))) <= 5
    monkeypatch.setattr(parquet, "_CELLS", 6)
    assert [block.batch.num_rows for block in read(pa.table({"a": [1] * 5, "b": [1] * 5}))] == [3, 2]


def test_a_long_text_that_is_repeated_is_not_multiplied_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1, None] * 1000, pa.int32()), pa.array(["x" * 9_000, "y"]))
    body = written(pa.table({"a": texts, "b": range(3000), "l": [["z"]] * 3000}))
    assert len(body) < 100_000
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 100_000)
    blocks = read(body)
    assert max(block.batch.column("a").nbytes for block in blocks) < 120_000
    assert [line for block in blocks for line in block.lines.tolist()] == list(range(1, 3001))
    whole = pa.Table.from_batches([block.batch for block in blocks])
    assert whole.column("a").to_pylist() == texts.to_pylist()
    assert whole.column("b").to_pylist() == list(range(3000))


GOOD = written(pa.table({"a": range(1000), "b": [f"text {row}" for row in range(1000)]}), write_page_checksum=True)


@pytest.mark.parametrize("body", [GOOD[:-20], GOOD[:100], b"PAR1", b"PAR1PAR1"])
def test_a_cut_file_is_truncated(body: bytes) -> None:
    assert refused(body) == (
        "truncated_file",
        "the Parquet file has no end: its upload or its making was cut off; upload it again in full",
    )


@pytest.mark.parametrize(
    "body",
    [
        GOOD[:600] + bytes([GOOD[600] ^ 1]) + GOOD[601:],
        GOOD[:100] + b"\xff" * 200 + GOOD[300:],
        GOOD[:-8] + b"\xff\xff\xff\x7fPAR1",
        GOOD[:-60] + b"\xff" * 50 + GOOD[-10:],
    ],
)
def test_a_damaged_file_is_corrupt(body: bytes) -> None:
    code, reason = refused(body)
    assert code == "corrupt_file"
    assert reason.startswith("the Parquet file is damaged (")
    assert reason.endswith("); write it anew and upload it again")


def test_no_damage_gets_past_the_reader() -> None:
    table = pa.table(
        {"a": range(300), "b": [f"t{row % 7}" for row in range(300)], "l": [[row] for row in range(300)]}
    )
    good, chance = written(table, row_group_size=100), random.Random(4)
    seen = set()
    for _ in range(200):
        body = bytearray(good)
        for _ in range(chance.choice([1, 3, 10])):
            body[chance.randrange(4, len(good) - 4)] = chance.randrange(256)
        try:
            blocks = read(bytes(body))
            seen.add("read" if all(block.raw(0) for block in blocks) else "lost")
        except UploadRejected as rejected:
            seen.add(rejected.code)
    assert seen == {"read", "corrupt_file"}


def test_an_encrypted_file_is_refused() -> None:
    assert refused(GOOD[:-4] + b"PARE") == (
        "encrypted_file",
        "the Parquet file is encrypted; write it without, the bucket encrypts",
    )


def test_a_bomb_is_told_by_the_footer() -> None:
    body = written(pa.table({"a": ["x" * 1000] * 1000}), use_dictionary=False)
    assert refused(body, limit=900_000) == (
        "decompression_bomb",
        f"the file of {len(body):,} bytes unpacks to more than 900,000 bytes; upload it in several files",
    )
    assert sum(block.batch.num_rows for block in read(body)) == 1000


def test_too_many_columns_or_two_of_a_name_or_no_rows() -> None:
    assert refused(pa.table({f"c{number}": [1] for number in range(2001)})) == (
        "too_many_columns",
        "2,001 columns are more than 2,000; leave out what is not used",
    )
    assert refused(pa.Table.from_arrays([pa.array([1])] * 3, names=["a", "b", "a"])) == (
        "duplicate_columns",
        "more than one column is called 'a'; give each its own name",
    )
    assert refused(pa.table({"a": pa.array([], pa.int64())})) == (
        "no_rows",
        "the file has columns and no rows; upload it with its data",
    )


class Counted(MemoryObjects):
    """Counts the reads, and fails from the `fail`th on."""

    reads, fail = 0, 10**9

    def chunks(self, *arguments: Any, **options: Any) -> Iterator[bytes]:
        self.reads += 1
        if self.reads >= self.fail:
            raise ConnectionResetError("the network is away")
        return super().chunks(*arguments, **options)


@pytest.mark.parametrize("fail", [1, 2])
def test_the_stores_own_errors_are_not_the_files(fail: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_file, "READ_AHEAD", 512)
    objects = Counted()
    objects.put("k", GOOD)
    objects.fail = fail
    with pytest.raises(ConnectionResetError, match="the network is away"):
        list(parquet.blocks(objects, "k", version_id=None, size=len(GOOD), kinds={}, rules=()))


def test_an_object_is_read_like_a_file() -> None:
    objects = Counted()
    body = bytes(np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8))
    objects.put("k", body)
    file, other = ObjectFile(objects, "k"), io.BytesIO(body)
    for offset, whence, size in [
        *((0, 0, 10), (5, 1, 10), (-20, 2, 50), (1_048_570, 0, 20), (0, 0, 2_500_000), (9, 2, 5), (-7, 1, 0)),
        *((2_999_999, 0, -1), (1_500_000, 0, 1 << 20), (1_500_000, 0, (1 << 20) - 1)),
    ]:
        assert file.seek(offset, whence) == other.seek(offset, whence)
        assert file.read(size) == other.read(size)
        assert file.tell() == other.tell()
    file.seek(0)
    assert file.readall() == body


def test_short_reads_fetch_ahead_and_few_stretches_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_file, "READ_AHEAD", 100)
    monkeypatch.setattr(object_file, "CACHED", 3)
    objects = Counted()
    objects.put("k", bytes(1000))
    file = ObjectFile(objects, "k", version_id="1")
    for _ in range(50):
        file.read(10)
    assert objects.reads == 5
    file.seek(0)
    file.read(10)
    assert objects.reads == 6


def test_an_object_that_does_not_exist() -> None:
    with pytest.raises(RecordNotFound, match="'k'"):
        ObjectFile(MemoryObjects(), "k")
