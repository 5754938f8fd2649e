"""Batch scoring over memory adapters: every row once, whatever the file, whatever happens to the workers."""

import gzip
import io
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as arrow_csv

from tests.unit.serving.conftest import Trained, files_of
from tests.unit.serving.harbour import HEADER, MODEL, PROJECT, Harbour, Killed
from tidemill import names
from tidemill.errors import ArtifactCorrupt, ModelNotReady, RecordNotFound, RequestInvalid, ScoringIncomplete
from tidemill.serving.faults import Faults
from tidemill.serving.instances import Features
from tidemill.serving.model import Model
from tidemill.serving.scoring import Place

SMALL = 400
"""Bytes of a part: some rows."""


def answers(rows: list[dict[str, Any]]) -> list[Any]:
    """What was predicted; the last digits of a probability depend on the rows beside it."""
    return [(row["prediction"], pytest.approx(row["probability"], rel=1e-4)) for row in rows]


def test_each_row_has_what_the_endpoint_would_answer(harbour: Harbour, classifier: Trained, model: Model) -> None:
    body = "\n".join(
        [HEADER, *(",".join(str(row.get(name, "")) for name in HEADER.split(",")) for row in classifier.rows), ""]
    )
    result, rows = harbour.score(harbour.put("rows.csv", body.encode()))
    taken = model.features.rows(classifier.rows, Faults())
    expected = model.predict(model.features.columns(taken.values))
    assert [row["prediction"] for row in rows] == [each["prediction"] for each in expected]
    assert [row["probability"] for row in rows] == pytest.approx([each["probability"] for each in expected])
    assert (result["rows"], result["errors"], result["model"]["version"]) == (len(classifier.rows), 0, MODEL)
    scoring_id = result["scoring_id"]
    assert [row["prediction_id"] for row in rows] == [f"{scoring_id}.1.{n}" for n in range(1, len(rows) + 1)]
    assert {(row["model_version"], row["file"], row["error"]) for row in rows} == {(MODEL, "rows.csv", None)}


def test_however_a_file_is_divided_its_rows_are_the_same(harbour: Harbour) -> None:
    whole, rows = harbour.score(harbour.put("a/x.csv", harbour.csv(200)))
    parted, same = harbour.score(harbour.put("b/x.csv", harbour.csv(200)), part_bytes=SMALL)
    assert whole["parts"] == 1
    assert parted["parts"] > 5
    assert [row["line"] for row in same] == [row["line"] for row in rows] == list(range(2, 202))
    assert answers(same) == answers(rows)
    ids = [row["prediction_id"] for row in same]
    assert len(set(ids)) == 200
    assert {id_.split(".")[1] for id_ in ids} == {str(part) for part in range(1, parted["parts"] + 1)}


def forms(harbour: Harbour) -> dict[str, bytes]:
    """The same 60 rows in every form that a file may have."""
    plain = harbour.csv(60)
    table = arrow_csv.read_csv(
        io.BytesIO(plain), convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True)
    )
    lines = [json.dumps({k: v for k, v in row.items() if v is not None}) for row in table.to_pylist()]
    parquet = io.BytesIO()
    pq.write_table(table, parquet, row_group_size=17)
    return {
        "plain.csv": plain,
        "no-last-end.csv": plain[:-1],
        "crlf.csv": plain.replace(b"\n", b"\r\n"),
        "semicolons.csv": plain.replace(b",", b";"),
        "marked.csv": b"\xef\xbb\xbf" + plain,
        "packed.csv.gz": gzip.compress(plain),
        "wide.csv": plain.decode().encode("utf-16"),
        "rows.jsonl": "\n".join(lines).encode(),
        "packed.jsonl.gz": gzip.compress("\n".join(lines).encode()),
        "groups.parquet": parquet.getvalue(),
    }


@pytest.mark.parametrize("name", forms(Harbour({})))
def test_every_form_of_a_file_gives_the_same_answers(harbour: Harbour, name: str) -> None:
    _, expected = harbour.score(harbour.put("expected.csv", harbour.csv(60)))
    result, rows = harbour.score(harbour.put(name, forms(harbour)[name]), part_bytes=SMALL)
    assert answers(rows) == answers(expected)
    assert (result["rows"], result["errors"]) == (60, 0)
    one_part = ".gz" in name or name == "wide.csv"
    assert (result["parts"] == 1) == one_part


