"""A subject is erased: nowhere left, killed or not, and the history stays whole."""

import gzip
import io
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from tidemill import names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.data import (
    erase,
    gc,
    profiles,
    reach,
    rebuild_index,
    subjects,
    tags,
    take_in,
    versions,
)  # fmt: skip
from tidemill.data.erase import Ports, Request
from tidemill.errors import ObjectKept
from tidemill.ports import Put

HEADER = "mill,at,level,gates,wind,full"
COLUMNS = {
    "mill": {"type": "category"},
    "at": {"type": "timestamp"},
    "level": {"type": "number", "nullable": True},
    "gates": {"type": "integer"},
    "wind": {"type": "category"},
    "full": {"type": "integer", "allowed": [0, 1]},
}
SALT = "5a" * 16
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


def mill_shore(new_shore: Any) -> Any:
    return new_shore(columns=COLUMNS, entity="mill", quality={"tolerated": 0.1, "leakage": "allow"})


@pytest.fixture
def mills(new_shore: Any) -> Any:
    return mill_shore(new_shore)


def body(shore: Any, start: int, rows: int = 0, *, bad: str = "") -> bytes:
    """40 rows, the first `rows` of which are of the mill Eling; `bad`: one more, that breaks a rule."""
    lines = [f"m{start}x,{line}" for line in shore.lines(40, start=start)]
    lines[:rows] = [f"Eling,{line.partition(',')[2]}" for line in lines[:rows]]
    return shore.csv([*lines, *([f"{bad},2026-01-01,high,1,N,1"] if bad else [])], header=HEADER)


def history(shore: Any) -> None:
    """Eling is in version 1 (a.csv) and after, until a.csv is corrected in 4; and in c.csv from 3 on."""
    shore.walk(shore.upload("a.csv", body(shore, 1, 3)))
    shore.walk(shore.upload("b.csv", body(shore, 2)))
    shore.walk(shore.upload("c.csv", body(shore, 3, 2, bad="Eling")))
    shore.walk(shore.upload("a.csv", body(shore, 4)))
    trained(shore, 1)
    trained(shore, 2)


def trained(shore: Any, version: int) -> None:
    pk, at, run = names.pk("tides"), shore.AT.isoformat(), f"tides-v{version:05d}"
    row = {"run_id": run, "dataset_version": version, "state": "passed", "at": at, "model_version": version}
    model = {"version": version, "run_id": run, "dataset_version": version, "state": "retired", "at": at}
    shore.index.transact([Put(pk, names.sk_run(run), row), Put(pk, names.sk_model(version), model)])
    shore.objects.put(f"{names.run('tides', run)}prepared/train.npz", b"rows")


def erased(
    shore: Any, value: str = "Eling", *, column: str | None = None, watch: Any = None, salt: str = SALT, **how: Any
) -> dict[str, Any]:
    objects, index = shore.watched(watch) if watch else (shore.objects, shore.index)
    request = Request(subjects.subject_of(shore.project, value, column), "request 12", "arn:keeper", salt)
    return erase.erase(shore.project, request, ports=Ports(objects, index, lambda: shore.AT), **how)


def require_nowhere(shore: Any, value: str = "Eling") -> None:
    """No version of any object has the value, compressed or not."""
    for key, bodies in shore.objects.versions.items():
        for stored in filter(None, bodies):
            texts = [stored]
            if stored.startswith(b"\x1f\x8b"):
                texts.append(gzip.decompress(stored))
            if stored.startswith(b"PAR1"):
                texts.append(str(pq.read_table(io.BytesIO(stored)).to_pylist()).encode())
            assert not any(value.encode() in text for text in texts), key
    assert value not in json.dumps(list(shore.index.rows.values()))


def require_whole(shore: Any, number: int) -> dict[str, int]:
    """The version can be read and compared; its rows by path."""
    document = versions.read_fact(shore.objects, "tides", number)
    files = versions.files_of(document)
    look = subjects.look(shore.project, subjects.Subject("mill", "Eling"), files, objects=shore.objects)
    assert (look.held, look.gone) == ({}, ())
    for file in files:
        assert len(shore.objects.get(names.content(file.sha256))) == file.size
    assert profiles.of_version(shore.objects, "tides", document).rows == document["rows"]
    return {file.path: file.rows for file in files}


def test_the_newest_version_is_made_again_without_the_subject(mills: Any) -> None:
    history(mills)
    [told] = erased(mills)["erasures"]
    assert [(made["version"], made["of"]) for made in told["made"]] == [(5, 4)]
    assert require_whole(mills, 5) == {"a.csv": 40, "b.csv": 40, "c.csv": 38}
    fact = versions.read_fact(mills.objects, "tides", 5)
    assert (fact["reason"], fact["author"], fact["source"]) == (
        "request 12",
        "arn:keeper",
        f"erasure-{told['id']}",
    )
    require_nowhere(mills)


