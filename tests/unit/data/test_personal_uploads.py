"""Personal data in uploads: refused, masked or allowed as the project says, and nowhere outside quarantine."""

import gzip
import io
import itertools
import json
from typing import Any

import pandas as pd
import pytest

from tidemill import names

# Published specimens: RFC 2606 names, the fictional 555-01 numbers, issuers' test cards, the IBAN registry's own.
EMAIL, PHONE, CARD, IBAN = (
    "ada.lovelace@example.org",
    "+1 202-555-0143",
    "4111 1111 1111 1111",
    "GB82WEST12345698765432",
)
VALUES = [EMAIL, PHONE, CARD, IBAN]


def with_note(shore: Any, values: list[str], *, count: int = 40) -> bytes:
    """Good rows with a further column, some cells of which hold these values."""
    notes = {number * 3 % count: f'"seen by {value}, twice"' for number, value in enumerate(values)}
    lines = [f"{line},{notes.get(number, 'calm')}" for number, line in enumerate(shore.lines(count))]
    return shore.csv(lines, header="at,level,gates,wind,full,note")


def everywhere(shore: Any, needle: str) -> list[str]:
    """The keys of objects outside quarantine, current or not, and of rows that hold the text."""
    found = [
        key
        for key, bodies in shore.objects.versions.items()
        for body in bodies
        if body is not None and not key.startswith("quarantine/") and needle.encode() in _plain(body)
    ]
    return found + [sk for (_, sk), row in shore.index.rows.items() if needle in json.dumps(row)]


def _plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@pytest.mark.parametrize("value", VALUES)
def test_one_value_refuses_the_upload_and_is_nowhere_but_in_quarantine(shore: Any, value: str) -> None:
    answer = shore.walk(shore.upload("a.csv", with_note(shore, [value])))
    assert (answer["outcome"], answer["code"]) == ("rejected", "personal_data")
    assert "column 'note' holds personal data" in answer["reason"]
    assert everywhere(shore, value) == []
    kept = [key for key in shore.objects.keys("quarantine/") if value.encode() in shore.objects.get(key)]
    assert kept == [f"quarantine/tides/{answer['upload_id']}/file/a.csv"]


def test_values_in_cells_of_the_wrong_type_and_in_rows_that_are_none_are_found(shore: Any) -> None:
    lines = shore.lines(400)
    lines[7] = f"2026-01-01,{EMAIL},1,N,1"
    lines[9] = f"2026-01-01,{PHONE}"
    answer = shore.walk(shore.upload("a.csv", shore.csv(lines)))
    assert answer["code"] == "personal_data"
    assert everywhere(shore, EMAIL) == everywhere(shore, PHONE) == []


def test_reports_of_refused_files_repeat_no_value(shore: Any) -> None:
    lines = [f"2026-01-01,1,1,{EMAIL},1" for _ in range(20)]
    shore.walk(shore.upload("a.csv", shore.csv(lines)))
    assert everywhere(shore, EMAIL) == []


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "parquet"])
def test_masked_values_are_gone_from_every_format(new_shore: Any, form: str) -> None:
    shore = new_shore(quality={"personal_data": "mask"})
    frame = pd.read_csv(io.BytesIO(with_note(shore, VALUES)))
    body = {
        "csv": lambda: frame.to_csv(index=False).encode(),
        "csv.gz": lambda: gzip.compress(frame.to_csv(index=False).encode()),
        "jsonl": lambda: frame.to_json(orient="records", lines=True).encode(),
        "parquet": lambda: frame.assign(at=pd.to_datetime(frame["at"])).to_parquet(),
    }[form]()
    answer = shore.walk(shore.upload(f"a.{form}", body))
    assert (answer["outcome"], answer["dataset_version"]) == ("accepted", 1)
    for value in VALUES:
        assert everywhere(shore, value) == []
    (file,) = json.loads(shore.objects.get(names.dataset("tides", 1)))["files"]
    assert (file["masked"], file["rows"], file["rows_left_out"]) == (True, 40, 0)
    stored = _plain(shore.objects.get(names.content(file["sha256"])))
    if form != "parquet":
        assert b"seen by [email], twice" in stored
    original = f"quarantine/tides/{answer['batch_id']}/file/a.{form}"
    assert shore.objects.get(original) == body


def test_masking_is_the_same_after_a_kill_before_any_call(new_shore: Any) -> None:
    def scenario(shore: Any) -> dict[str, Any]:
        return shore.upload("a.csv", with_note(shore, VALUES))

    undisturbed = new_shore(quality={"personal_data": "mask"})
    undisturbed.walk(scenario(undisturbed))
    for call in itertools.count():
        shore = new_shore(quality={"personal_data": "mask"})
        event = scenario(shore)
        try:
            shore.walk(event, watch=shore.kill_at(call))
        except shore.Killed:
            shore.walk(event)
        else:
            break
        assert shore.state() == undisturbed.state(), f"killed before call {call}"
        assert everywhere(shore, EMAIL) == [], f"killed before call {call}"
    assert call > 15


def test_a_masked_number_is_missing_and_a_row_that_needs_it_is_left_out(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "phone": {"type": "integer"}}
    shore = new_shore(columns=columns, quality={"personal_data": "mask", "tolerated": 0.2})
    lines = [f"{line},{12025550100 + n if n < 3 else n}" for n, line in enumerate(shore.lines(40))]
    answer = shore.walk(shore.upload("a.csv", shore.csv(lines, header="at,level,gates,wind,full,phone")))
    assert answer["outcome"] == "accepted", answer
    (file,) = json.loads(shore.objects.get(names.dataset("tides", 1)))["files"]
    assert (file["rows"], file["rows_left_out"]) == (37, 3)


def test_a_project_may_allow_it_for_a_column_or_altogether(new_shore: Any) -> None:
    for quality in ({"personal_data": "allow"}, {"personal_columns": ["note"]}):
        shore = new_shore(quality=quality)
        answer = shore.walk(shore.upload("a.csv", with_note(shore, VALUES)))
        assert answer["outcome"] == "accepted"


def test_names_of_columns_that_speak_of_persons_are_told_and_refuse_nothing(shore: Any) -> None:
    lines = [f"{line},calm" for line in shore.lines(40)]
    answer = shore.walk(shore.upload("a.csv", shore.csv(lines, header="at,level,gates,wind,full,surname")))
    assert answer["outcome"] == "accepted"
    reading = json.loads(shore.objects.get(names.upload("tides", answer["batch_id"]) + "reading.json"))
    assert reading["speak_of_persons"] == ["surname"]
