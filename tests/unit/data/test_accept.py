"""AcceptVersion, QuarantineUpload, RecordFailure: numbers, history, refusals."""

import hashlib
import json
from typing import Any

import pytest

from tidemill import names
from tidemill.data import versions
from tidemill.data.quarantine_upload import kept_key
from tidemill.errors import ConflictError, IndexBehind, RecordNotFound, UploadRejected


def proposed(shore: Any, file: str, number: int) -> dict[str, str]:
    """An upload that was registered and validated; the input of AcceptVersion."""
    answer = shore.register(shore.upload(file, shore.good(number)))
    ids = {"batch_id": answer["batch_id"]}
    assert shore.step("validate_version", **ids)["outcome"] == "accepted"
    return ids


def test_the_row_the_content_the_fact_and_the_upload_agree(shore: Any) -> None:
    ids = proposed(shore, "a.csv", 1)
    answer = shore.step("accept_version", **ids)
    assert (answer["dataset_version"], answer["parent"], answer["run_id"]) == (1, 0, "tides-v00001")
    body = shore.objects.get("datasets/tides/v00001.json")
    fact, row = json.loads(body), shore.index.get(names.pk("tides"), "DATASET#00001")
    assert row["identity"] == hashlib.sha256(body).hexdigest()
    assert shore.objects.get(names.manifest("tides", row["identity"])) == body
    assert (row["source"], row["rows"], row["files"]) == (ids["batch_id"], 20, 1)
    assert row == {"pk": row["pk"], "sk": row["sk"], **versions.row_of(fact, row["identity"])}
    assert shore.index.get(names.pk("tides"), names.sk_content(fact["content"]))["dataset_version"] == 1
    upload = shore.upload_row(ids["batch_id"])
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
    assert [file["path"] for file in fact["files"]] == ["a.csv", "b.csv", "c.csv"]
    assert (fact["rows"], fact["source"], fact["how"]["added"]) == (60, b["batch_id"], ["b.csv"])


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
    assert shore.upload_row(one["batch_id"])["dataset_version"] == 1
    assert shore.step("accept_version", **one) == answer


def test_what_was_not_kept_cannot_be_validated(shore: Any) -> None:
    rejected = shore.register(shore.upload("a.csv", b""))
    with pytest.raises(RecordNotFound, match="no content that was kept"):
        shore.step("validate_version", batch_id=rejected["batch_id"])


def test_what_was_not_validated_is_not_accepted(shore: Any) -> None:
    answer = shore.register(shore.upload("a.csv", shore.good()))
    ids = {"batch_id": answer["batch_id"]}
    with pytest.raises(RecordNotFound, match="validation"):
        shore.step("accept_version", **ids)
    report = {"outcome": "rejected", "code": "missing_column", "reason": "column 'full' is missing"}
    shore.objects.put(names.validation("tides", ids["batch_id"]), json.dumps(report).encode())
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


def test_quarantine_says_why_and_holds_the_bytes_alone(shore: Any, capsys: pytest.CaptureFixture[str]) -> None:
    body = shore.csv(["x,1,1,N,1"] * 20)
    event = shore.upload("a.csv", body)
    answer = shore.walk(event)
    reason = json.loads(shore.objects.get(answer["reason_key"]))
    assert (reason["key"], reason["version_id"], reason["at"]) == (event["key"], "1", shore.AT.isoformat())
    assert reason["code"] == "unreadable_timestamp"
    assert json.loads(shore.objects.get(reason["validation_key"]))["faults"][0]["code"] == reason["code"]
    row = shore.upload_row(answer["upload_id"])
    assert (row["state"], row["code"], row["reason"]) == ("quarantined", reason["code"], reason["reason"])
    assert shore.objects.get(kept_key(row)) == body
    assert shore.objects.head(event["key"], version_id="1") is None
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
    fault = {"project": "tides", "batch_id": upload_id, "validation_key": None}
    with pytest.raises(shore.Killed):
        shore.step("quarantine_upload", shore.kill_at(4), **fault, code="first", reason="of all")
    answer = shore.step("quarantine_upload", **fault, code="second", reason="after a redeploy")
    reason = json.loads(shore.objects.get(answer["reason_key"]))
    row = shore.upload_row(upload_id)
    assert (row["state"], row["code"], row["reason"]) == ("quarantined", reason["code"], "of all")


def test_what_was_accepted_cannot_be_quarantined(shore: Any) -> None:
    answer = shore.walk(shore.upload("a.csv", shore.good()))
    fault = {"project": "tides", "code": "x", "reason": "y", "validation_key": None}
    with pytest.raises(ConflictError, match="accepted already"):
        shore.step("quarantine_upload", batch_id=answer["batch_id"], **fault)


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
