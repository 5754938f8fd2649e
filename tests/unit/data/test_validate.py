"""ValidateVersion: each rule, its code, its places; everything at once; what is no fault."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from tidemill import names


def validated(shore: Any, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answer that decides about the file, of either state, and its report."""
    answer = shore.register(shore.upload("a.csv", body))
    if answer["outcome"] == "registered":
        answer = shore.step("validate_version", batch_id=answer["batch_id"])
        assert answer["validation_key"] == names.validation("tides", answer["batch_id"])
    return answer, json.loads(shore.objects.get(answer["validation_key"]))


def with_row(shore: Any, line: str, *, at: int = 4) -> bytes:
    """A good file but for one data row."""
    lines = shore.lines()
    lines[at] = line
    return shore.csv(lines)


@pytest.mark.parametrize(
    ("line", "code", "column", "example", "words"),
    [
        ("2026-01-01,high,1,N,1", "wrong_type", "level", "high", "1 of 20 values is not a number"),
        ("2026-01-01,1,1.5,N,1", "wrong_type", "gates", "1.5", "not a whole number"),
        ("yesterday,1,1,N,1", "unreadable_timestamp", "at", "yesterday", "not an ISO 8601 time"),
        ("2026-01-01,1,,N,1", "null_value", "gates", "", "missing, and the column is not nullable"),
        ("2026-01-01,1,1,NA,1", "null_value", "wind", "", "missing"),
        ("2026-01-01,-10.1,1,N,1", "below_minimum", "level", "-10.1", "below the minimum -10"),
        ("2026-01-01,11,1,N,1", "above_maximum", "level", "11", "above the maximum 10"),
        ("2026-01-01,1,1,NW,1", "not_allowed", "wind", "NW", "not among the allowed values"),
    ],
)
def test_a_cell_that_breaks_a_rule_is_told_with_line_and_example(
    shore: Any, line: str, code: str, column: str, example: str, words: str
) -> None:
    answer, report = validated(shore, with_row(shore, line))
    assert (answer["outcome"], answer["code"]) == ("rejected", code)
    assert f"column '{column}'" in answer["reason"]
    assert words in answer["reason"]
    (fault,) = report["faults"]
    assert (fault["code"], fault["column"], fault["count"]) == (code, column, 1)
    assert (fault["lines"], fault["examples"]) == ([6], [example])


def test_limits_are_inclusive_and_a_nullable_column_may_miss_values(shore: Any) -> None:
    lines = ["2026-01-01,-10,0,N,1", "2026-01-01,10,0,N,0", "2026-01-01,NA,0,N,0", *shore.lines()]
    answer, report = validated(shore, shore.csv(lines))
    assert (answer["outcome"], answer["rows"], report["faults"]) == ("accepted", 23, [])


def test_extra_columns_are_no_fault_and_are_reported(shore: Any) -> None:
    lines = [f"note,{line}" for line in shore.lines()]
    answer, report = validated(shore, shore.csv(lines, header="remark,at,level,gates,wind,full"))
    assert (answer["outcome"], report["extra_columns"]) == ("accepted", ["remark"])


def test_missing_columns_come_first_and_all_faults_are_collected(shore: Any) -> None:
    lines = [f"x,{i},9.5,2" for i in range(5)]
    answer, report = validated(shore, shore.csv(lines, header="at,level,gates,full"))
    assert answer["code"] == "missing_column"
    assert answer["reason"].startswith("column 'wind' is missing; ")
    assert [fault["code"] for fault in report["faults"]] == [
        "missing_column",
        "wrong_type",
        "unreadable_timestamp",
        "target_not_binary",
        "not_allowed",
    ]
    assert "and 2 more" in answer["reason"]


def test_a_file_of_foreign_columns_is_told_what_is_missing(shore: Any) -> None:
    _, report = validated(shore, b"a,b\n1,2\n")
    assert {fault["code"] for fault in report["faults"]} == {"missing_column"}
    assert {fault["column"] for fault in report["faults"]} == set(shore.project.columns)


