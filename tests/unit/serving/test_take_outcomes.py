"""Files of outcomes: taken once, whatever is killed or comes again; what is no outcome is kept with its reason."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.serving.gateway import function
from tests.unit.serving.test_serve_api import known
from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.adapters.memory import WRITTEN, MemoryObjects
from tidemill.errors import RecordNotFound
from tidemill.serving import joining
from tidemill.serving import take_outcomes as module
from tidemill.serving.day_lines import lines as day_lines
from tidemill.serving.line_stream import MAX_BYTES, lines

T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEY = "incoming-outcomes/tides/may.csv"
CSV = "prediction_id,outcome,reward\n" + "".join(f"r{n}.0,{n % 2},\n" for n in range(25))


def put(objects: MemoryObjects, body: bytes | str, key: str = KEY) -> None:
    objects.put(key, body.encode() if isinstance(body, str) else body)


def take(objects: Any, key: str = KEY, version_id: str = "1", part_lines: int = 10) -> dict[str, Any]:
    return module.take_outcomes(
        bucket="b", key=key, version_id=version_id, load_project=known, objects=objects,
        clock=lambda: T0, part_lines=part_lines,
    )  # fmt: skip


def taken(objects: MemoryObjects, project: str = "tides") -> list[dict[str, Any]]:
    """The lines that readers see."""
    counted: Counter[str] = Counter()
    folder: Callable[[str], str] = lambda day: names.outcomes(project, day)  # noqa: E731
    found = list(day_lines(objects, folder, since=WRITTEN, until=WRITTEN, counted=counted))
    assert not counted
    return found


def refused(objects: MemoryObjects) -> list[dict[str, Any]]:
    keys = objects.keys("quarantine/tides/outcomes/")
    return [json.loads(line) for key in keys for line in objects.get(key).splitlines()]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_is_taken_in_parts_under_the_day_it_was_uploaded(zipped: bool) -> None:
    objects, key = MemoryObjects(), KEY + (".gz" if zipped else "")
    put(objects, gzip.compress(CSV.encode()) if zipped else CSV, key)
    answer = take(objects, key)
    assert (answer["outcome"], answer["accepted"], answer["refused"]) == ("taken", 25, 0)
    assert len(list(objects.keys("outcomes/tides/dt=2026-01-01/upload-"))) == 3
    assert [line["prediction_id"] for line in taken(objects)] == [f"r{n}.0" for n in range(25)]
    assert {line["at"] for line in taken(objects)} == {WRITTEN.isoformat()}
    assert refused(objects) == []


def test_lines_of_json_are_taken_by_id_and_by_entity() -> None:
    objects, key = MemoryObjects(), "incoming-outcomes/tides/deep/may.jsonl"
    sent = [{"prediction_id": "r.0", "outcome": 1}, {"entity_id": "a", "at": "2026-01-01T00:00:00Z", "outcome": 0}]
    put(objects, "\ufeff" + "\r\n\r\n".join(json.dumps(each) for each in sent), key)
    assert take(objects, key)["accepted"] == 2
    assert [line.get("entity_id") for line in taken(objects)] == [None, "a"]


def test_what_is_no_outcome_is_kept_with_line_and_reason_and_the_others_are_taken() -> None:
    objects = MemoryObjects()
    rows = [b"prediction_id,outcome", b"r0.0,1", b"r1.0,2", b'"r2.0,1', b"r3.0", b"r\xff.0,1", b"x" * 100_000]
    put(objects, b"\n".join([*rows, b"r4.0,0"]))
    answer = take(objects)
    assert (answer["accepted"], answer["refused"]) == (2, 5)
    told = refused(objects)
    assert [(each["line"], each["faults"][0]["field"], each["faults"][0]["code"]) for each in told] == [
        (3, "line 3, outcome", "not_allowed"),
        (4, "line 4", "not_csv"),
        (5, "line 5", "wrong_count"),
        (6, "line 6", "not_unicode"),
        (7, "line 7", "too_long"),
    ]
    assert told[0]["content"] == "r1.0,2" and told[3]["content"] == "r\\xff.0,1"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{half", "not_json"),
        ('{"prediction_id":"r.0","outcome":NaN}', "not_json"),
        ("[" * 20_000, "not_json"),
        ("3", "wrong_fields"),
        ('{"prediction_id":"\\ud83c","outcome":1}', "not_unicode"),
        ('{"prediction_id":"r.0","outcome":1,"why":2}', "wrong_fields"),
    ],
)
def test_poison_among_lines_of_json(text: str, code: str) -> None:
    objects, key = MemoryObjects(), "incoming-outcomes/tides/may.jsonl"
    put(objects, text + '\n{"prediction_id":"s.0","outcome":1}\n', key)
    answer = take(objects, key)
    assert (answer["accepted"], answer["refused"]) == (1, 1)
    assert refused(objects)[0]["faults"][0]["code"] == code


def test_a_file_whose_header_is_none_is_refused_whole() -> None:
    objects = MemoryObjects()
    put(objects, "id,what\nr.0,1\n")
    answer = take(objects)
    assert (answer["outcome"], answer["accepted"]) == ("broken", 0) and "must name the columns" in answer["reason"]


@pytest.mark.parametrize("cut", ["truncated", "corrupt"])
def test_what_lies_before_a_break_is_taken_and_the_break_is_told(cut: str) -> None:
    rng = random.Random(5)
    rows = "".join(f"{rng.random()}.0,1\n" for _ in range(80_000))
    body = bytearray(gzip.compress(b"prediction_id,outcome\n" + rows.encode()))
    body = body[:-1000] if cut == "truncated" else body[:600_000] + b"\x00" * 500 + body[600_500:]
    objects, key = MemoryObjects(), KEY + ".gz"
    put(objects, bytes(body), key)
    answer = take(objects, key, part_lines=20_000)
    assert answer["outcome"] == "broken" and f"{cut}_file" in answer["reason"]
    assert len(taken(objects)) == answer["accepted"] > 20_000
    assert take(objects, key) == answer


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("incoming-outcomes/ebb/may.csv", "no project"),
        ("incoming-outcomes/tides/may.xlsx", "none of .csv"),
        ("incoming-outcomes/tides", "none of .csv"),
        ("incoming-outcomes/may.csv", "none of .csv"),
    ],
)
def test_what_is_nobodys_file_is_ignored(key: str, told: str) -> None:
    objects = MemoryObjects()
    put(objects, CSV, key)
    answer = take(objects, key)
    assert answer["outcome"] == "ignored" and told in answer["reason"]
    assert list(objects.keys("outcomes/")) == []


def test_a_version_that_is_gone_is_told() -> None:
    assert take(MemoryObjects())["outcome"] == "gone"


def test_each_version_of_a_file_is_taken_once_and_a_correction_counts() -> None:
    objects = MemoryObjects()
    put(objects, "prediction_id,outcome\nr.0,0\n")
    put(objects, "prediction_id,outcome\nr.0,1\n")
    first = take(objects)
    assert take(objects) == first
    objects.modified[KEY] = WRITTEN.replace(hour=5)
    assert take(objects, version_id="2")["accepted"] == 1
    assert len(taken(objects)) == 2
    assert joining.join("tides", taken(objects), [], Counter())["r.0"].value == 1


class Dies(MemoryObjects):
    """Its process is killed at one call of those that write: before it, or after it, the reply lost."""

    def __init__(self, at: int, after: bool) -> None:
        super().__init__()
        self.left, self.after, self.judged = at, after, 0

    def put_new(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> bool:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KeyboardInterrupt
        done = super().put_new(key, body, content_type=content_type)
        if self.left == 0:
            raise KeyboardInterrupt
        return done


MIXED = CSV.replace("r3.0,1", "r3.0,7").replace("r14.0,0", "r14.0").replace("r24.0,0", "r24.0,x")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_call_that_was_killed_is_gone_on_with(at: int, after: bool) -> None:
    whole, killed = MemoryObjects(), Dies(at, after)
    put(whole, MIXED)
    put(killed, MIXED)
    expected = take(whole)
    assert (expected["accepted"], expected["refused"]) == (22, 3)
    with pytest.raises(KeyboardInterrupt):
        take(killed)
    assert take(killed) == expected
    assert killed.versions == whole.versions


def test_a_part_that_stands_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Dies(5, False)
    put(objects, MIXED)
    with pytest.raises(KeyboardInterrupt):
        take(objects)
    judged: list[int] = []
    judge = module._judged
    monkeypatch.setattr(module, "_judged", lambda number, *rest: judged.append(number) or judge(number, *rest))
    assert (take(objects)["accepted"], len(judged)) == (22, 5)


def test_lines_come_the_same_however_the_bytes_are_cut() -> None:
    text = b"one\r\n\ntwo\n" + b"x" * (MAX_BYTES + 10) + b"\nlast"
    expected = [b"one", b"", b"two", b"x" * MAX_BYTES, b"last"]
    zipped = gzip.compress(text[:7]) + gzip.compress(text[7:])
    for body in (text, zipped):
        for size in (1, 3, 1000, len(body)):
            assert list(lines(body[n : n + size] for n in range(0, len(body), size))) == expected
    assert list(lines([])) == [] and list(lines([b""])) == []


def test_the_function_takes_the_event_of_an_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    objects, counted = MemoryObjects(), []
    put(objects, MIXED)
    monkeypatch.setattr(wiring, "objects", lambda: objects)
    monkeypatch.setattr(projects, "load", known)
    handler = function("take_outcomes")
    monkeypatch.setattr(handler, "count", lambda *told, project: counted.append((*told, project)))
    monkeypatch.setattr(handler, "now", lambda: T0)
    detail = {"bucket": {"name": "b"}, "object": {"key": KEY, "version-id": "1", "size": 3, "sequencer": "0"}}
    context = SimpleNamespace(
        function_name="t", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r"
    )
    answer = handler.handler({"source": "aws.s3", "detail": detail}, context)
    assert (answer["accepted"], counted) == (22, [("RefusedOutcomes", 3, "tides")])


def test_a_file_that_is_removed_while_it_is_read_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = MemoryObjects()
    put(objects, CSV)

    def chunks(key: str, **_: Any) -> Any:
        yield CSV[: len(CSV) // 2].encode()
        raise RecordNotFound(f"object {key!r} does not exist")

    monkeypatch.setattr(objects, "chunks", chunks)
    answer = take(objects)
    assert answer["outcome"] == "broken" and "does not exist" in answer["reason"]
    assert answer["accepted"] == len(taken(objects)) > 10
