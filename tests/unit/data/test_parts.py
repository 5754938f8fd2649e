"""A large upload read in parts: the merged parts tell what one pass tells, whatever is done to the parts."""

import io
import itertools
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidemill import canonical, names
from tidemill.data import counted, divisions, uploads
from tidemill.data.contents import Source
from tidemill.data.divisions import Divided
from tidemill.data.formats import delimited, json_lines
from tidemill.data.merge_parts import Merging
from tidemill.data.personal import Scanner
from tidemill.data.quality import leakage
from tidemill.data.take_in import in_one_pass
from tidemill.errors import ArtifactCorrupt, RecordNotFound, UploadRejected

CELLS = st.sampled_from(["", "1", "2.5", "2026-01-02", "007", "x", "a\nb", 'say ""no""', "1e3", "20260102T101010"])
LEVELS = st.sampled_from(["1", "-2.5", "", "99", "high", "inf"])
MAIL = "jane@example.com"


@pytest.fixture(autouse=True)
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and parts of a few rows, and little kept of evidence and for leakage."""
    original, rows = delimited.pieces, json_lines.row_groups
    monkeypatch.setattr(delimited, "pieces", lambda chunks, **how: original(chunks, **how | {"block_bytes": 64}))
    monkeypatch.setattr(json_lines, "row_groups", lambda *args, **how: rows(*args, **how | {"block_bytes": 64}))
    monkeypatch.setattr(counted, "EVIDENCE_ROWS", 12)
    monkeypatch.setattr(leakage, "ROWS", 25)


def read_in_parts(shore: Any, body: bytes, split_bytes: int, *, seed: int = 0) -> tuple[Any, int]:
    """The body as it is read in parts, in some order; how many parts."""
    shore.split_bytes = split_bytes
    event = shore.upload("a", body)
    identifier = uploads.upload_id(bucket=shore.BUCKET, key=event["key"], version_id=event["version_id"])
    source = Source(event["key"], event["version_id"], len(body))
    read: Any = divisions.Dividing("tides", identifier, split_bytes)
    count = 0
    for _ in range(6):
        try:
            return read(source, shore.project, shore.objects), count
        except Divided as divided:
            numbers = list(divided.parts)
            random.Random(seed).shuffle(numbers)
            for number in [*numbers, numbers[0]]:
                shore.step("read_part", project="tides", upload_id=identifier, part=number)
            read, count = Merging("tides", identifier, split_bytes), len(numbers)
    raise AssertionError("kinds widen without end")


def told(read: Any) -> dict[str, Any]:
    """Everything that is written of an upload."""
    reading = read.reading
    return {
        "figures": [reading.sha256, reading.size, reading.form, reading.rows, reading.bad, reading.time_sorted],
        "columns": list(reading.columns),
        "kinds": dict(reading.kinds),
        "faults": reading.faults,
        "evidence": (reading.evidence.rows, reading.evidence.size, reading.evidence.bad_lines().tolist()),
        "sketch": canonical.dumps(read.sketch.to_json()),
        "keys": canonical.dumps(read.keys.sketch.to_json()),
        "leaks": read.leakage.faults(),
        "personal": (read.personal.faults(), read.personal.suspected(), read.personal.scanner.reported()),
    }


def check(shore: Any, body: bytes, split_bytes: int, *, seed: int = 0) -> int:
    """Hold the parts against the one pass; how many there were."""
    objects = type(shore)().objects
    objects.put("whole", body)
    source = Source("whole", "1", len(body))
    try:
        expected = told(in_one_pass(source, shore.project, objects))
    except UploadRejected as error:
        with pytest.raises(UploadRejected) as refused:
            read_in_parts(shore, body, split_bytes, seed=seed)
        assert refused.value.code == error.code
        return 0
    found, parts = read_in_parts(shore, body, split_bytes, seed=seed)
    merged = told(found)
    for name, value in expected.items():
        assert merged[name] == value, name
    return parts


lines = st.builds(
    lambda day, level, wind, full, cell, more: (day, level, wind, full, cell, more),
    st.integers(1, 28), LEVELS, st.sampled_from("NESWX"), st.integers(0, 1), CELLS, CELLS,
)  # fmt: skip
orders = st.integers(0, 99)


def as_csv(rows: list[Any]) -> bytes:
    text = "at,level,gates,wind,full,odd,more\n"
    for number, (day, level, wind, full, cell, more) in enumerate(rows):
        spare = ",uneven" if cell == "x" and more == "x" else ""
        text += (
            f'2026-01-{day:02},{level},{number},{wind},{full},"{cell}",{more.split()[0] if more else ""}{spare}\n'
        )
        text += "\n" * (day == 3)
    return text.encode()


@given(st.lists(lines, min_size=1, max_size=40), st.integers(100, 2000), orders)
@settings(max_examples=25, deadline=None)
def test_delimited_text_in_parts(new_shore: Any, rows: list[Any], split_bytes: int, seed: int) -> None:
    check(new_shore(key=["gates"]), as_csv(rows), split_bytes, seed=seed)


VALUES = st.sampled_from([1, 2.5, None, "2026-01-02", "20260102T101010", "x", True, {"a": [1]}, "a\nb", "absent"])


def as_json_lines(rows: list[Any]) -> bytes:
    text = ""
    for number, (day, level, wind, full, odd, more) in enumerate(rows):
        row = {"at": f"2026-01-{day:02}", "level": level or None, "gates": number, "wind": wind, "full": full}
        row |= {name: value for name, value in (("odd", odd), ("more", more)) if value != "absent"}
        text += "not json\n" if wind == "X" and day < 9 else json.dumps(row) + "\n"
    return text.encode()


json_rows = st.tuples(
    st.integers(1, 28), LEVELS, st.sampled_from("NESWX"), st.integers(0, 1), VALUES, VALUES
)  # fmt: skip


@given(st.lists(json_rows, min_size=1, max_size=40), st.integers(100, 2000), orders)
@settings(max_examples=25, deadline=None)
@example([(9, "1", "N", 1, None, "absent"), *[(9, "1", "N", 1, "2026-01-02", 1)] * 9], 100, 1)
def test_json_lines_in_parts(new_shore: Any, rows: list[Any], split_bytes: int, seed: int) -> None:
    body = as_json_lines(rows)
    if body.startswith(b"{"):
        check(new_shore(), body, split_bytes, seed=seed)


def as_parquet(rows: int, group: int, *, level: float = 1.0) -> bytes:
    numbers = np.arange(rows)
    moments = pa.array(1_767_225_600_000_000 + numbers * 1_000_000, pa.timestamp("us", tz="UTC"))
    table = pa.table(
        {
            "at": moments,
            "level": pa.array(np.where(numbers % 7 == 3, 99.0, level + numbers % 5)),
            "gates": pa.array(numbers),
            "wind": pa.array(["NESW"[number % 4] for number in numbers]),
            "full": pa.array(numbers % 2),
            "list": pa.array([[int(number)] for number in numbers]),
            "note": pa.array([MAIL if number == 11 else f"n{number}" for number in numbers]),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    return sink.getvalue()


@given(st.integers(1, 120), st.integers(1, 40), st.integers(8, 4000), orders)
@settings(max_examples=15, deadline=None)
def test_parquet_in_parts(new_shore: Any, rows: int, group: int, split_bytes: int, seed: int) -> None:
    check(new_shore(), as_parquet(rows, group), split_bytes, seed=seed)


def test_the_parts_are_several_and_their_kinds_are_widened(new_shore: Any) -> None:
    rows = [(day, "1", "N", day % 2, cell, "1") for day, cell in enumerate(["1"] * 20 + ["x"] * 8, start=1)]
    shore = new_shore()
    assert check(shore, as_csv(rows), 200) > 4
    (kinds,) = [key for key in shore.objects.keys("quarantine/") if key.endswith("kinds.json")]
    assert json.loads(shore.objects.get(kinds)) == {"odd": "category", "more": "integer"}


def test_rows_that_are_not_in_the_order_of_time_are_seen_between_parts(new_shore: Any) -> None:
    rows = [(28 - number // 4, "1", "N", 1, "", "") for number in range(40)]
    assert check(new_shore(), as_csv(rows), 200) > 4
    shore = new_shore()
    assert read_in_parts(shore, as_csv(rows), 200)[0].reading.time_sorted is False
    assert read_in_parts(shore, as_csv(rows[::-1]), 200)[0].reading.time_sorted is True


def test_a_scanner_comes_back_from_json_and_goes_on(new_shore: Any) -> None:
    texts = [f"{MAIL} 4111 1111 1111 11{number:02}" for number in range(50)] + ["4111111111111111"] * 3
    batch = pa.RecordBatch.from_arrays([pa.array(texts)], names=["telefon"])
    scanner = Scanner({"x": {"email"}})
    scanner.scan(batch)
    again = Scanner.from_json(json.loads(canonical.dumps(scanner.to_json())), {"x": {"email"}})
    assert again.to_json() == scanner.to_json()
    assert (again.findings(), again.counts()) == (scanner.findings(), scanner.counts())
    one, other = Scanner(), Scanner()
    one.scan(batch.slice(0, 20))
    other.scan(batch.slice(20))
    one.merge(Scanner.from_json(other.to_json()), first_row=20)
    assert one.findings() == scanner.findings()
    assert one.to_json() == scanner.to_json()


def large(shore: Any, *, start: int = 0, spoiled: bool = False, file: str = "a.csv") -> dict[str, Any]:
    """An upload above `split_bytes`, whose column without a rule is wider in its last part."""
    rows = [f"{line},{number}" for number, line in enumerate(shore.lines(20, start=start))]
    rows[-1] = rows[-1].rsplit(",", 1)[0] + ",x"
    if spoiled:
        rows[7] = rows[7].replace(",N", ",up").replace(",E", ",up").replace(",S", ",up").replace(",W", ",up")
    return shore.upload(file, shore.csv(rows, header="at,level,gates,wind,full,extra"))


def in_folder(shore: Any) -> dict[str, Any]:
    shore.split_bytes, usual = 1 << 20, shore.split_bytes
    shore.register(large(shore, start=1, file="may/0.csv"))
    shore.split_bytes = usual
    return large(shore, file="may/1.csv")


def broken(shore: Any) -> dict[str, Any]:
    return shore.upload("a.csv", shore.csv(['2026-01-01,1,1,"N,1'] * 31))


def spoiled(shore: Any) -> dict[str, Any]:
    return large(shore, spoiled=True)


def personal(shore: Any) -> dict[str, Any]:
    return shore.upload(
        "a.csv", shore.csv([f"{line},{MAIL}" for line in shore.lines(20)], header="at,level,gates,wind,full,extra")
    )


SCENARIOS = [large, in_folder, broken, spoiled, personal]


def facts(shore: Any) -> Any:
    """All that is stored but what the parts handed on."""
    objects, rows = shore.state()
    return {key: body for key, body in objects.items() if "/parts/" not in key}, rows


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("tolerated", [0.0, 0.5])
def test_the_machine_comes_to_the_same_end_as_without_parts(
    new_shore: Any, scenario: Any, tolerated: float
) -> None:
    quality = {"tolerated": tolerated, "personal_data": "mask" if tolerated else "refuse"}
    whole, divided = new_shore(quality=quality), new_shore(quality=quality, split_bytes=300)
    ends = [shore.walk(scenario(shore)) for shore in (whole, divided)]
    assert ends[0] == ends[1]
    assert facts(whole) == facts(divided)
    assert any("/parts/0002.json" in key for key in divided.state()[0]) is (scenario is not broken)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_before_any_call_and_delivered_again_it_ends_the_same(
    new_shore: Any, scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(divisions, "PARTS", 2)

    def shore_of() -> Any:
        return new_shore(split_bytes=500)

    undisturbed = shore_of()
    answer = undisturbed.walk(scenario(undisturbed))
    for call in itertools.count():
        shore = shore_of()
        event = scenario(shore)
        try:
            shore.walk(event, watch=shore.kill_at(call))
        except shore.Killed:
            again = shore.walk(event)
        else:
            break
        assert shore.state() == undisturbed.state(), f"killed before call {call}"
        shared = again.keys() & answer.keys()
        assert {name: again[name] for name in shared} == {name: answer[name] for name in shared}
    assert call > 4


def test_parts_that_were_read_under_other_rules_are_read_again(new_shore: Any) -> None:
    shore = new_shore(split_bytes=300)
    event = large(shore)
    divided = shore.register(event)
    assert divided["outcome"] == "divided"
    for part in divided["parts"]:
        shore.step("read_part", **part)
    shore.project = new_shore(min_rows=11).project
    assert shore.merge(event)["outcome"] == "widened"
    assert shore.walk(event)["outcome"] == "accepted"


def test_an_upload_that_is_deleted_while_it_is_read_is_gone(new_shore: Any) -> None:
    shore = new_shore(split_bytes=300)
    event = large(shore)
    divided = shore.register(event)
    shore.objects.delete(event["key"], version_id=event["version_id"])
    for part in divided["parts"]:
        shore.step("read_part", **part)
    assert shore.merge(event)["outcome"] == "gone"


def test_a_part_of_what_was_not_divided_is_an_error(shore: Any) -> None:
    with pytest.raises(RecordNotFound, match="RegisterVersion divides it first"):
        shore.step("read_part", project="tides", upload_id="0" * 20, part=1)


def test_what_expired_is_divided_anew(new_shore: Any) -> None:
    shore = new_shore(split_bytes=300)
    event = large(shore)
    divided = shore.register(event)
    for key in list(shore.objects.keys(names.parts("tides", divided["upload_id"]))):
        shore.objects.delete(key)
    assert shore.merge(event)["outcome"] == "divided"


def test_what_cannot_be_divided_is_read_in_one_pass(new_shore: Any) -> None:
    shore = new_shore(split_bytes=300)
    assert shore.walk(shore.upload("a.csv", shore.good(1).decode().encode("utf-16")))["outcome"] == "accepted"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_parts_of_a_store_that_gives_other_bytes_are_not_merged(
    new_shore: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A store that takes no notice of ranges sends the whole file for each part; no row may count twice."""
    shore = new_shore()
    rows = [{"at": "2026-01-01", "level": 1.5, "gates": n, "wind": "N", "full": n % 2} for n in range(200)]
    lines = [json.dumps(row) for row in rows]
    if kind == "csv":
        lines = ["at,level,gates,wind,full", *(",".join(map(str, row.values())) for row in rows)]
    body = "\n".join(lines).encode()
    chunks = shore.objects.chunks

    def without_ranges(key: str, *, start: int = 0, end: int | None = None, **how: Any) -> Any:
        return chunks(key, **how) if start else chunks(key, end=end, **how)

    monkeypatch.setattr(shore.objects, "chunks", without_ranges)
    with pytest.raises(ArtifactCorrupt, match=r"part \d+ of upload .* was read as .* rows and has .*"):
        read_in_parts(shore, body, len(body) // 2)
