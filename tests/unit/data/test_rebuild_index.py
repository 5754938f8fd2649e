"""The table is lost: what S3 holds gives every data row back, equal to what was there."""

import itertools
from typing import Any

import pytest

from tidemill import names
from tidemill.adapters.memory import MemoryIndex
from tidemill.data import rebuild_index


def history(shore: Any) -> None:
    """Something of everything: versions, a correction, nothing new, a late one, quarantines, batches, failure."""
    shore.walk(shore.upload("a.csv", shore.good(1)))
    late, good = shore.upload("a.csv", shore.good(8)), shore.upload("a.csv", shore.good(2))
    shore.walk(good)
    shore.walk(late)
    shore.walk(shore.upload("copy.csv", shore.good(2)))
    shore.walk(shore.upload("empty.csv", b""))
    shore.walk(shore.upload("bad.csv", shore.csv(["x,1,1,N,1"] * 20)))
    for number in range(3):
        shore.register(shore.upload(f"may/{number}.csv", shore.good(10 + number)))
    shore.walk(shore.upload("may/_SUCCESS", b""))
    shore.walk(shore.upload("may/1.csv", shore.good(20)))
    shore.register(shore.upload("june/open.csv", shore.good(30)))
    failed = shore.upload("failed.csv", shore.good(40))
    shore.step("record_failure", **failed, error="AccessDenied", cause="no grant")


def data_rows(index: MemoryIndex) -> dict[str, Any]:
    return {sk: row for (_, sk), row in index.rows.items()}


def test_a_lost_table_is_made_again_equal(shore: Any) -> None:
    history(shore)
    before = data_rows(shore.index)
    kinds = {sk.partition("#")[0] for sk in before}
    assert kinds == {
        "COUNTER", "DATASET", "CONTENT", "UPLOAD", "FILE", "GATHERING", "BATCH", "MEMBER", "AUDIT"
    }  # fmt: skip
    shore.index = MemoryIndex()
    expected = rebuild_index.rows_of(shore.objects, "tides")
    found = rebuild_index.difference(expected, shore.index, "tides")
    assert (set(found.missing), found.changed, found.strange) == (set(before), [], [])
    assert rebuild_index.rebuild(expected, found.missing, index=shore.index, project="tides") == len(before)
    assert data_rows(shore.index) == before
    assert not rebuild_index.difference(expected, shore.index, "tides")


def test_after_the_rebuild_history_goes_on(shore: Any) -> None:
    history(shore)
    shore.index = MemoryIndex()
    expected = rebuild_index.rows_of(shore.objects, "tides")
    rebuild_index.rebuild(expected, expected, index=shore.index, project="tides")
    answer = shore.walk(shore.upload("next.csv", shore.good(50)))
    assert answer["dataset_version"] == 5
    assert shore.walk(shore.upload("june/_SUCCESS", b""))["dataset_version"] == 6


def test_what_differs_is_named(shore: Any) -> None:
    history(shore)
    pk = names.pk("tides")
    shore.index.rows[pk, "DATASET#00001"]["rows"] = 7
    shore.index.rows[pk, "DATASET#00099"] = {"pk": pk, "sk": "DATASET#00099", "version": 99}
    del shore.index.rows[pk, names.sk_file("a.csv")]
    found = rebuild_index.difference(rebuild_index.rows_of(shore.objects, "tides"), shore.index, "tides")
    assert (found.missing, found.changed, found.strange) == (["FILE#a.csv"], ["DATASET#00001"], ["DATASET#00099"])


def test_other_stages_rows_are_left_alone(shore: Any) -> None:
    history(shore)
    pk = names.pk("tides")
    for sk in ("RUN#tides-v00001", "AUDIT#2026#run"):
        shore.index.rows[pk, sk] = {"pk": pk, "sk": sk}
    assert not rebuild_index.difference(rebuild_index.rows_of(shore.objects, "tides"), shore.index, "tides")


@pytest.mark.parametrize("lost", [names.UPLOADS, names.DATASETS, names.FILES, names.GATHERINGS, names.MEMBERS])
def test_rows_of_one_kind_come_back(shore: Any, lost: str) -> None:
    history(shore)
    before = data_rows(shore.index)
    for key in [key for key in shore.index.rows if key[1].startswith(lost)]:
        del shore.index.rows[key]
    expected = rebuild_index.rows_of(shore.objects, "tides")
    found = rebuild_index.difference(expected, shore.index, "tides")
    rebuild_index.rebuild(expected, found.missing, index=shore.index, project="tides")
    assert data_rows(shore.index) == before


def test_killed_between_any_two_calls_the_facts_still_suffice_for_what_was_settled(new_shore: Any) -> None:
    for call in itertools.count():
        shore = new_shore()
        shore.walk(shore.upload("a.csv", shore.good(1)))
        event = shore.upload("b.csv", shore.good(2))
        try:
            shore.walk(event, watch=shore.kill_at(call))
        except shore.Killed:
            shore.walk(event)
        else:
            break
        before = data_rows(shore.index)
        assert rebuild_index.rows_of(shore.objects, "tides").keys() == before.keys(), f"killed before call {call}"
    assert call > 20
