"""Many files become one version: folders that close with `_SUCCESS` or by falling quiet, in any order."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import names
from tidemill.data import moves, uploads
from tidemill.data.close_batch import LOOKS
from tidemill.data.manifests import Manifest
from tidemill.ports import Update


def folder(shore: Any, count: int = 3, name: str = "may") -> list[dict[str, Any]]:
    """Files of a folder, uploaded; their events."""
    return [shore.upload(f"{name}/{number}.csv", shore.good(number)) for number in range(count)]


def success(shore: Any, name: str = "may") -> dict[str, Any]:
    return shore.upload(f"{name}/_SUCCESS", b"")


def paths(shore: Any, version: int) -> list[str]:
    fact = json.loads(shore.objects.get(names.dataset("tides", version)))
    return [file.path for file in Manifest.model_validate(fact).files]


def states(shore: Any) -> dict[str, str]:
    return {row["key"].removeprefix("incoming/tides/"): row["state"] for row in shore.rows(names.UPLOADS)}


def test_files_of_a_folder_become_one_version_when_success_comes(shore: Any) -> None:
    for event in folder(shore):
        assert shore.register(event)["outcome"] == "waiting"
    answer = shore.walk(success(shore))
    assert (answer["outcome"], answer["dataset_version"]) == ("accepted", 1)
    assert paths(shore, 1) == ["may/0.csv", "may/1.csv", "may/2.csv"]
    assert states(shore) == {
        "may/0.csv": "accepted", "may/1.csv": "accepted", "may/2.csv": "accepted", "may/_SUCCESS": "marker"
    }  # fmt: skip
    (batch,) = shore.rows(names.BATCHES)
    assert (batch["state"], batch["dataset_version"], batch["files"]) == ("accepted", 1, 3)


def test_a_folder_closes_when_it_was_quiet_after_its_last_file(shore: Any) -> None:
    waiting = [shore.register(event) for event in folder(shore)]
    assert {answer["wait_seconds"] for answer in waiting} == {shore.project.batch.quiet_seconds}
    places = [
        {name: answer[name] for name in ("project", "folder", "batch_id", "upload_id", "looks")}
        for answer in waiting
    ]
    ends = [shore.step("close_batch", **place)["outcome"] for place in places]
    assert ends == ["later", "later", "closed"]
    assert shore.step("close_batch", **places[2])["outcome"] == "closed"  # the answer was lost, say
    assert shore.step("close_batch", **places[0])["outcome"] == "later"  # one of them is enough
    key = names.pk(shore.project.name), names.sk_batch(places[0]["batch_id"])
    shore.index.transact([Update(*key, {"state": uploads.FAILED})])
    assert shore.step("close_batch", **places[0])["outcome"] == "closed"  # the one that closed it came to nothing


def test_success_waits_for_files_whose_events_have_not_come(shore: Any) -> None:
    first, second, third = folder(shore)
    shore.register(first)
    shore.register(second)
    marker = shore.register(success(shore))
    place = {name: marker[name] for name in ("project", "folder", "batch_id", "upload_id", "looks")}
    answer = shore.step("close_batch", **place)
    assert (answer["outcome"], answer["looks"]) == ("waiting", 1)
    shore.register(third)
    assert shore.step("close_batch", **{**place, "looks": 1})["outcome"] == "closed"


def test_a_file_whose_event_never_comes_does_not_hold_the_others_for_ever(shore: Any) -> None:
    first, _, _ = folder(shore)
    shore.register(first)
    marker = shore.register(success(shore))
    place = {name: marker[name] for name in ("project", "folder", "batch_id", "upload_id")}
    assert shore.step("close_batch", **place, looks=LOOKS)["outcome"] == "closed"


def test_a_file_after_the_close_begins_the_next_batch(shore: Any) -> None:
    for event in folder(shore):
        shore.register(event)
    shore.walk(success(shore))
    late = shore.walk(shore.upload("may/late.csv", shore.good(9)))
    assert (late["outcome"], late["dataset_version"]) == ("accepted", 2)
    assert paths(shore, 2) == ["may/0.csv", "may/1.csv", "may/2.csv", "may/late.csv"]
    assert [row["generation"] for row in sorted(shore.rows(names.BATCHES), key=lambda row: row["generation"])] == [
        1,
        2,
    ]


def test_a_success_without_files_makes_nothing(shore: Any) -> None:
    assert shore.walk(success(shore))["outcome"] == "empty"
    assert shore.walk(success(shore, "june"))["outcome"] == "empty"
    assert shore.rows(names.DATASETS) == []


def test_a_damaged_file_is_quarantined_and_the_others_go_on(shore: Any) -> None:
    events = [*folder(shore, 2), shore.upload("may/bad.csv", b"\x89PNG\r\n\0")]
    for event in events:
        shore.walk(event) if event is events[2] else shore.register(event)
    assert shore.walk(success(shore))["dataset_version"] == 1
    assert paths(shore, 1) == ["may/0.csv", "may/1.csv"]
    assert states(shore)["may/bad.csv"] == "quarantined"


def test_notes_of_writers_are_no_data(shore: Any) -> None:
    for name in ("may/_metadata", "may/.part-0.csv.crc", "_temporary"):
        answer = shore.walk(shore.upload(name, b"x"))
        assert (answer["outcome"], "not data" in answer["reason"]) == ("ignored", True)
    assert shore.rows(names.UPLOADS) == []


def test_the_same_content_twice_in_a_folder_counts_once(shore: Any) -> None:
    for name in ("a", "b"):
        shore.register(shore.upload(f"may/{name}.csv", shore.good(1)))
    shore.walk(success(shore))
    assert paths(shore, 1) == ["may/a.csv"]
    assert states(shore)["may/b.csv"] == "unchanged"


def test_a_file_that_was_overwritten_within_the_batch_is_superseded(shore: Any) -> None:
    early, late = shore.upload("may/a.csv", shore.good(1)), shore.upload("may/a.csv", shore.good(2))
    for event in (late, early):
        shore.register(event)
    shore.walk(success(shore))
    ends = {row["version_id"]: row["state"] for row in shore.rows(names.UPLOADS) if row.get("file")}
    assert ends == {"1": "superseded", "2": "accepted"}


def test_under_replace_a_version_holds_the_files_of_the_batch_alone(new_shore: Any) -> None:
    shore = new_shore(mode="replace")
    for name in ("may", "june"):
        for event in folder(shore, 2, name) if name == "may" else [shore.upload("june/x.csv", shore.good(7))]:
            shore.register(event)
        shore.walk(success(shore, name))
    assert (paths(shore, 1), paths(shore, 2)) == (["may/0.csv", "may/1.csv"], ["june/x.csv"])


def test_a_batch_that_breaks_the_rules_is_refused_as_one(shore: Any) -> None:
    for number in range(2):
        lines = [f"2026-01-0{i % 9 + 1},{i / 10 + number},1,N,1" for i in range(12)]
        shore.register(shore.upload(f"may/{number}.csv", shore.csv(lines)))
    answer = shore.walk(success(shore))
    assert (answer["outcome"], answer["code"]) == ("rejected", "target_one_class")
    assert {state for path, state in states(shore).items() if path.endswith(".csv")} == {"quarantined"}
    assert not [key for key in shore.objects.keys("incoming/") if key.endswith(".csv")]
    assert len(list(shore.objects.keys("quarantine/tides/"))) == 4


@pytest.mark.parametrize("name", ["a b+c%20.csv", "ü/日本.csv", "x/y/z/deep.csv", "100%.csv"])
def test_any_name_is_a_path(shore: Any, name: str) -> None:
    shore.register(shore.upload(f"may/{name}", shore.good()))
    assert shore.walk(success(shore))["dataset_version"] == 1
    assert paths(shore, 1) == [f"may/{name}"]


def gathered(shore: Any) -> list[dict[str, Any]]:
    return [*folder(shore), success(shore)]


def replaced(shore: Any) -> list[dict[str, Any]]:
    for event in folder(shore):
        shore.register(event)
    shore.walk(success(shore))
    return [shore.upload("may/1.csv", shore.good(8)), shore.upload("may/n.csv", shore.good(9)), success(shore)]


@pytest.mark.parametrize("scenario", [gathered, replaced])
def test_killed_before_any_call_and_delivered_again_it_ends_the_same(
    new_shore: Any, scenario: Callable[[Any], list[dict[str, Any]]]
) -> None:
    undisturbed = new_shore()
    events = scenario(undisturbed)
    for event in events[:-1]:
        undisturbed.register(event)
    undisturbed.walk(events[-1])
    for call in itertools.count():
        shore = new_shore()
        events = scenario(shore)
        for event in events[:-1]:
            shore.register(event)
        try:
            shore.walk(events[-1], watch=shore.kill_at(call))
        except shore.Killed:
            shore.walk(events[-1])
        else:
            break
        assert shore.state() == undisturbed.state(), f"killed before call {call}"
    assert call > 30


@given(
    order=st.lists(st.integers(0, 7), max_size=200),
    shuffled=st.permutations(range(4)),
    twice=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_in_any_order_and_interleaving_every_file_is_in_a_version(
    new_shore: Any, order: list[int], shuffled: list[int], twice: bool
) -> None:
    shore = new_shore()
    events = gathered(shore)
    delivered = [events[number] for number in shuffled] * (2 if twice else 1)
    tasks = [lambda watch, event=event: shore.walk(event, watch=watch) for event in delivered]
    answers = shore.interleave(tasks, order)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    newest = len(shore.rows(names.DATASETS))
    assert paths(shore, newest) == ["may/0.csv", "may/1.csv", "may/2.csv"]
    assert {state for path, state in states(shore).items() if path.endswith(".csv")} == {uploads.ACCEPTED}
    for row in [*shore.rows(names.UPLOADS), *shore.rows(names.BATCHES)]:
        assert {"pk": row["pk"], "sk": row["sk"], **json.loads(shore.objects.get(moves.fact_key(row)))} == row
