"""AcceptVersion, QuarantineUpload, RecordFailure: numbers, history, refusals."""

import json
from typing import Any

import pytest

from tidemill import names
from tidemill.errors import ConflictError, IndexBehind, RecordNotFound, UploadRejected


def proposed(shore: Any, file: str, number: int) -> dict[str, str]:
    """An upload that was registered and validated; the input of AcceptVersion."""
    answer = shore.register(shore.upload(file, shore.good(number)))
    ids = {name: answer[name] for name in ("upload_id", "identity")}
    assert shore.step("validate_version", **ids)["outcome"] == "accepted"
    return ids


def test_the_row_the_content_the_fact_and_the_upload_agree(shore: Any) -> None:
    ids = proposed(shore, "a.csv", 1)
    answer = shore.step("accept_version", **ids)
    assert (answer["dataset_version"], answer["parent"], answer["run_id"]) == (1, 0, "tides-v00001")
    fact = json.loads(shore.objects.get("datasets/tides/v00001.json"))
    row = shore.index.get(names.pk("tides"), "DATASET#00001")
    assert fact == {"project": "tides", **{k: v for k, v in row.items() if k not in ("pk", "sk")}}
    assert (fact["identity"], fact["source"], fact["rows"], fact["files"]) == (*reversed(ids.values()), 20, 1)
    assert shore.index.get(names.pk("tides"), names.sk_content(ids["identity"]))["dataset_version"] == 1
    upload = shore.upload_row(ids["upload_id"])
    assert (upload["state"], upload["dataset_version"]) == ("accepted", 1)
    history = [row["action"] for row in shore.rows(names.AUDIT)]
    assert sorted(history) == ["data.accepted", "data.registered"]


def test_accepting_again_gives_the_same_number(shore: Any) -> None:
    ids = proposed(shore, "a.csv", 1)
    first, before = shore.step("accept_version", **ids), shore.state()
    assert shore.step("accept_version", **ids) == first
    assert shore.state() == before