def test_old_versions_and_models_are_marked(mills: Any) -> None:
    history(mills)
    [told] = erased(mills)["erasures"]
    assert {v["version"]: {f["path"]: f["rows"] for f in v["files"]} for v in told["versions"]} == {
        1: {"a.csv": 3}, 2: {"a.csv": 3}, 3: {"a.csv": 3, "c.csv": 2}, 4: {"c.csv": 2}
    }  # fmt: skip
    one = {"erasure": told["id"], "by": "arn:keeper", "at": mills.AT.isoformat()}
    assert {row["version"]: row.get("erased") for row in mills.rows(names.DATASETS)} == {
        1: [one], 2: [one], 3: [one], 4: [one], 5: None
    }  # fmt: skip
    assert told["models"] == [1, 2]
    for number in (1, 2):
        key = f"{names.model('tides', number)}erased-{told['id']}.json"
        assert json.loads(mills.objects.get(key))["erasure"] == told["id"]
    assert not list(mills.objects.keys(f"{names.run('tides', 'tides-v00001')}prepared/"))


def test_the_fact_lists_what_was_affected_and_tells_nothing_of_the_value(mills: Any) -> None:
    history(mills)
    [told] = erased(mills)["erasures"]
    fact = json.loads(mills.objects.get(names.erasure("tides", told["id"])))
    assert fact.keys() >= {"versions", "models", "runs", "made", "uploads", "salt", "hash", "reason", "by", "at"}
    assert "Eling" not in json.dumps(fact)
    other = erased(mills, "m2x", salt="77" * 16)["erasures"][0]
    again = json.loads(mills.objects.get(names.erasure("tides", other["id"])))
    assert again["hash"] != fact["hash"]


def test_the_next_upload_is_added_to_the_version_without_the_subject(mills: Any) -> None:
    history(mills)
    erased(mills)
    assert mills.walk(mills.upload("d.csv", body(mills, 9)))["dataset_version"] == 6
    assert require_whole(mills, 6) == {"a.csv": 40, "b.csv": 40, "c.csv": 38, "d.csv": 40}


def test_a_file_of_the_subject_alone_is_gone(mills: Any) -> None:
    mills.walk(mills.upload("a.csv", body(mills, 1, 40)))
    mills.walk(mills.upload("b.csv", body(mills, 2)))
    mills.walk(mills.upload("a.csv", body(mills, 3, 40)))
    erased(mills)
    assert require_whole(mills, 4) == {"b.csv": 40}
    require_nowhere(mills)


def test_tags_move_to_what_was_made_of_their_versions(mills: Any) -> None:
    history(mills)
    ports = {"objects": mills.objects, "index": mills.index, "clock": lambda: mills.AT}
    for tag, version in (("first", 1), ("newest", 4)):
        tags.move_tag(project="tides", tag=tag, version=version, by="keeper", **ports)
    [told] = erased(mills)["erasures"]
    assert [(made["version"], made["of"]) for made in told["made"]] == [(5, 1), (6, 4)]
    assert told["tags"] == [{"tag": "first", "version": 5}, {"tag": "newest", "version": 6}]
    assert require_whole(mills, 5) == {"a.csv": 37}
    assert require_whole(mills, 6) == {"a.csv": 40, "b.csv": 40, "c.csv": 38}
    require_nowhere(mills)


def test_what_other_projects_reach_stays(mills: Any, new_shore: Any) -> None:
    other = new_shore(columns=COLUMNS, name="river", quality={"leakage": "allow"})
    other.objects, other.index = mills.objects, mills.index
    mills.walk(mills.upload("a.csv", body(mills, 1, 3)))
    other.walk(other.upload("a.csv", body(mills, 1, 3), project="river"))
    [told] = erased(mills)["erasures"]
    assert list(told["kept"].values()) == ["dataset v1 of river"]
    [file] = versions.files_of(versions.read_fact(mills.objects, "river", 1))
    assert mills.objects.exists(names.content(file.sha256))


def test_a_dry_run_changes_nothing_and_tells_all(mills: Any) -> None:
    history(mills)
    before = mills.state()
    told = erased(mills, dry_run=True)
    assert mills.state() == before
    assert [version["version"] for version in told["found"]["versions"]] == [1, 2, 3, 4]
    assert (told["found"]["rows"], told["found"]["models"], told["erasures"]) == (5, [1, 2], [])


def test_nobody_is_erased_without_a_trace_or_change(mills: Any) -> None:
    history(mills)
    before = mills.state()
    assert erased(mills, "nobody")["erasures"] == []
    assert mills.state() == before


def test_asked_for_again_it_has_nothing_to_do(mills: Any) -> None:
    history(mills)
    erased(mills)
    before = mills.state()
    assert erased(mills, salt="77" * 16)["erasures"] == []
    assert mills.state() == before


class LockedObjects(MemoryObjects):
    """Contents are under a lock until it is opened."""

    locked = True

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        if self.locked and key.startswith("objects/"):
            raise ObjectKept(key, UNTIL, "AccessDenied")
        super().delete(key, version_id=version_id)


