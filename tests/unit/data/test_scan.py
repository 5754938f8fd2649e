"""The one pass over a file: what it counts, tells and keeps, what observers see, and what it refuses."""

import gzip
import hashlib
import io
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.memory import MemoryObjects
from tidemill.data import counted
from tidemill.data.formats import delimited, open_file, streams
from tidemill.data.formats.blocks import Block
from tidemill.data.formats.kept_rows import kept_rows
from tidemill.data.quality.row_rules import Rules
from tidemill.data.scan import Reading, scan
from tidemill.errors import RecordNotFound, UploadRejected
from tidemill.projects import Column, Kind

RULES = Rules(
    {
        "at": Column(type=Kind.TIMESTAMP),
        "level": Column(type=Kind.NUMBER, nullable=True, minimum=-1, maximum=10),
        "gates": Column(type=Kind.INTEGER),
        "wind": Column(type=Kind.CATEGORY, allowed=("n", "s")),
        "full": Column(type=Kind.INTEGER),
    },
    "full",
    classification=True,
)
HEADER = "at,level,gates,wind,full\n"
GOOD = "2026-01-01T00:00:00Z,1.5,2,n,1\n"


class Watching:
    """An observer that keeps what it is shown."""

    def __init__(self) -> None:
        self.restarts = 0
        self.restart()

    def restart(self) -> None:
        self.restarts += 1
        self.all: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.kinds: Mapping[str, Kind] = {}

    def every(self, block: Block) -> None:
        self.all += block.batch.to_pylist()

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        self.rows += rows.to_pylist()
        self.kinds = kinds


def read(body: bytes | str, *, rules: Rules = RULES, observers: Any = (), **more: Any) -> Reading:
    body = body.encode() if isinstance(body, str) else body
    objects = MemoryObjects()
    objects.put("incoming/tides/x.bin", body)
    return scan(
        objects,
        "incoming/tides/x.bin",
        version_id="1",
        size=len(body),
        rules=rules,
        known={},
        observers=observers,
        **more,
    )


def refused(body: bytes | str) -> UploadRejected:
    with pytest.raises(UploadRejected) as caught:
        read(body)
    return caught.value


def test_a_good_file_is_told_by_its_digest_size_and_rows() -> None:
    body = (HEADER + GOOD * 3).encode()
    watching = Watching()
    reading = read(body, observers=[watching], time="at")
    assert (reading.sha256, reading.size) == (hashlib.sha256(body).hexdigest(), len(body))
    assert (reading.rows, reading.bad, reading.faults, reading.time_sorted) == (3, 0, [], True)
    assert (reading.columns, dict(reading.kinds)) == (["at", "level", "gates", "wind", "full"], RULES.kinds)
    assert watching.rows == watching.all
    assert (len(watching.rows), watching.kinds) == (3, RULES.kinds)


FAULTS = [
    ("x,1.5,2,n,1", "unreadable_timestamp", "at", "not an ISO 8601 time (for example 'x')"),
    (",1.5,2,n,1", "null_value", "at", "missing, and the column is not nullable (for example '')"),
    ("2026-01-01,high,2,n,1", "wrong_type", "level", "not a number (for example 'high')"),
    ("2026-01-01,inf,2,n,1", "not_finite", "level", "not a finite number (for example 'inf')"),
    ("2026-01-01,1e400,2,n,1", "not_finite", "level", "not a finite number (for example '1e400')"),
    ("2026-01-01,-NAN,2,n,1", "not_finite", "level", "not a finite number (for example '-NAN')"),
    ("2026-01-01,-1.5,2,n,1", "below_minimum", "level", "below the minimum -1 (for example '-1.5')"),
    ("2026-01-01,10.5,2,n,1", "above_maximum", "level", "above the maximum 10 (for example '10.5')"),
    ("2026-01-01,1.5,2.5,n,1", "wrong_type", "gates", "not a whole number (for example '2.5')"),
    ("2026-01-01,1.5,2,west,1", "not_allowed", "wind", "not among the allowed values (for example 'west')"),
    ("2026-01-01,1.5,2,n,2", "target_not_binary", "full", "neither 0 nor 1, as the target must be"),
    ("2026-01-01,1.5,2,n", "uneven_row", None, "4 cells, the header has 5; check separators and quotes"),
]


