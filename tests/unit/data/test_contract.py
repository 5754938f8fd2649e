"""The contract: inferred from version 1, kept under version, held against what comes later; keys of rows."""

import json
from typing import Any

import pytest

from tidemill import names
from tidemill.data.quality import contract

HEADER = "at,level,gates,wind,full,salt,pier"


def file(shore: Any, start: int = 0, *, salt: Any = lambda i: i % 10, pier: Any = lambda i: "ab"[i % 2]) -> bytes:
    lines = [f"{line},{salt(i)},{pier(i)}" for i, line in enumerate(shore.lines(60, start=start))]
    return shore.csv(lines, header=HEADER)


def columns_of(shore: Any, version: int) -> dict[str, Any]:
    fact = json.loads(shore.objects.get(names.dataset("tides", version)))
    return contract.read(shore.objects, fact["how"]["contract"])


def warnings(shore: Any, answer: dict[str, Any]) -> list[tuple[str, str]]:
    report = json.loads(shore.objects.get(names.validation("tides", answer["batch_id"])))
    return [(fault["code"], fault["column"]) for fault in report["warnings"] if fault["code"] != "target_leak"]


def test_version_1_shows_types_ranges_sets_and_uniqueness(shore: Any) -> None:
    body = file(shore, pier=lambda i: f"pier {i}")
    shore.walk(shore.upload("a.csv", body))
    found = columns_of(shore, 1)
    assert found["salt"] == {"type": "integer", "nullable": False, "minimum": 0, "maximum": 9}
    assert found["pier"] == {"type": "category", "nullable": False, "unique": True}
    assert found["wind"]["allowed"] == ["N", "E", "S", "W"], "the project file's own rule comes first"
    assert (found["level"]["minimum"], found["level"]["nullable"]) == (-10, True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"salt": lambda i: i * 100}, "out_of_range"),
        ({"salt": lambda i: "" if i == 3 else 5}, "nulls_came"),
        ({"salt": lambda i: "salty"}, "type_changed"),
        ({"pier": lambda i: "abc"[i % 3]}, "new_categories"),
    ],
)
def test_what_is_unlike_version_1_is_told(shore: Any, changes: dict[str, Any], code: str) -> None:
    shore.walk(shore.upload("a.csv", file(shore)))
    answer = shore.walk(shore.upload("b.csv", file(shore, 1, **changes)))
    assert answer["outcome"] == "accepted"
    assert warnings(shore, answer) == [(code, next(iter(changes)))]


def test_what_keeps_the_contract_is_not_told(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", file(shore)))
    answer = shore.walk(shore.upload("b.csv", file(shore, 1)))
    assert warnings(shore, answer) == []
    assert columns_of(shore, 2) == columns_of(shore, 1)


def test_a_column_that_goes_is_told_and_one_that_comes_joins(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", file(shore)))
    lines = [f"{line},{i}" for i, line in enumerate(shore.lines(60, start=1))]
    answer = shore.walk(shore.upload("b.csv", shore.csv(lines, header="at,level,gates,wind,full,depth")))
    assert warnings(shore, answer) == [("column_gone", "pier"), ("column_gone", "salt")]
    assert {"depth", "salt", "pier"} <= set(columns_of(shore, 2))


def test_a_contract_may_be_binding(new_shore: Any) -> None:
    shore = new_shore(quality={"contract": "refuse"})
    shore.walk(shore.upload("a.csv", file(shore)))
    answer = shore.walk(shore.upload("b.csv", file(shore, 1, pier=lambda i: "zzz")))
    assert (answer["outcome"], answer["code"]) == ("rejected", "new_categories")


def test_unique_values_that_repeat_are_told(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", file(shore, pier=lambda i: f"pier {i}")))
    answer = shore.walk(shore.upload("b.csv", file(shore, 1, pier=lambda i: f"pier {i // 2}")))
    assert ("unique_no_more", "pier") in warnings(shore, answer)


# --- keys ------------------------------------------------------------------------------------------------------
def test_keys_that_repeat_within_a_batch_and_across_files_are_told(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "salt": {"type": "integer"}}
    shore = new_shore(columns=columns, key=["salt"])
    first = shore.walk(shore.upload("a.csv", file(shore, salt=lambda i: i)))
    assert warnings(shore, first) == []
    second = shore.walk(shore.upload("b.csv", file(shore, 1, salt=lambda i: max(i + 50, 55))))
    report = json.loads(shore.objects.get(names.validation("tides", second["batch_id"])))
    counts = {fault["code"]: fault["count"] for fault in report["warnings"]}
    assert (counts["duplicate_keys_in_batch"], counts["keys_overlap"]) == (5, 5)


def test_a_corrected_file_does_not_overlap_with_itself(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "salt": {"type": "integer"}}
    shore = new_shore(columns=columns, key=["salt"], quality={"keys": "refuse"})
    shore.walk(shore.upload("a.csv", file(shore, salt=lambda i: i)))
    assert shore.walk(shore.upload("a.csv", file(shore, 1, salt=lambda i: i)))["outcome"] == "accepted"
    refused = shore.walk(shore.upload("b.csv", file(shore, 2, salt=lambda i: i)))
    assert (refused["outcome"], refused["code"]) == ("rejected", "keys_overlap")


def test_of_a_column_that_names_somebody_a_contract_keeps_no_value(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "pier": {"type": "category"}}
    columns |= {"salt": {"type": "integer"}}
    shore = new_shore(columns=columns, key=["salt"], entity="pier")
    shore.walk(shore.upload("a.csv", file(shore, salt=lambda i: i)))
    found = columns_of(shore, 1)
    assert (set(found["salt"]), set(found["pier"])) == ({"type", "nullable"}, {"type", "nullable", "unique"})
