"""The rows of one subject are found wherever they are, and nowhere else."""

from typing import Any

import pytest

from tidemill import names
from tidemill.adapters.memory import MemoryObjects
from tidemill.data import subjects
from tidemill.errors import RequestInvalid
from tidemill.ports import Put

HEADER = "mill,serial,at,level,gates,wind,full"
COLUMNS = {
    "mill": {"type": "category"},
    "serial": {"type": "integer"},
    "at": {"type": "timestamp"},
    "level": {"type": "number", "nullable": True},
    "gates": {"type": "integer"},
    "wind": {"type": "category"},
    "full": {"type": "integer", "allowed": [0, 1]},
}


@pytest.fixture
def mills(new_shore: Any) -> Any:
    return new_shore(columns=COLUMNS, entity="mill")


def body(shore: Any, start: int, mill: str = "", rows: int = 0) -> bytes:
    """40 rows of mills "m<start>", the first `rows` of which are of `mill` instead."""
    lines = [f"m{start},{start * 1000 + i},{line}" for i, line in enumerate(shore.lines(40, start=start))]
    lines[:rows] = [f"{mill},{line.partition(',')[2]}" for line in lines[:rows]]
    return shore.csv(lines, header=HEADER)


def find(shore: Any, value: str, column: str | None = None, **more: Any) -> dict[str, Any]:
    subject = subjects.subject_of(shore.project, value, column)
    return subjects.find(shore.project, subject, objects=shore.objects, index=shore.index, **more)


def where(found: dict[str, Any]) -> dict[int, dict[str, int]]:
    return {told["version"]: {file["path"]: file["rows"] for file in told["files"]} for told in found["versions"]}


def test_versions_files_and_rows_of_a_subject(mills: Any) -> None:
    mills.walk(mills.upload("a.csv", body(mills, 1, "Eling", 3)))
    mills.walk(mills.upload("b.csv", body(mills, 2)))
    mills.walk(mills.upload("c.csv", body(mills, 3, "Eling", 2)))
    mills.walk(mills.upload("a.csv", body(mills, 4)))
    found = find(mills, "Eling")
    assert where(found) == {1: {"a.csv": 3}, 2: {"a.csv": 3}, 3: {"a.csv": 3, "c.csv": 2}, 4: {"c.csv": 2}}
    assert (found["rows"], found["contents"]) == (5, 4)
    assert where(find(mills, "Elin")) == where(find(mills, "eling")) == {}


def test_each_content_is_read_once(mills: Any, monkeypatch: Any) -> None:
    for number in range(4):
        mills.walk(mills.upload(f"{number}.csv", body(mills, number)))
    read: list[str] = []
    chunks = MemoryObjects.chunks

    def counted(self: MemoryObjects, key: str, **how: Any) -> Any:
        read.append(key)
        return chunks(self, key, **how)

    monkeypatch.setattr(MemoryObjects, "chunks", counted)
    told: list[tuple[int, int]] = []
    find(mills, "m1", progress=lambda read, of: told.append((read, of)))
    assert len(read) == len(set(read)) == 4
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_runs_and_models_that_learned_from_it(mills: Any) -> None:
    mills.walk(mills.upload("a.csv", body(mills, 1, "Eling", 1)))
    mills.walk(mills.upload("a.csv", body(mills, 2)))
    pk, at = names.pk("tides"), mills.AT.isoformat()
    for number in (1, 2):
        run = {"run_id": f"r{number}", "dataset_version": number, "state": "passed", "at": at}
        model = {
            "version": number,
            "run_id": f"r{number}",
            "dataset_version": number,
            "state": "retired",
            "at": at,
        }
        mills.index.transact([Put(pk, names.sk_run(f"r{number}"), run), Put(pk, names.sk_model(number), model)])
    found = find(mills, "Eling")
    assert [run["run_id"] for run in found["runs"]] == ["r1"]
    assert [model["version"] for model in found["models"]] == [1]


@pytest.mark.parametrize("value", ["1007", "1007.0", "1.007e3"])
def test_numbers_are_compared_by_what_they_mean(mills: Any, value: str) -> None:
    mills.walk(mills.upload("a.csv", body(mills, 1)))
    assert find(mills, value, "serial")["rows"] == 1
    assert find(mills, "100", "serial")["rows"] == 0


def test_numbers_beyond_the_exact_ones_of_a_float_are_not_mixed_up(mills: Any) -> None:
    lines = [f"m,{2**53 + i},{line}" for i, line in enumerate(mills.lines(20))]
    mills.walk(mills.upload("a.csv", mills.csv(lines, header=HEADER)))
    assert [find(mills, str(2**53 + i), "serial")["rows"] for i in (0, 1, 2, 20)] == [1, 1, 1, 0]


@pytest.mark.parametrize("value", ["2026-01-03", "2026-01-03T00:00:00Z", "2026-01-03T01:00:00+01:00"])
def test_times_are_compared_by_what_they_mean(mills: Any, value: str) -> None:
    mills.walk(mills.upload("a.csv", body(mills, 1)))
    assert find(mills, value, "at")["rows"] == 2


def test_a_column_without_a_rule_is_compared_as_it_was_found(mills: Any) -> None:
    lines = [f"m,{i},{line},{i % 7}" for i, line in enumerate(mills.lines(20))]
    mills.walk(mills.upload("a.csv", mills.csv(lines, header=HEADER + ",desk")))
    mills.walk(mills.upload("b.csv", body(mills, 2)))
    assert where(find(mills, "3", "desk")) == {1: {"a.csv": 3}, 2: {"a.csv": 3}}
    assert find(mills, "three", "desk")["rows"] == 0


def test_quoted_rows_over_several_lines_are_found(mills: Any) -> None:
    lines = [f"m,{i},{line}" for i, line in enumerate(mills.lines(20))]
    lines[4] = '"Éling, upper\n""wheel""",' + lines[4].partition(",")[2]
    mills.walk(mills.upload("a.csv", mills.csv(lines, header=HEADER)))
    assert find(mills, 'Éling, upper\n"wheel"')["rows"] == 1
    assert find(mills, "Éling")["rows"] == 0


def test_what_cannot_be_looked_for_is_said(mills: Any, new_shore: Any) -> None:
    with pytest.raises(RequestInvalid, match="'x' cannot be in it"):
        subjects.subject_of(mills.project, "x", "serial")
    nameless = new_shore(columns=COLUMNS)
    with pytest.raises(RequestInvalid, match="--column"):
        subjects.subject_of(nameless.project, "x")
    with pytest.raises(RequestInvalid, match="cannot be in it"):
        subjects.subject_of(mills.project, "")
    keyed = new_shore(columns=COLUMNS, key=["serial"])
    assert subjects.subject_of(keyed.project, "7") == subjects.Subject("serial", "7")