def test_line_ends_within_quotes_cut_no_row(harbour: Harbour) -> None:
    lines = [f'{line},"first\nsecond ""quoted"", third"' for line in harbour.lines(90)]
    body = "\n".join([HEADER + ",note", *lines]).encode()
    result, rows = harbour.score(harbour.put("notes.csv", body), part_bytes=SMALL, keep=["note"])
    assert (result["rows"], result["errors"]) == (90, 0)
    assert result["parts"] > 5
    assert [row["line"] for row in rows] == list(range(2, 182, 2))
    assert {row["note"] for row in rows} == {'first\nsecond "quoted", third'}


POISON = {
    "a word for a number": ("fast,1,2,AA,A1", "delay: must be of type number, not 'fast'"),
    "out of range": ("9999,1,2,AA,A1", "delay: must be at least -60 and at most 1440, not 9999"),
    "never seen": ("1,1,2,ZZ,A1", "carrier: must be one of AA, B6, UA, not 'ZZ'"),
    "missing": (",1,2,AA,A1", "delay: is missing; it may not be"),
    "a fraction": ("1,1.5,2,AA,A1", "stops: must be of type integer, not '1.5'"),
    "beyond 32 bits": ("1,1,1e39,AA,A1", "wind: must be a finite 32-bit floating-point number"),
    "a cell too many": ("1,1,2,AA,A1,more", "uneven_row: 6 cells, the header has 5"),
    "a cell too few": ("1,1,2", "uneven_row: 3 cells, the header has 5"),
}


@pytest.mark.parametrize("kind", POISON)
def test_a_row_that_cannot_be_scored_is_told_and_hides_no_other(harbour: Harbour, kind: str) -> None:
    line, reason = POISON[kind]
    good = harbour.lines(40)
    body = "\n".join([HEADER, *good[:25], line, *good[25:]]).encode()
    result, rows = harbour.score(harbour.put("a.csv", body), part_bytes=SMALL)
    assert (result["rows"], result["scored"], result["errors"]) == (41, 40, 1)
    (lost,) = [row for row in rows if row["error"]]
    assert lost["error"].startswith(reason)
    assert (lost["line"], lost["prediction"], lost["probability"]) == (27, None, None)
    _, expected = harbour.score(harbour.put("good.csv", harbour.csv(40)))
    assert answers([row for row in rows if not row["error"]]) == answers(expected)


def test_lines_that_are_no_json_have_their_rows_too(harbour: Harbour) -> None:
    good = '{"delay": 1, "carrier": "AA"}'
    bodies = [
        good,
        "{broken",
        '{"delay": [1], "carrier": "AA"}',
        '{"delay": 1, "carrier": ["AA"]}',
        "[1]",
        "",
        good,
    ]
    result, rows = harbour.score(harbour.put("a.jsonl", "\n".join(bodies).encode()))
    assert (result["rows"], result["errors"]) == (6, 4)
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 7]
    assert [(row["error"] or "")[:16] for row in rows] == [
        "", "bad_json: the li", "delay: must be o", "carrier: must be", "bad_json: the li", "",
    ]  # fmt: skip


def test_a_row_on_which_the_arithmetic_overflows_is_told_alone(regressor: Trained) -> None:
    harbour = Harbour(files_of(regressor))
    body = "\n".join([HEADER, *harbour.lines(30), "1,1,-3.4e38,AA,A1", *harbour.lines(3)]).encode()
    result, rows = harbour.score(harbour.put("a.csv", body))
    told = [row["error"] for row in rows if row["error"]]
    assert len(told) == result["errors"] <= 1
    assert all("no finite answer" in each for each in told)
    assert "probability" not in rows[0]
    assert result["rows"] == 34


def test_named_classes_have_their_probabilities(named_classifier: Trained) -> None:
    harbour = Harbour(files_of(named_classifier))
    _, rows = harbour.score(harbour.put("a.csv", harbour.csv(5) + b"bad,1,1,AA,A1\n"))
    for row in rows[:5]:
        assert row["prediction"] == max(row["probabilities"], key=row["probabilities"].get)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert rows[5]["probabilities"] is None
    assert rows[5]["error"].startswith("delay: ")