def test_what_a_lock_keeps_is_told_and_goes_when_asked_again(mills: Any) -> None:
    mills.objects = LockedObjects()
    history(mills)
    [told] = erased(mills)["erasures"]
    assert set(told["kept"].values()) == {f"until {UNTIL.isoformat()}"}
    assert len(told["kept"]) == 2
    assert require_whole(mills, 5)
    mills.objects.locked = False
    [again] = erased(mills, salt="77" * 16)["erasures"]
    assert (again["id"], again["kept"]) == (told["id"], {})
    assert len(mills.rows(names.DATASETS)) == 5
    require_nowhere(mills)


def test_the_lost_table_has_the_marks_again(mills: Any) -> None:
    history(mills)
    erased(mills)
    erased(mills, "m2x", salt="77" * 16)
    mine = (*rebuild_index.PREFIXES, names.AUDIT)
    before = {sk: row for (_, sk), row in mills.index.rows.items() if sk.startswith(mine)}
    mills.index = MemoryIndex()
    expected = rebuild_index.rows_of(mills.objects, "tides")
    rebuild_index.rebuild(expected, expected, index=mills.index, project="tides")
    assert {sk: row for (_, sk), row in mills.index.rows.items()} == before


def test_a_sweep_after_the_kill_leaves_what_the_erasure_needs(new_shore: Any) -> None:
    mills = mill_shore(new_shore)
    history(mills)
    with pytest.raises(mills.Killed):
        erased(mills, watch=kill_after_plan(mills))
    gc.collect("tides", objects=mills.objects, index=mills.index, clock=lambda: mills.AT)
    erased(mills, salt="77" * 16)
    assert require_whole(mills, 5) == {"a.csv": 40, "b.csv": 40, "c.csv": 38}


def kill_after_plan(shore: Any) -> Any:
    def announce() -> None:
        if any(key.endswith("/plan.json") for key in shore.objects.versions):
            raise shore.Killed

    return announce


def test_another_acceptance_between_any_two_calls_is_not_lost(new_shore: Any) -> None:
    for call in itertools.count(0, 5):
        shore = small(new_shore)
        event = shore.upload("z.csv", body(shore, 9))
        left = iter(range(call, -1, -1))

        def announce(left: Any = left, shore: Any = shore, event: Any = event) -> None:
            if next(left, None) == 0:
                shore.walk(event)

        erased(shore, watch=announce)
        if next(left, None) is not None:
            break
        newest = versions.head(shore.index, "tides")
        assert require_whole(shore, newest) == {"a.csv": 37, "z.csv": 40}
        require_nowhere(shore)
    assert call > 50


def small(new_shore: Any) -> Any:
    shore = mill_shore(new_shore)
    shore.walk(shore.upload("a.csv", body(shore, 1, 3, bad="Eling")))
    trained(shore, 1)
    tags.move_tag(
        project="tides", tag="train", version=1, by="keeper",
        objects=shore.objects, index=shore.index, clock=lambda: shore.AT,
    )  # fmt: skip
    return shore


def test_killed_between_any_two_calls_and_asked_again_it_ends_the_same(new_shore: Any) -> None:
    undisturbed = small(new_shore)
    erased(undisturbed)
    for call in itertools.count():
        shore = small(new_shore)
        try:
            erased(shore, watch=shore.kill_at(call))
        except shore.Killed:
            erased(shore)
        else:
            break
        assert shore.state() == undisturbed.state(), f"killed before call {call}"
        require_nowhere(shore)
    assert call > 80


def test_reports_keep_how_many_and_lose_which(mills: Any) -> None:
    history(mills)
    [upload] = [row for row in mills.rows(names.UPLOADS) if row["key"].endswith("c.csv")]
    key = take_in.reading_key("tides", upload["upload_id"])
    [before] = json.loads(mills.objects.get(key))["faults"]
    erased(mills)
    [after] = json.loads(mills.objects.get(key))["faults"]
    assert (after["code"], after["count"]) == (before["code"], before["count"])
    assert (after["examples"], after["lines"]) == ([], [])
    assert reach.records(mills.objects, mills.index, "tides")[key]


def test_keys_are_sketched_again_and_contracts_promise_less(new_shore: Any) -> None:
    mills = new_shore(columns=COLUMNS, key=["at", "level"], quality={"keys": "allow", "leakage": "allow"})
    mills.walk(mills.upload("a.csv", body(mills, 1, 40)))
    mills.walk(mills.upload("b.csv", body(mills, 2, 3)))
    [upload] = [row for row in mills.rows(names.UPLOADS) if row["key"].endswith("b.csv")]
    _, keys = take_in.sketch_keys("tides", upload["upload_id"])
    assert json.loads(mills.objects.get(keys))["rows"] == 40
    before = versions.read_fact(mills.objects, "tides", 2)["how"]["contract"]
    assert json.loads(mills.objects.get(before))["columns"]["mill"]["allowed"] == ["Eling"]
    erased(mills, column="mill")
    assert json.loads(mills.objects.get(keys))["rows"] == 37
    assert versions.read_fact(mills.objects, "tides", 3)["how"]["contract"] == before
    assert "allowed" not in json.loads(mills.objects.get(before))["columns"]["mill"]
    require_nowhere(mills)
    assert mills.walk(mills.upload("c.csv", body(mills, 5)))["dataset_version"] == 4