def test_of_two_uploads_on_one_parent_the_second_is_built_on_the_first(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", shore.good(1)))
    b, c = proposed(shore, "b.csv", 2), proposed(shore, "c.csv", 3)
    assert shore.step("accept_version", **c)["dataset_version"] == 2
    answer = shore.step("accept_version", **b)
    assert (answer["dataset_version"], answer["parent"]) == (3, 2)
    fact = json.loads(shore.objects.get("datasets/tides/v00003.json"))
    manifest = json.loads(shore.objects.get(names.manifest("tides", fact["identity"])))
    assert [file["path"] for file in manifest["files"]] == ["a.csv", "b.csv", "c.csv"]
    assert fact["rows"] == 60
    report = json.loads(shore.objects.get(names.validation("tides", fact["identity"])))
    assert (report["outcome"], report["file"]["path"]) == ("accepted", "b.csv")


def test_under_replace_a_version_holds_the_last_file_only(new_shore: Any) -> None:
    shore = new_shore(mode="replace")
    b, c = proposed(shore, "b.csv", 2), proposed(shore, "c.csv", 3)
    for ids in (b, c):
        shore.step("accept_version", **ids)
    assert [(row["version"], row["parent"], row["files"]) for row in shore.rows(names.DATASETS)] == [
        (1, 0, 1),
        (2, 1, 1),
    ]


def test_a_file_uploaded_again_takes_the_place_of_the_earlier_one(shore: Any) -> None:
    for number in (1, 2):
        shore.walk(shore.upload("a.csv", shore.good(number)))
    assert [(row["version"], row["rows"]) for row in shore.rows(names.DATASETS)] == [(1, 20), (2, 20)]


def test_equal_content_in_flight_becomes_one_version(shore: Any) -> None:
    one, two = proposed(shore, "a.csv", 1), proposed(shore, "b.csv", 1)
    assert shore.step("accept_version", **two)["outcome"] == "accepted"
    answer = shore.step("accept_version", **one)
    assert answer["outcome"] == "unchanged"
    assert shore.upload_row(one["upload_id"])["dataset_version"] == 1
    assert shore.step("accept_version", **one) == answer


def test_what_was_not_kept_cannot_be_validated(shore: Any) -> None:
    rejected = shore.register(shore.upload("a.csv", b""))
    with pytest.raises(RecordNotFound, match="no content that was kept"):
        shore.step("validate_version", upload_id=rejected["upload_id"], identity="0" * 64)


def test_what_was_not_validated_is_not_accepted(shore: Any) -> None:
    answer = shore.register(shore.upload("a.csv", shore.good()))
    ids = {name: answer[name] for name in ("upload_id", "identity")}
    with pytest.raises(RecordNotFound, match="validation"):
        shore.step("accept_version", **ids)
    report = {"outcome": "rejected", "code": "missing_column", "reason": "column 'full' is missing"}
    shore.objects.put(names.validation("tides", ids["identity"]), json.dumps(report).encode())
    with pytest.raises(UploadRejected, match="missing_column"):
        shore.step("accept_version", **ids)
    assert shore.rows(names.DATASETS) == []


def test_a_lost_table_does_not_give_a_number_twice(new_shore: Any) -> None:
    shore, after = new_shore(), new_shore()
    shore.walk(shore.upload("a.csv", shore.good(1)))
    after.objects = shore.objects
    ids = proposed(after, "b.csv", 2)
    with pytest.raises(IndexBehind, match=r"datasets/tides/v00001\.json"):
        after.step("accept_version", **ids)
    assert after.rows(names.DATASETS) == []


def test_quarantine_says_why_and_leaves_the_bytes(shore: Any, capsys: pytest.CaptureFixture[str]) -> None:
    event = shore.upload("a.csv", shore.csv(["x,1,1,N,1"] * 20))
    answer = shore.walk(event)
    reason = json.loads(shore.objects.get(answer["reason_key"]))
    assert (reason["key"], reason["version_id"], reason["at"]) == (event["key"], "1", shore.AT.isoformat())
    assert reason["code"] == "unreadable_timestamp"
    assert json.loads(shore.objects.get(reason["validation_key"]))["outcome"] == "rejected"
    row = shore.upload_row(answer["upload_id"])
    assert (row["state"], row["code"], row["reason"]) == ("quarantined", reason["code"], reason["reason"])
    assert shore.objects.get(event["key"], version_id="1")
    assert capsys.readouterr().out.count(names.METRIC_QUARANTINED) >= 1
    assert shore.rows(names.DATASETS) == []


def test_a_quarantined_upload_delivered_again_stays_and_is_not_counted_again(
    shore: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    event = shore.upload("a.csv", b"")
    first, before = shore.walk(event), shore.state()
    capsys.readouterr()
    assert shore.walk(event) == first
    assert shore.state() == before
    assert names.METRIC_QUARANTINED not in capsys.readouterr().out


def test_the_reason_that_was_decided_first_is_the_one_that_is_written(shore: Any) -> None:
    upload_id = shore.register(shore.upload("a.csv", shore.good()))["upload_id"]
    fault = {"project": "tides", "upload_id": upload_id, "validation_key": None}
    with pytest.raises(shore.Killed):
        shore.step("quarantine_upload", shore.kill_at(2), **fault, code="first", reason="of all")
    answer = shore.step("quarantine_upload", **fault, code="second", reason="after a redeploy")
    reason = json.loads(shore.objects.get(answer["reason_key"]))
    row = shore.upload_row(upload_id)
    assert (row["state"], row["code"], row["reason"]) == ("quarantined", reason["code"], "of all")


def test_what_was_accepted_cannot_be_quarantined(shore: Any) -> None:
    answer = shore.walk(shore.upload("a.csv", shore.good()))
    fault = {"project": "tides", "code": "x", "reason": "y", "validation_key": None}
    with pytest.raises(ConflictError, match="accepted already"):
        shore.step("quarantine_upload", upload_id=answer["upload_id"], **fault)


def test_a_failure_is_written_down_and_the_upload_tried_again(shore: Any) -> None:
    event = shore.upload("a.csv", shore.good())
    place = {name: event[name] for name in ("key", "version_id", "sequencer")}
    failure = shore.step("record_failure", **place, error="AccessDenied", cause="no grant")
    row = shore.upload_row(failure["upload_id"])
    assert (row["state"], row["error"]) == ("failed", "AccessDenied: no grant")
    before = shore.state()
    shore.step("record_failure", **place, error="AccessDenied", cause="no grant")
    assert shore.state() == before
    assert shore.register(event)["outcome"] == "registered"
    shore.step("record_failure", **place, error="AccessDenied", cause="no grant")
    assert shore.upload_row(failure["upload_id"])["state"] == "failed"
    assert shore.walk(event)["dataset_version"] == 1
    shore.step("record_failure", **place, error="States.Timeout", cause="")
    assert shore.upload_row(failure["upload_id"])["state"] == "accepted"
    assert shore.walk(event)["run_id"] == "tides-v00001"


def test_a_failure_about_no_project_is_only_logged(shore: Any) -> None:
    place = {"key": "incoming/x", "version_id": "1", "sequencer": "1"}
    assert shore.step("record_failure", **place, error="E", cause="c")["state"] is None
    assert shore.state() == ({}, {})