@pytest.mark.parametrize(("row", "code", "column", "words"), FAULTS)
def test_a_row_that_breaks_a_rule_is_left_out_and_told(
    row: str, code: str, column: str | None, words: str
) -> None:
    watching = Watching()
    reading = read(HEADER + GOOD + row + "\n" + GOOD, observers=[watching])
    assert (reading.rows, reading.bad) == (2, 1)
    (fault,) = reading.faults
    assert (fault.code, fault.column, fault.count, fault.lines) == (code, column, 1, (3,))
    assert words in fault.message
    (kept,) = reading.evidence.rows
    assert (kept.line, kept.code, kept.column, kept.raw) == (3, code, column, row)
    assert reading.evidence.bad_lines().tolist() == [3]
    assert len(watching.rows) == 2
    assert len(watching.all) == (2 if code == "uneven_row" else 3)


def test_faults_are_counted_over_all_blocks_and_the_gravest_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_sized", lambda chunks, size: map(bytes, _cut(b"".join(chunks), 50)))
    rows = ["2026-01-01,99,2,west,1", "2026-01-01,1,2,n,1", "2026-01-01,x,,n,1"] * 50
    reading = read(HEADER + "\n".join(rows) + "\n")
    assert [(fault.code, fault.column, fault.count) for fault in reading.faults] == [
        ("wrong_type", "level", 50),
        ("null_value", "gates", 50),
        ("not_allowed", "wind", 50),
        ("above_maximum", "level", 50),
    ]
    assert reading.faults[0].lines == (4, 7, 10, 13, 16)
    assert (
        reading.faults[3].message == "column 'level': 50 of 150 values are above the maximum 10 (for example '99')"
    )
    assert (reading.rows, reading.bad) == (50, 100)
    assert reading.evidence.bad_lines().tolist() == [line for line in range(2, 152) if line % 3 != 0]


def _cut(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def test_evidence_is_bounded_and_all_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted, "EVIDENCE_ROWS", 7)
    reading = read(HEADER + GOOD + "2026-01-01,99,2,west,3\n" * 20 + "1\n" * 5)
    assert (reading.bad, len(reading.evidence.rows)) == (25, 7)
    monkeypatch.setattr(counted, "EVIDENCE_ROWS", 1000)
    monkeypatch.setattr(counted, "EVIDENCE_BYTES", 100)
    assert len(read(HEADER + GOOD + "2026-01-01,99,2,west,3\n" * 20).evidence.rows) == 5


def test_a_column_that_proves_wider_makes_everybody_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_sized", lambda chunks, size: map(bytes, _cut(b"".join(chunks), 100)))
    watching = Watching()
    body = "full,extra,other\n" + "1,7,\n" * 40 + "0,seven,2026-01-01\n" + "1,8,\n" * 40
    rules = Rules({"full": RULES.columns["full"]}, "full", classification=True)
    reading = read(body, rules=rules, observers=[watching])
    assert watching.restarts == 3  # when made, and for each pass
    assert dict(reading.kinds) == {"full": Kind.INTEGER, "extra": Kind.CATEGORY, "other": Kind.TIMESTAMP}
    assert [row["extra"] for row in watching.rows] == ["7"] * 40 + ["seven"] + ["8"] * 40
    assert reading.rows == 81


