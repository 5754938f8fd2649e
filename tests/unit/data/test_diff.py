"""The difference of two versions: what was really changed is what is told."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv as arrow_csv

from tidemill.data.diff.versions_diff import diff
from tidemill.data.diff.words import verdict
from tidemill.errors import RecordNotFound, RequestInvalid

HEADER = "id,at,level,gates,wind,full"
RULES = {
    "id": {"type": "integer"},
    "at": {"type": "timestamp"},
    "level": {"type": "number", "nullable": True},
    "gates": {"type": "integer"},
    "wind": {"type": "category", "nullable": True},
    "full": {"type": "integer"},
}
QUALITY = {"duplicates": "allow", "leakage": "allow"}
KEYED = {"columns": RULES, "key": ["id"], "quality": QUALITY}
TINY = 2_000  # bytes: some twenty partitions of what is compared here


def rows(shore: Any, first: int, last: int) -> list[str]:
    return [f"{i},{line}" for i, line in enumerate(shore.lines(last))][first:]


def edited(lines: Sequence[str], changes: dict[int, tuple[int, str]]) -> list[str]:
    """Rows by place → (cell, value)."""
    split = [line.split(",") for line in lines]
    for row, (cell, value) in changes.items():
        split[row][cell] = value
    return [",".join(cells) for cells in split]


def put(shore: Any, file: str, lines: Sequence[str], header: str = HEADER) -> int:
    answer = shore.walk(shore.upload(file, shore.csv(lines, header=header)))
    assert "dataset_version" in answer, answer
    return int(answer["dataset_version"])


def told(found: dict[str, Any]) -> dict[str, int]:
    return {name: found["rows"][name] for name in ("added", "removed", "changed", "unchanged")}


def examples(found: dict[str, Any], what: str, column: str = "id") -> list[Any]:
    return [row["values"][column] for row in found["rows"]["examples"][what]]


CHANGES = {4: (2, "9.5"), 5: (4, "N"), 6: (2, ""), 7: (3, "11"), 20: (2, "-3")}


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize("memory", [1 << 29, TINY])
def test_three_added_two_removed_five_changed(new_shore: Any, mode: str, memory: int) -> None:
    shore = new_shore(mode=mode, **KEYED)
    old = rows(shore, 0, 40)
    new = edited(old, CHANGES)[2:] + rows(shore, 40, 43)
    before, after = put(shore, "a.csv", old), put(shore, "a.csv", new)
    found = diff(shore.project, before, after, shore.objects, memory_bytes=memory)
    assert told(found) == {"added": 3, "removed": 2, "changed": 5, "unchanged": 33}
    assert (found["rows"]["partitions"] > 1) is (memory == TINY)
    assert examples(found, "added") == [40, 41, 42]
    assert examples(found, "removed") == [0, 1]
    assert found["rows"]["changed_columns"] == {"level": 3, "gates": 1, "wind": 1}
    changed = found["rows"]["examples"]["changed"]
    assert [row["key"] for row in changed] == [{"id": number} for number in CHANGES]
    assert changed[0] == {
        "path": "a.csv",
        "row": 3,
        "before": {"path": "a.csv", "row": 5},
        "key": {"id": 4},
        "changes": [{"column": "level", "before": 2.0, "after": 9.5}],
    }
    assert changed[2]["changes"] == [{"column": "level", "before": 3.0, "after": None}]
    assert verdict(found).startswith("3 rows added, 2 removed, 5 changed")
    json.dumps(found, allow_nan=False)


def test_without_a_key_a_changed_row_goes_and_comes(new_shore: Any) -> None:
    shore = new_shore(columns=RULES, quality=QUALITY)
    old = rows(shore, 0, 40)
    put(shore, "a.csv", old)
    put(shore, "a.csv", edited(old, CHANGES)[2:] + rows(shore, 40, 43))
    found = diff(shore.project, 1, 2, shore.objects)
    assert told(found) == {"added": 8, "removed": 7, "changed": 0, "unchanged": 33}
    assert told(diff(shore.project, 1, 2, shore.objects, keys=["id"]))["changed"] == 5


def test_files_that_both_versions_have_are_not_read(new_shore: Any) -> None:
    shore = new_shore(**KEYED)
    put(shore, "a.csv", rows(shore, 0, 30))
    put(shore, "b.csv", rows(shore, 30, 60))
    put(shore, "b.csv", rows(shore, 31, 62))
    asked = []

    class Watching(type(shore.objects)):  # type: ignore[misc]
        def chunks(self, key: str, **place: Any) -> Any:
            asked.append(key)
            return super().chunks(key, **place)

    shore.objects.__class__ = Watching
    found = diff(shore.project, 2, 3, shore.objects)
    assert len(set(asked)) == 2
    assert found["files"]["unchanged"] == ["a.csv"]
    assert [file["path"] for file in found["files"]["replaced"]] == ["b.csv"]
    assert told(found) == {"added": 2, "removed": 1, "changed": 0, "unchanged": 59}
    assert (found["rows"]["before"], found["rows"]["after"]) == (60, 61)


def test_rows_that_moved_to_another_file_did_not_change(new_shore: Any) -> None:
    shore = new_shore(mode="append", **KEYED)
    every = rows(shore, 0, 60)
    put(shore, "a.csv", every[:30])
    put(shore, "b.csv", every[30:])
    put(shore, "a.csv", every[:20])
    put(shore, "b.csv", edited(every[20:], {0: (2, "7.25")}))
    found = diff(shore.project, 2, 4, shore.objects, memory_bytes=TINY)
    assert told(found) == {"added": 0, "removed": 0, "changed": 1, "unchanged": 59}
    (changed,) = found["rows"]["examples"]["changed"]
    assert (changed["path"], changed["row"]) == ("b.csv", 1)
    assert changed["before"] == {"path": "a.csv", "row": 21}


def test_a_moved_file_has_no_new_rows(new_shore: Any) -> None:
    shore = new_shore(mode="replace", **KEYED)
    every = rows(shore, 0, 60)
    put(shore, "a.csv", every[:30])
    for name, lines in (("x/b.csv", every[:30]), ("x/c.csv", every[30:])):
        shore.register(shore.upload(name, shore.csv(lines, header=HEADER)))
    answer = shore.walk(shore.upload("x/_SUCCESS", b""))
    found = diff(shore.project, 1, answer["dataset_version"], shore.objects)
    assert [(file["from"], file["path"]) for file in found["files"]["moved"]] == [("a.csv", "x/b.csv")]
    assert [file["path"] for file in found["files"]["added"]] == ["x/c.csv"]
    assert told(found) == {"added": 30, "removed": 0, "changed": 0, "unchanged": 30}
    assert found["rows"]["read"] == {"before": 0, "after": 30}


def test_a_version_equals_itself(new_shore: Any) -> None:
    shore = new_shore(**KEYED)
    put(shore, "a.csv", rows(shore, 0, 30))
    found = diff(shore.project, 1, 1, shore.objects)
    assert found["equal"] and verdict(found) == "Nothing changed"
    assert told(found) == {"added": 0, "removed": 0, "changed": 0, "unchanged": 30}
    assert found["distributions"]["shifted"] == []


def test_no_common_rows(new_shore: Any) -> None:
    shore = new_shore(mode="replace", **KEYED)
    put(shore, "a.csv", rows(shore, 0, 30))
    put(shore, "a.csv", rows(shore, 30, 70))
    found = diff(shore.project, 1, 2, shore.objects, examples=4, memory_bytes=TINY)
    assert told(found) == {"added": 40, "removed": 30, "changed": 0, "unchanged": 0}
    assert examples(found, "added") == [30, 31, 32, 33]


def test_repeated_keys_are_told_and_matched_one_for_one(new_shore: Any) -> None:
    shore = new_shore(mode="replace", **KEYED)
    lines = rows(shore, 0, 30)
    twin = edited([lines[0]], {0: (2, "8")})
    put(shore, "a.csv", [*lines, *twin, lines[1]])
    put(shore, "a.csv", [*lines, lines[1], *edited(twin, {0: (2, "8.5")})])
    found = diff(shore.project, 1, 2, shore.objects)
    assert told(found) == {"added": 0, "removed": 0, "changed": 1, "unchanged": 31}
    assert found["rows"]["repeated_keys"]["before"] == {"keys": 2, "rows": 4}
    repeated = found["rows"]["examples"]["repeated_keys"]
    assert [(row["key"]["id"], row["times"], row["side"]) for row in repeated[:2]] == [
        (0, 2, "after"),
        (1, 2, "after"),
    ]
    assert found["rows"]["examples"]["changed"][0]["changes"] == [{"column": "level", "before": 8.0, "after": 8.5}]


def test_a_repeated_key_whose_other_row_is_in_a_shared_file(new_shore: Any) -> None:
    shore = new_shore(mode="append", **KEYED)
    lines = rows(shore, 0, 30)
    put(shore, "a.csv", lines)
    put(shore, "b.csv", [lines[0], *rows(shore, 30, 60)])
    put(shore, "b.csv", rows(shore, 30, 60))
    assert told(diff(shore.project, 2, 3, shore.objects)) == {
        "added": 0,
        "removed": 1,
        "changed": 0,
        "unchanged": 60,
    }


def test_rows_without_a_key_come_and_go(new_shore: Any) -> None:
    rules = {**RULES, "wind": {"type": "category", "nullable": True}}
    shore = new_shore(mode="replace", columns=rules, quality=QUALITY)
    lines = edited(rows(shore, 0, 30), {3: (4, ""), 8: (4, "")})
    put(shore, "a.csv", lines)
    put(shore, "a.csv", edited(lines, {3: (2, "9"), 4: (2, "9")}))
    found = diff(shore.project, 1, 2, shore.objects, keys=["id", "wind"], memory_bytes=TINY)
    assert told(found) == {"added": 1, "removed": 1, "changed": 1, "unchanged": 28}
    assert found["rows"]["without_key"] == {"before": 2, "after": 2}


def test_quoted_keys_and_times_by_value(new_shore: Any) -> None:
    header = "place,at,level,gates,wind,full"
    rules = {**{k: v for k, v in RULES.items() if k != "id"}, "place": {"type": "category"}}
    shore = new_shore(mode="replace", columns=rules, key=["place", "at"], quality=QUALITY)
    lines = [f'"mill ""{i}"", upper\nlock",{line}' for i, line in enumerate(shore.lines(20))]
    put(shore, "a.csv", lines, header)
    other = [line.replace("2026-01-05,", "2026-01-05T02:00:00+02:00,").replace(",2.0,", ",2,") for line in lines]
    put(shore, "a.csv", [*edited(other, {}), '"mill ""new""",2026-02-01,1,1,N,0'], header)
    found = diff(shore.project, 1, 2, shore.objects)
    assert told(found) == {"added": 1, "removed": 0, "changed": 0, "unchanged": 20}
    assert examples(found, "added", "place") == ['mill "new"']