def test_the_first_places_are_told_and_the_rest_counted(shore: Any) -> None:
    lines = shore.lines() + [f"2026-01-01,tide {i},1,N,1" for i in range(9)]
    _, report = validated(shore, shore.csv(lines))
    (fault,) = report["faults"]
    assert (fault["count"], fault["lines"]) == (9, [22, 23, 24, 25, 26])
    assert fault["examples"] == [f"tide {i}" for i in range(5)]


@pytest.mark.parametrize(
    ("task", "value", "code"),
    [("classification", "1", "target_one_class"), ("regression", "1", "target_constant")],
)
def test_a_target_that_never_changes_is_refused(new_shore: Any, task: str, value: str, code: str) -> None:
    shore = new_shore(task=task)
    lines = [line[:-1] + value for line in shore.lines()]
    answer, _ = validated(shore, shore.csv(lines))
    assert answer["code"] == code
    assert "'full', the target, is 1 in every row" in answer["reason"]


def test_a_target_without_values_is_refused(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "full": {"type": "integer", "nullable": True}}
    shore = new_shore(columns=columns)
    answer, _ = validated(shore, shore.csv([line[:-1] for line in shore.lines()]))
    assert (answer["code"], "missing in every row" in answer["reason"]) == ("target_one_class", True)


def test_numbers_may_be_allowed_by_value(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "gates": {"type": "number", "allowed": [0, 1, 2, 3]}}
    shore = new_shore(columns=columns)
    assert validated(shore, with_row(shore, "2026-01-01,1,3.0,N,1"))[0]["outcome"] == "accepted"
    assert validated(shore, with_row(shore, "2026-01-01,1,3.5,N,1"))[0]["code"] == "not_allowed"


def test_too_few_rows_are_refused(shore: Any) -> None:
    answer, _ = validated(shore, shore.csv(shore.lines(9)))
    assert answer["reason"].startswith("9 rows are fewer than min_rows, 10")


def test_validating_again_writes_the_same_report(shore: Any) -> None:
    answer, report = validated(shore, shore.csv([line[:-1] + "1" for line in shore.lines()]))
    ids = {"batch_id": answer["batch_id"]}
    assert shore.step("validate_version", **ids) == answer
    assert json.loads(shore.objects.get(answer["validation_key"])) == report


def test_too_few_rows_have_their_code(shore: Any) -> None:
    assert validated(shore, shore.csv(shore.lines(9)))[0]["code"] == "too_few_rows"


NAMED = {"full": {"type": "category", "allowed": ["neap", "mean", "spring"]}}


def named(shore: Any, count: int, of: str = "neap mean spring", start: int = 0) -> bytes:
    """Rows whose target is one of these classes in turn."""
    turn = of.split()
    lines = [f"{line[:-1]}{turn[i % len(turn)]}" for i, line in enumerate(shore.lines(count, start=start))]
    return shore.csv(lines)


def test_named_classes_are_taken_in_and_others_are_not(new_shore: Any) -> None:
    shore = new_shore(columns={**new_shore().project.model_dump()["columns"], **NAMED})
    assert validated(shore, named(shore, 30))[0]["outcome"] == "accepted"
    answer, _ = validated(shore, named(shore, 30, "neap mean king"))
    assert (answer["outcome"], answer["code"]) == ("rejected", "not_allowed")
    answer, _ = validated(shore, named(shore, 30, "mean"))
    assert answer["code"] == "target_one_class"
    assert "'full', the target, is mean in every row; at least two classes are needed" in answer["reason"]


def test_a_named_class_that_all_but_goes_is_refused(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], **NAMED}
    shore = new_shore(columns=columns, mode="replace")
    shore.walk(shore.upload("a.csv", named(shore, 300)))
    answer = shore.walk(shore.upload("a.csv", named(shore, 300, "neap mean", start=1)))
    assert (answer["outcome"], answer["code"]) == ("rejected", "class_collapse")
    assert "class spring of 'full' fell from 33.33% of the rows to 0.00%" in answer["reason"]