@pytest.mark.parametrize(
    ("times", "sorted_"),
    [
        (["01", "02", "02", "NA", "03"], True),
        (["02", "01"], False),
        (["01"] * 9 + ["02", "01"], False),
        (["x"], True),
    ],
)
def test_whether_times_ascend(times: list[str], sorted_: bool) -> None:
    rules = Rules({"at": Column(type=Kind.TIMESTAMP, nullable=True)}, "full", classification=True)
    body = "at,n\n" + "".join(f"{'2026-01-' if time != 'NA' else ''}{time},1\n" for time in times)
    assert read(body, rules=rules, time="at").time_sorted is sorted_
    assert read(body, rules=rules).time_sorted is None


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "empty_file", "the file is empty"),
        (b" \n\r\n", "empty_file", "the file is empty"),
        (b"\xef\xbb\xbf", "empty_file", "the file is empty"),
        (HEADER, "no_rows", "the file has a header and no rows; upload it with its data"),
        (HEADER.strip(), "no_rows", "upload it with its data"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "not_a_table", "image"),
        (b"PK\x03\x04" + bytes(50), "not_a_table", "zip"),
        (b"a,b\n1,\0\n" * 9, "not_a_table", "NUL"),
        (HEADER.encode() + GOOD.encode() * 9000 + b"x\0\n", "not_a_table", "line 9002 holds a NUL byte"),
        (gzip.compress((HEADER + GOOD * 50).encode())[:-9], "truncated_file", "ends too early"),
        (b"PAR1" + bytes(40), "truncated_file", "has no end"),
        (HEADER.encode() + GOOD.encode() * 9000 + b"\xe9\n", "mixed_encodings", "(line 9,002)"),
        ("a,a\n1,2\n", "duplicate_columns", "called 'a'"),
        (",".join(map(str, range(10_000))), "too_many_columns", "10,000 columns are more than 2,000"),
        ('a,b\n1,"2\n', "unclosed_quote", "line 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_a_code_and_a_remedy(body: bytes | str, code: str, words: str) -> None:
    refusal = refused(body)
    assert refusal.code == code
    assert words in refusal.reason


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LEAST_LIMIT", 1 << 20)
    refusal = refused(gzip.compress((HEADER + GOOD * 200_000).encode()))
    assert refusal.code == "decompression_bomb"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda body: pa.compress(body, "zstd", asbytes=True)])
def test_any_encoding_and_compression_gives_the_same_rows(encoding: str, pack: Any) -> None:
    rules = Rules({"wind": Column(type=Kind.CATEGORY)}, "full", classification=True)
    body = pack(("wind;n\n" + "größe;1\n" * 30).encode(encoding))
    watching = Watching()
    reading = read(body, rules=rules, observers=[watching])
    assert watching.rows == [{"wind": "größe", "n": 1.0}] * 30
    assert reading.sha256 == hashlib.sha256(body).hexdigest()


class LongLine:
    """An object store with one object of 5 GiB in two lines, made as it is read."""

    def __init__(self) -> None:
        self.given = 0

    def chunks(self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None) -> Any:
        yield b"a,b\n"
        for _ in range(5 << 7):
            self.given += 8 << 20
            yield b"1" * (8 << 20)


def test_five_gigabytes_in_one_line_are_refused_early_and_every_thread_ends() -> None:
    store: Any = LongLine()
    before = threading.active_count()
    with pytest.raises(UploadRejected, match="row_too_long: the row at line 2 has no end within 16 MiB"):
        scan(store, "k", version_id=None, size=5 << 30, rules=RULES, known={})
    assert store.given <= 64 << 20
    assert threading.active_count() == before


class Counting(MemoryObjects):
    """Gives small chunks, counts them, and may fail."""

    def __init__(self, fail_after: int = 1 << 40) -> None:
        super().__init__()
        self.given, self._fail_after = 0, fail_after

    def chunks(self, key: str, **options: Any) -> Iterator[bytes]:
        body = self.get(key)
        for start in range(0, len(body), 1 << 12):
            if self.given >= self._fail_after:
                raise RecordNotFound("deleted meanwhile")
            self.given += 1
            yield body[start : start + (1 << 12)]


class Slow(Watching):
    """Notes how far the store was read before each of its blocks came."""

    def __init__(self, objects: Counting) -> None:
        self.objects, self.ahead, self.seen = objects, 0, 0
        super().__init__()

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        self.seen += rows.num_rows * len(GOOD)
        self.ahead = max(self.ahead, self.objects.given * (1 << 12) - self.seen)


def test_no_more_is_read_than_a_few_blocks_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_file, "SAMPLE", 1 << 12)
    original = delimited._sized
    monkeypatch.setattr(delimited, "_sized", lambda chunks, size: original(chunks, 1 << 13))
    objects = Counting()
    body = (HEADER + GOOD * 40_000).encode()
    objects.put("k", body)
    slow = Slow(objects)
    scan(objects, "k", version_id=None, size=len(body), rules=RULES, known={}, observers=[slow])
    assert slow.seen == 40_000 * len(GOOD)
    # Four blocks in the queue, those that are parsed, and SAMPLE bytes that are looked at for line ends.
    assert slow.ahead < streams.SAMPLE + (open_file.WORKERS + 8) * (1 << 13)