def test_columns_that_came_went_and_changed_their_type(new_shore: Any) -> None:
    shore = new_shore(mode="replace", **KEYED)
    put(shore, "a.csv", [f"{line},{i},x" for i, line in enumerate(rows(shore, 0, 30))], f"{HEADER},gauge,old")
    new = [f"{line},{i}{'b' * (i == 3)},y" for i, line in enumerate(rows(shore, 0, 30))]
    put(shore, "a.csv", new, f"{HEADER},gauge,new")
    found = diff(shore.project, 1, 2, shore.objects)
    assert found["schema"] == {
        "added": [{"name": "new", "type": "category"}],
        "removed": [{"name": "old", "type": "category"}],
        "retyped": [{"name": "gauge", "before": "integer", "after": "category"}],
    }
    assert told(found) == {"added": 0, "removed": 0, "changed": 1, "unchanged": 29}
    assert found["rows"]["examples"]["changed"][0]["changes"] == [
        {"column": "gauge", "before": "3", "after": "3b"}
    ]
    assert verdict(found) == "1 row changed; 1 column added, 1 removed, 1 retyped"


def test_a_shift_is_told(new_shore: Any) -> None:
    shore = new_shore(mode="replace", **KEYED)
    lines = rows(shore, 0, 400)
    put(shore, "a.csv", lines)
    put(shore, "a.csv", edited(lines, {i: (2, str(i % 7 + 3)) for i in range(300)}))
    found = diff(shore.project, 1, 2, shore.objects, rows=False)
    assert found["rows"] is None
    assert found["distributions"]["shifted"] == ["level"]
    assert found["distributions"]["columns"][0]["psi"] > shore.project.drift.psi
    assert verdict(found) == "1 file replaced; level shifted"