@pytest.mark.parametrize("classes", ["neap mean spring", "neap spring"])
def test_a_feature_that_gives_a_named_class_away_is_told(new_shore: Any, classes: str) -> None:
    columns = {**new_shore().project.model_dump()["columns"], **NAMED, "tide": {"type": "category"}}
    shore = new_shore(columns=columns, features=["level", "tide"], quality={"leakage": "refuse"})
    turn = classes.split()
    lines = [
        f"{line[:-1]}{turn[i % len(turn)]},t-{turn[i % len(turn)]}" for i, line in enumerate(shore.lines(300))
    ]
    answer, _ = validated(shore, shore.csv(lines, header="at,level,gates,wind,full,tide"))
    assert (answer["outcome"], answer["code"]) == ("rejected", "target_leak")


def test_a_class_that_all_but_goes_is_refused(shore: Any) -> None:
    shore.walk(shore.upload("a.csv", shore.csv(shore.lines(200))))
    lines = [f"{line[:-1]}{int(i == 7)}" for i, line in enumerate(shore.lines(200, start=1))]
    answer = shore.walk(shore.upload("b.csv", shore.csv(lines)))
    assert (answer["outcome"], answer["code"]) == ("rejected", "class_collapse")
    assert "class 1 of 'full' fell from 50.00% of the rows to 0.50%" in answer["reason"]


@pytest.mark.parametrize(
    ("policy", "outcome"), [("allow", "accepted"), ("warn", "accepted"), ("refuse", "rejected")]
)
def test_equal_rows_are_told_or_refused(new_shore: Any, policy: str, outcome: str) -> None:
    shore = new_shore(quality={"duplicates": policy})
    answer, report = validated(shore, shore.csv([*shore.lines(20), *shore.lines(3)]))
    assert answer["outcome"] == outcome
    told = {"allow": [], "warn": report["warnings"], "refuse": report["faults"]}[policy]
    assert [(fault["code"], fault["count"]) for fault in told] == [("duplicate_rows", 3)][: len(told)]
    assert bool(told) == (policy != "allow")


def test_a_feature_that_tells_the_target_is_told(new_shore: Any) -> None:
    columns = {**new_shore().project.model_dump()["columns"], "arrived": {"type": "number"}}
    shore = new_shore(columns=columns, features=["level", "arrived"], quality={"leakage": "refuse"})
    lines = [f"{line},{i % 2 * 15 + i % 14}" for i, line in enumerate(shore.lines(300))]
    answer = shore.walk(shore.upload("a.csv", shore.csv(lines, header="at,level,gates,wind,full,arrived")))
    assert (answer["outcome"], answer["code"]) == ("rejected", "target_leak")
    assert "feature 'arrived' determines the target in 300 rows" in answer["reason"]


def test_rows_that_break_rules_go_to_quarantine_and_the_rest_goes_on(shore: Any) -> None:
    lines = shore.lines(400)
    lines[17], lines[301] = "2026-01-01,99,1,N,1", "2026-01-01,1,1"
    body = shore.csv(lines)
    answer = shore.walk(shore.upload("a.csv", body))
    assert (answer["outcome"], answer["dataset_version"]) == ("accepted", 1)
    (file,) = json.loads(shore.objects.get(names.dataset("tides", 1)))["files"]
    assert (file["rows"], file["rows_left_out"]) == (398, 2)
    kept = shore.objects.get(names.content(file["sha256"])).decode().splitlines()
    assert kept == [line for line in body.decode().splitlines() if line not in (lines[17], lines[301])]
    folder = names.quarantine("tides", answer["batch_id"])
    table = pq.read_table(io.BytesIO(shore.objects.get(f"{folder}rows.parquet"))).to_pylist()
    assert sorted((row["line"], row["code"], row["column"]) for row in table) == [
        (19, "above_maximum", "level"), (303, "uneven_row", None)
    ]  # fmt: skip
    page = shore.objects.get(f"{folder}rows.html").decode()
    assert "2 of 400 rows of a.csv break the rules of tides" in page
    assert lines[17] in page