def test_whatever_fails_ends_the_threads() -> None:
    before = threading.active_count()
    body = (HEADER + GOOD * 40_000).encode()
    objects = Counting(fail_after=90)
    objects.put("k", body)
    with pytest.raises(RecordNotFound, match="deleted meanwhile"):
        scan(objects, "k", version_id=None, size=len(body), rules=RULES, known={})

    class Failing(Watching):
        def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read(body, observers=[Failing()])
    assert threading.active_count() == before


def test_an_object_that_is_not_there() -> None:
    with pytest.raises(RecordNotFound):
        scan(MemoryObjects(), "k", version_id=None, size=1, rules=RULES, known={})


# What is kept of a file without its bad rows.

good_row = st.tuples(
    st.sampled_from(["2026-01-01", "2026-03-04T05:06:07Z"]),
    st.sampled_from(["1.5", "", "-1"]),
    st.sampled_from(["1", "2.0"]),
    st.sampled_from(["n", '"n"', "s"]),
    st.sampled_from(["0", "1"]),
    st.sampled_from(["x", '"a\nb"', '"say ""ah"", all"', "é"]),
)
bad_row = st.sampled_from(
    ["x,1,1,n,1,y", "1", '2026-01-01,99,1,n,1,"a\n\nb"', "2026-01-01,1,,n,1,", "2026-01-01,1,1,w,7,q"]
)


@settings(deadline=None)
@given(
    st.lists(st.one_of(good_row.map(",".join), bad_row, st.just("")), min_size=1, max_size=15),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([bytes, gzip.compress]),
)
def test_delimited_text_without_its_bad_rows_has_the_same_good_ones(
    lines: list[str], end: str, closed: bool, pack: Any
) -> None:
    text = end.join([HEADER.strip() + ",note", GOOD.strip() + ",", *lines]) + end * closed
    _check_kept(pack(text.encode()))


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries(
                {
                    "at": st.sampled_from(["2026-01-01", "later"]),
                    "level": st.sampled_from([1.5, None, 99, "2"]),
                    "gates": st.sampled_from([1, 2.5]),
                    "wind": st.sampled_from(["n", "w"]),
                    "full": st.sampled_from([0, 1]),
                    "note": st.sampled_from(['"', "a\nb", {"k": [1]}, None]),
                }
            ).map(json.dumps),
            st.sampled_from(["[1]", "{", "", '{"at": 1, "at": 2}', '{"level": NaN}']),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_json_lines_without_their_bad_rows_have_the_same_good_ones(lines: list[str]) -> None:
    _check_kept(("\n".join(['{"gates": 2}', *lines]) + "\n").encode())


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1.5, 99.0, None]), st.sampled_from(["n", "w"])), min_size=1, max_size=20)
)
def test_parquet_without_its_bad_rows_has_the_same_good_ones(rows: list[tuple[float | None, str]]) -> None:
    sink = io.BytesIO()
    table = {
        "at": pa.array([0] * len(rows), pa.timestamp("ns")),
        "level": [level for level, _ in rows],
        "gates": np.arange(len(rows)),
        "wind": [wind for _, wind in rows],
        "full": [row % 2 for row in range(len(rows))],
        "nested": [[1, 2]] * len(rows),
    }
    pq.write_table(pa.table(table), sink, row_group_size=7)
    _check_kept(sink.getvalue())


def _check_kept(body: bytes) -> None:
    before, after = Watching(), Watching()
    reading = read(body, observers=[before], time="at")
    objects = MemoryObjects()
    objects.put("k", body)
    bad = reading.evidence.bad_lines()
    assert reading.bad == bad.size
    kept = b"".join(kept_rows(objects, "k", version_id="1", size=len(body), form=reading.form, bad_lines=bad))
    if not reading.rows:
        return
    again = read(kept, observers=[after], time="at")
    assert (again.rows, again.bad, again.faults) == (reading.rows, 0, [])
    assert again.form.kind == reading.form.kind
    assert again.form.compression == reading.form.compression
    assert [_without_nulls(row) for row in after.rows] == [_without_nulls(row) for row in before.rows]
    once_more = kept_rows(objects, "k", version_id="1", size=len(body), form=reading.form, bad_lines=bad)
    assert b"".join(once_more) == kept


def _without_nulls(row: dict[str, Any]) -> dict[str, str]:
    # The kind of a column without a rule may be narrower without the bad rows.
    return {name: str(value) for name, value in row.items() if value is not None}