@pytest.mark.parametrize("body", [b"", b"\n \n", HEADER.encode(), HEADER.encode() + b"\n\n", gzip.compress(b"")])
def test_a_file_without_rows_gives_none(harbour: Harbour, body: bytes) -> None:
    result, rows = harbour.score(harbour.put("none.csv", body), harbour.put("some.csv", harbour.csv(3)))
    assert (result["rows"], result["files"], len(rows)) == (3, 2, 3)


def test_a_file_of_a_header_alone_that_is_packed_gives_none(harbour: Harbour) -> None:
    result, rows = harbour.score(harbour.put("none.csv.gz", gzip.compress(HEADER.encode() + b"\n")))
    assert (result["rows"], rows) == (0, [])


def test_parquet_without_rows_gives_none(harbour: Harbour) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"delay": pa.array([], pa.float64())}), sink)
    result, rows = harbour.score(harbour.put("none.parquet", sink.getvalue()))
    assert (result["rows"], result["parts"], rows) == (0, 0, [])


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("a.csv", b"delay,wind\n1,2\n", r"a\.csv: lacks the columns \['carrier'\] \(it has delay, wind\)"),
        ("a.csv.gz", gzip.compress(b"delay,wind\n1,2\n"), r"lacks the columns \['carrier'\]"),
        ("a.csv", b'delay,carrier\n1,"AA\n2,AA\n', "quote in the row at line 2 is never closed"),
        ("a.pdf", b"%PDF-1.7 \n1 0 obj\n", r"a\.pdf: "),
        ("a.json", b'[{"delay": 1}]', "one JSON array"),
        ("a.parquet", b"PAR1" + bytes(100), r"a\.parquet: the Parquet file has no end"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_before_any_is(
    harbour: Harbour, name: str, body: bytes, told: str
) -> None:
    scoring_id = harbour.ask(harbour.put("0.csv", harbour.csv(3)), harbour.put(name, body))
    with pytest.raises(RequestInvalid, match=told):
        harbour.walk(scoring_id)
    assert harbour.rows(scoring_id) == []


def test_columns_that_are_kept_must_be_there_and_not_the_outputs_own(harbour: Harbour) -> None:
    file = harbour.put("a.csv", harbour.csv(3))
    with pytest.raises(RequestInvalid, match=r"lacks the columns \['id'\]"):
        harbour.score(file, keep=["id"])
    with pytest.raises(RequestInvalid, match=r"\['error'\] are columns that the output has of its own"):
        harbour.ask(file, keep=["error"])
    _, rows = harbour.score(file, keep=["stops", "carrier"])
    assert [(row["stops"], row["carrier"]) for row in rows] == [("0", "AA"), ("1", "B6"), ("2", "UA")]


def test_who_asks_for_nothing_or_for_no_model_is_told(harbour: Harbour) -> None:
    with pytest.raises(RequestInvalid, match="nothing to score"):
        harbour.ask()
    file = harbour.put("a.csv", harbour.csv(3))
    with pytest.raises(RecordNotFound, match="no model version 9; `tidemill models list tides`"):
        harbour.ask(file, model=9)
    harbour.index.rows.clear()
    with pytest.raises(ModelNotReady, match="no champion yet; upload data"):
        harbour.ask(file)
    assert harbour.score(file, model=MODEL)[0]["rows"] == 3


def test_the_same_files_and_model_are_the_same_scoring(harbour: Harbour) -> None:
    a, b = (harbour.put(name, harbour.csv(3)) for name in "ab")
    assert harbour.ask(a, b) == harbour.ask(b, a, model=MODEL, by="someone else", part_bytes=SMALL)
    others = [harbour.ask(a), harbour.ask(a, b, keep=["wind"]), harbour.ask(a, harbour.put("b", b"other"))]
    assert len({harbour.ask(a, b), *others}) == 4


def test_a_scoring_reads_the_version_that_was_asked_for(harbour: Harbour) -> None:
    scoring_id = harbour.ask(harbour.put("a.csv", harbour.csv(7)))
    harbour.put("a.csv", harbour.csv(30))
    assert harbour.walk(scoring_id)["rows"] == 7


def test_the_model_that_a_scoring_began_with_is_the_one_it_ends_with(harbour: Harbour) -> None:
    scoring_id = harbour.ask(harbour.put("a.csv", harbour.csv(7)))
    harbour.step("plan_scoring", project=PROJECT, scoring_id=scoring_id)
    harbour.objects.put(names.model(PROJECT, MODEL) + "model.onnx", b"another model")
    with pytest.raises(ArtifactCorrupt, match=r"model\.onnx has SHA-256"):
        harbour.walk(scoring_id)


def disturbed(harbour: Harbour) -> str:
    files = [harbour.put("a.csv", harbour.csv(45)), harbour.put("b.jsonl", b'{"delay": 1, "carrier": "AA"}\n{')]
    return harbour.ask(*files, part_bytes=SMALL)


def test_killed_anywhere_it_ends_in_the_same_state(classifier: Trained) -> None:
    undisturbed = Harbour(files_of(classifier))
    result = undisturbed.walk(disturbed(undisturbed))
    assert (result["rows"], result["errors"]) == (47, 1)
    kills = 0
    while True:
        harbour = Harbour(files_of(classifier))
        scoring_id = disturbed(harbour)
        try:
            harbour.walk(scoring_id, Harbour.kill_at(kills))
        except Killed:
            kills += 1
        else:
            break
        assert harbour.walk(scoring_id) == result
        assert harbour.state() == undisturbed.state(), f"killed at moment {kills}"
        counts = Counter(row["prediction_id"] for row in harbour.rows(scoring_id))
        assert set(counts.values()) == {1}
    assert kills > 60


def test_a_walk_again_writes_nothing(harbour: Harbour) -> None:
    scoring_id = disturbed(harbour)
    result, before = harbour.walk(scoring_id), harbour.state()
    assert harbour.walk(scoring_id) == result
    assert harbour.state() == before


def test_parts_that_are_there_are_not_scored_again(harbour: Harbour) -> None:
    ids = {"project": PROJECT, "scoring_id": disturbed(harbour)}
    parts = harbour.step("plan_scoring", **ids)["parts"]
    for part in parts[1:]:
        harbour.step("score_part", **part)
    assert harbour.step("plan_scoring", **ids)["parts"] == parts[:1]
    harbour.objects.delete(names.model(PROJECT, MODEL) + "model.onnx")
    for part in parts[1:]:  # nothing of the model is asked for
        assert harbour.step("score_part", **part) == {"part": part["part"]}


def test_a_planning_that_runs_out_of_time_goes_on_in_another_call(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.serving.plan_scoring.LEAST_LEFT", timedelta(minutes=16))
    scoring_id = harbour.ask(*(harbour.put(f"{name}.csv", harbour.csv(3)) for name in "abc"))
    ids = {"project": PROJECT, "scoring_id": scoring_id}
    told = [harbour.step("plan_scoring", **ids)["outcome"] for _ in range(3)]
    assert told == ["planning", "planning", "parts"]
    assert harbour.walk(scoring_id)["rows"] == 9


def test_of_two_workers_at_one_part_the_first_one_is_right(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {"project": PROJECT, "scoring_id": harbour.ask(harbour.put("a.csv", harbour.csv(9)))}
    (part,) = harbour.step("plan_scoring", **ids)["parts"]
    harbour.step("score_part", **part)
    place, before = Place(**ids), harbour.state()
    report = harbour.fact(place.report(1))
    harbour.objects.delete(place.report(1))
    # The other one looked before the first had written.
    monkeypatch.setattr(harbour.objects, "exists", lambda key: False)
    harbour.step("score_part", **part)
    monkeypatch.undo()
    assert harbour.fact(place.report(1)) == report
    assert harbour.state()[place.output(1)] == before[place.output(1)]
    assert len(harbour.rows(ids["scoring_id"])) == 9


class Hours:
    """A session whose answer is the hour that it is told."""

    def run(self, outputs: list[str], columns: dict[str, Any]) -> list[Any]:
        return [columns["at.hour"]]


def test_times_are_read_as_the_data_stage_reads_them(harbour: Harbour) -> None:
    features = [{"name": "at", "type": "timestamp", "nullable": False, "parts": ["hour"]}]
    document = {"task": "regression", "features": features, "sha256": {"model.onnx": "-"}}
    harbour.objects.put(names.model(PROJECT, 8) + "model.json", json.dumps(document).encode())
    times = ["2026-03-01T06:00:00Z", "2026-03-01 07:30", "2026-03-01T06:00:00+02:00", "tomorrow", "NA"]
    file = harbour.put("a.csv", "\n".join(["n,at", *(f"1,{time}" for time in times)]).encode())
    scoring_id = harbour.ask(file, model=8, keep=["n"])
    (part,) = harbour.step("plan_scoring", project=PROJECT, scoring_id=scoring_id)["parts"]
    harbour.step("score_part", **part, load=lambda *_: Model(document, Features(features), Hours()))
    rows = harbour.rows(scoring_id)
    assert [row["prediction"] for row in rows] == [6.0, 7.5, 4.0, None, None]
    assert [row["error"] for row in rows[3:]] == [
        "at: must be of type timestamp, not 'tomorrow'",
        "at: is missing; it may not be",
    ]


def test_more_parts_than_a_state_may_hold_come_in_waves(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidemill.serving.scoring.WAVE", 2)
    scoring_id = harbour.ask(harbour.put("a.csv", harbour.csv(100)), part_bytes=SMALL)
    first = harbour.step("plan_scoring", project=PROJECT, scoring_id=scoring_id)
    assert [part["part"] for part in first["parts"]] == [1, 2]
    assert harbour.walk(scoring_id)["rows"] == 100


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": 8}, "has 9 rows, 9 were read and 8 were written"),
        ({"read": 10, "rows": 10}, "has 9 rows, 10 were read and 10 were written"),
        (None, "was not scored"),
    ],
)
def test_a_row_that_is_lost_or_doubled_ends_the_scoring(
    harbour: Harbour, change: dict[str, int] | None, told: str
) -> None:
    ids = {"project": PROJECT, "scoring_id": harbour.ask(harbour.put("a.csv", harbour.csv(9)))}
    (part,) = harbour.step("plan_scoring", **ids)["parts"]
    harbour.step("score_part", **part)
    key = Place(**ids).report(1)
    report = harbour.fact(key)
    harbour.objects.delete(key)
    if change is not None:
        harbour.objects.put(key, json.dumps({**report, **change}).encode())
    with pytest.raises(ScoringIncomplete, match=f"part 1 of file 'a.csv' {told}"):
        harbour.step("close_scoring", **ids)
    assert not harbour.objects.exists(Place(**ids).result)


def test_the_result_tells_what_it_took_and_cost(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    scoring_id = harbour.ask(harbour.put("a.csv", harbour.csv(100)), part_bytes=SMALL)
    ids = {"project": PROJECT, "scoring_id": scoring_id}
    parts = harbour.step("plan_scoring", **ids)["parts"]
    for part in parts:
        harbour.step("score_part", **part)
        key = Place(**ids).report(part["part"])
        report = {**harbour.fact(key), "seconds": 3.0, "gb_seconds": 6.0, "processor": "x86_64"}
        harbour.objects.put(key, json.dumps(report).encode())
    result = harbour.step("close_scoring", **ids)
    count = len(parts)
    assert (result["seconds"], result["gb_seconds"]) == (3.0 * count, 6.0 * count)
    assert (result["invocations"], result["transitions"]) == (count + 3, count + 3 + 5)
    expected = 6.0 * count * 0.0000166667 + (count + 3) * 0.2e-6 + (count + 8) * 25e-6
    assert result["dollars"] == pytest.approx(expected)


def test_a_model_in_its_training_form_is_not_scored_by_another(harbour: Harbour) -> None:
    key = names.model("tides", 7) + "model.json"
    document = json.loads(harbour.objects.get(key))
    harbour.objects.put(key, json.dumps({**document, "form": "skops"}).encode())
    with pytest.raises(RequestInvalid, match="version 7 is served in its training form"):
        harbour.ask(harbour.put("a.csv", b"delay,carrier\n5,UA\n"))