def test_what_is_not_there_is_refused(new_shore: Any) -> None:
    shore = new_shore(**KEYED)
    put(shore, "a.csv", rows(shore, 0, 30))
    with pytest.raises(RecordNotFound):
        diff(shore.project, 1, 2, shore.objects)
    with pytest.raises(RequestInvalid, match="'colour' is not in both versions"):
        diff(shore.project, 1, 1, shore.objects, keys=["colour"])


def test_the_same_rows_in_another_format_did_not_change(new_shore: Any) -> None:
    shore = new_shore(mode="replace", **KEYED)
    lines = edited(rows(shore, 0, 30), {3: (2, ""), 8: (4, "")})
    put(shore, "a.csv", lines)
    buffer = pa.BufferOutputStream()
    table = arrow_csv.read_csv(pa.BufferReader(shore.csv(lines, header=HEADER)))
    pq.write_table(table, buffer)
    shore.walk(shore.upload("a.parquet", buffer.getvalue().to_pybytes()))
    found = diff(shore.project, 1, 2, shore.objects, memory_bytes=TINY)
    assert told(found) == {"added": 0, "removed": 0, "changed": 0, "unchanged": 30}
    told_rows = "".join(json.dumps(row, default=str) + "\n" for row in table.to_pylist()[1:])
    shore.walk(shore.upload("a.jsonl", told_rows.encode()))
    found = diff(shore.project, 1, 3, shore.objects, memory_bytes=TINY)
    assert told(found) == {"added": 0, "removed": 1, "changed": 0, "unchanged": 29}
