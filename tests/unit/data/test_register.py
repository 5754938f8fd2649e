"""RegisterVersion: what becomes of each kind of upload, once, twice, late and when the object is gone."""

import json
from typing import Any

import pytest

from tidemill import names
from tidemill.data import uploads


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "empty_file", "empty"),
        (b"\n  \n", "empty_file", "empty"),
        (b"at,level\n", "no_rows", "no rows"),
        (b"at,level,at\n1,2,3\n", "duplicate_columns", "'at'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_a_table", "PNG"),
        (b'at,level\n1,"2\n', "unclosed_quote", "line 2"),
        (b"at,,level\n1,2,3\n", "unnamed_column", "column 2"),
        (b"at,level\n1,2\n\n1,2,3\n", "missing_column", "and 2 more"),
        (b"at,level\n" + b"1,2\n" * 200_000 + b"1,\xff\n", "mixed_encodings", "line 200,002"),
    ],
)
def test_what_is_not_a_table_is_rejected_with_a_code_and_a_sentence(
    shore: Any, body: bytes, code: str, words: str
) -> None:
    answer = shore.register(shore.upload("a.csv", body))
    assert (answer["outcome"], answer["code"]) == ("rejected", code)
    assert words in answer["reason"]
    assert shore.upload_row(answer["upload_id"])["state"] == "registered"
    assert list(shore.objects.keys("objects/")) == []


def test_a_new_file_is_kept_and_proposed_without_a_number(shore: Any) -> None:
    body = shore.good()
    answer = shore.register(shore.upload("january.csv", body))
    assert (answer["outcome"], answer["batch_id"]) == ("registered", answer["upload_id"])
    file = shore.upload_row(answer["upload_id"])["file"]
    assert (file["path"], file["size"], file["rows"]) == ("january.csv", len(body), 20)
    assert shore.objects.get(names.content(file["sha256"])) == body
    assert shore.rows(names.DATASETS) == []


def test_the_version_of_the_event_is_read_although_the_object_was_overwritten(shore: Any) -> None:
    first = shore.upload("a.csv", shore.good(1))
    shore.upload("a.csv", b"overwritten")
    answer = shore.register(first)
    assert answer["outcome"] == "registered"
    assert shore.upload_row(answer["upload_id"])["file"]["size"] == len(shore.good(1))


def test_an_object_that_was_deleted_before_it_was_read_is_gone(shore: Any) -> None:
    event = shore.upload("a.csv", shore.good())
    del shore.objects.versions[event["key"]]
    assert shore.register(event)["outcome"] == "gone"
    assert shore.state() == ({}, {})


def test_content_that_was_kept_is_enough_when_the_event_comes_again(shore: Any) -> None:
    event = shore.upload("a.csv", shore.good())
    first = shore.register(event)
    del shore.objects.versions[event["key"]]
    assert shore.register(event) == first


@pytest.mark.parametrize(
    ("key", "counted"),
    [
        ("incoming/a.csv", True),
        ("incoming/Tides!/a.csv", True),
        ("incoming/../a.csv", True),
        ("elsewhere/tides/a.csv", True),
        ("incoming/tides/", False),
        ("incoming/tides/2026/", False),
    ],
)
def test_what_belongs_to_no_project_is_ignored(
    shore: Any, capsys: pytest.CaptureFixture[str], key: str, counted: bool
) -> None:
    event = {"key": key, "version_id": "1", "sequencer": "1"}
    assert shore.register(event)["outcome"] == "ignored"
    assert (names.METRIC_IGNORED in capsys.readouterr().out) == counted
    assert shore.state() == ({}, {})


def test_an_unknown_project_is_quarantined_under_its_name(shore: Any) -> None:
    answer = shore.walk(shore.upload("a.csv", shore.good(), project="river"))
    reason = json.loads(shore.objects.get(answer["reason_key"]))
    assert answer["reason_key"] == f"quarantine/river/{answer['upload_id']}/reason.json"
    assert (reason["code"], "projects/river.yaml" in reason["reason"]) == ("unknown_project", True)
    assert shore.index.get("PROJECT#river", names.sk_upload(answer["upload_id"]))["state"] == "quarantined"


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_equal_content_makes_no_new_version(new_shore: Any, mode: str) -> None:
    shore = new_shore(mode=mode)
    shore.walk(shore.upload("a.csv", shore.good()))
    for file in ("a.csv", "copy.csv"):
        answer = shore.walk(shore.upload(file, shore.good()))
        assert (answer["outcome"], answer["dataset_version"], answer["same_upload"]) == ("unchanged", 1, False)
        assert shore.upload_row(answer["upload_id"])["state"] == "unchanged"
    assert len(shore.rows(names.DATASETS)) == 1


def test_going_back_to_an_earlier_version_is_not_a_new_one(new_shore: Any) -> None:
    shore = new_shore(mode="replace")
    for number in (1, 2):
        shore.walk(shore.upload("a.csv", shore.good(number)))
    answer = shore.walk(shore.upload("a.csv", shore.good(1)))
    assert (answer["outcome"], answer["dataset_version"]) == ("unchanged", 1)


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_an_earlier_upload_of_a_file_that_arrives_late_is_superseded(new_shore: Any, mode: str) -> None:
    shore = new_shore(mode=mode)
    early, late = shore.upload("a.csv", shore.good(1)), shore.upload("a.csv", shore.good(2))
    shore.walk(late)
    answer = shore.walk(early)
    assert (answer["outcome"], "is later" in answer["reason"]) == ("ignored", True)
    assert shore.upload_row(answer["upload_id"])["state"] == "superseded"
    assert shore.walk(early) == answer
    assert [row["rows"] for row in shore.rows(names.DATASETS)] == [20]


def test_an_upload_that_brought_nothing_new_still_supersedes_earlier_ones(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", shore.good(1)))
    early, late = shore.upload("a.csv", shore.good(2)), shore.upload("a.csv", shore.good(1))
    assert shore.walk(late)["outcome"] == "unchanged"
    assert shore.walk(early)["outcome"] == "ignored"


def test_a_damaged_later_upload_does_not_supersede_a_good_one(shore: Any) -> None:
    early, late = shore.upload("a.csv", shore.good(1)), shore.upload("a.csv", b"")
    assert shore.walk(late)["outcome"] == "rejected"
    assert shore.walk(early)["dataset_version"] == 1


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [
        ("0055AED6DCD90281E6", "0055AED6DCD90281E5", True),
        ("0055AED6DCD90281E5", "0055AED6DCD90281E5", False),
        ("0055aed6dcd90281e5", "0055AED6DCD90281E5", False),
        ("0055AED7", "0055AED6DCD90281E5", True),
        ("0055AED6", "0055AED600", False),
        ("0055AED6DC", "0055AED6DCD90281E5", False),
    ],
)
def test_sequencers_are_compared_as_aws_says(one: str, other: str, later: bool) -> None:
    assert uploads.is_later(one, than=other) is later
