"""Tags: moved by compare-and-set, each move kept, killed at every call, raced."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import names
from tidemill.data import rebuild_index, tags
from tidemill.errors import ConflictError, IndexBehind, RecordNotFound, RequestInvalid


def numbered(new_shore: Any, count: int = 3) -> Any:
    """A shore with versions 1 to `count`."""
    shore = new_shore()
    for number in range(1, count + 1):
        shore.walk(shore.upload(f"{number}.csv", shore.good(number)))
    return shore


class Announced:
    """A port whose every call is announced before it is made."""

    def __init__(self, port: Any, announce: Callable[[], None]) -> None:
        self._port, self._announce = port, announce

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self._announce()
            return getattr(self._port, name)(*arguments, **options)

        return call


def move(shore: Any, version: int, *, tag: str = "train", watch: Any = lambda: None, **how: Any) -> Any:
    how = {"by": "a person", "reason": "good", "clock": lambda: shore.AT, **how}
    return tags.move_tag(
        project="tides",
        tag=tag,
        version=version,
        objects=Announced(shore.objects, watch),
        index=Announced(shore.index, watch),
        **how,
    )


def facts(shore: Any, tag: str = "train") -> list[dict[str, Any]]:
    return [json.loads(shore.objects.get(key)) for key in shore.objects.keys(f"tags/tides/{tag}/")]


def audits(shore: Any) -> list[dict[str, Any]]:
    return [row for row in shore.rows(names.AUDIT) if row["subject"] == "tag train"]


def require_sound(shore: Any) -> None:
    """One fact and one audit row for each move, the row equal to the last, each move from where the last went."""
    written, row = facts(shore), tags.read(shore.index, "tides", "train")
    assert [fact["epoch"] for fact in written] == list(range(1, row["epoch"] + 1))
    assert [fact["previous"] for fact in written] == [0, *(fact["version"] for fact in written[:-1])]
    if written:
        assert {k: v for k, v in written[-1].items() if k != "audit"} == {"project": "tides", **row}
    entries = sorted(audits(shore), key=lambda entry: entry["details"]["epoch"])
    assert [{"pk": names.pk("tides"), **fact["audit"]} for fact in written] == entries


def test_a_move_is_a_row_a_fact_and_an_audit_entry(new_shore: Any) -> None:
    shore = numbered(new_shore)
    row = move(shore, 2)
    assert (row["version"], row["previous"], row["epoch"], row["by"]) == (2, 0, 1, "a person")
    (fact,) = facts(shore)
    fact.pop("audit")
    assert fact == {
        "project": "tides", "tag": "train", "version": 2, "previous": 0, "epoch": 1,
        "at": shore.AT.isoformat(), "by": "a person", "reason": "good",
    }  # fmt: skip
    (entry,) = audits(shore)
    assert (entry["action"], entry["by"], entry["details"]["version"]) == ("data.tagged", "a person", 2)
    require_sound(shore)


def test_moving_it_where_it_is_changes_nothing(new_shore: Any) -> None:
    shore = numbered(new_shore)
    first = move(shore, 2)
    before = shore.state()
    assert move(shore, 2, by="another", clock=lambda: shore.AT + timedelta(hours=1)) == first
    assert shore.state() == before


def test_compare_and_set(new_shore: Any) -> None:
    shore = numbered(new_shore)
    move(shore, 1, expected=None)
    with pytest.raises(ConflictError, match="expected to point to version 3, but it points to version 1"):
        move(shore, 2, expected=3)
    with pytest.raises(ConflictError, match=r"expected to point to nothing, but .* version 1 .* by a person"):
        move(shore, 2, expected=None)
    move(shore, 2, expected=1)
    move(shore, 2, expected=2)
    with pytest.raises(ConflictError, match="version 3, but it points to version 2"):
        move(shore, 2, expected=3)
    assert [fact["version"] for fact in facts(shore)] == [1, 2]
    require_sound(shore)


def test_there_and_back_is_two_moves(new_shore: Any) -> None:
    shore = numbered(new_shore)
    for version in (1, 2, 1):
        move(shore, version)
    moves = tags.history("tides", "train", objects=shore.objects, index=shore.index)
    assert [row["version"] for row in moves] == [1, 2, 1]
    require_sound(shore)


def test_a_removed_tag_is_not_listed_and_its_history_goes_on(new_shore: Any) -> None:
    shore = numbered(new_shore)
    move(shore, 2)
    move(shore, 3, tag="prod")
    removed = move(shore, 0)
    assert (removed["version"], removed["previous"]) == (0, 2)
    assert [row["tag"] for row in tags.listing(shore.index, "tides")] == ["prod"]
    with pytest.raises(ConflictError, match="but it was removed at"):
        move(shore, 1, expected=2)
    move(shore, 1, expected=None)
    assert [fact["version"] for fact in facts(shore)] == [2, 0, 1]
    assert [entry["action"] for entry in audits(shore)].count("data.untagged") == 1
    require_sound(shore)


def test_a_version_that_is_not_there(new_shore: Any) -> None:
    shore = numbered(new_shore, 1)
    before = shore.state()
    with pytest.raises(RecordNotFound, match="no dataset version 9"):
        move(shore, 9)
    assert shore.state() == before


@pytest.mark.parametrize(
    "name",
    ["latest", "v3", "v00003", "3", "3a", "Train", "", "z" * 64, "a/b", "a b", "train@", "deadbeef", "train\n"],
)
def test_names_that_would_mean_something_else_are_refused(new_shore: Any, name: str) -> None:
    with pytest.raises(RequestInvalid, match="tag"):
        move(numbered(new_shore, 1), 1, tag=name)


@pytest.mark.parametrize("name", ["train", "t", "v", "v3.1", "facade", "model-7_b.old", "z" * 63])
def test_names_of_tags(new_shore: Any, name: str) -> None:
    assert move(numbered(new_shore, 1), 1, tag=name)["version"] == 1


@pytest.mark.parametrize("expected", [..., 1])
@pytest.mark.parametrize("target", [2, 0])
def test_killed_before_any_call_and_made_again_it_ends_the_same(
    new_shore: Any, expected: Any, target: int
) -> None:
    undisturbed = numbered(new_shore, 2)
    move(undisturbed, 1)
    row = move(undisturbed, target, expected=expected)
    for call in itertools.count():
        shore = numbered(new_shore, 2)
        move(shore, 1)
        try:
            move(shore, target, expected=expected, watch=shore.kill_at(call))
        except shore.Killed:
            again = move(shore, target, expected=expected)
        else:
            break
        assert again == row
        assert shore.state() == undisturbed.state(), f"killed before call {call}"
    assert call >= 6


def test_after_a_kill_reading_the_history_or_the_next_move_completes_it(new_shore: Any) -> None:
    lacking = 0
    for call in itertools.count():
        shore, other = numbered(new_shore), None
        try:
            move(shore, 1, watch=shore.kill_at(call))
        except shore.Killed:
            moved = tags.read(shore.index, "tides", "train")["epoch"] == 1
            lacking += moved and not facts(shore)
            other = tags.history("tides", "train", objects=shore.objects, index=shore.index)
            assert len(other) == moved == len(facts(shore))
            move(shore, 3)
        else:
            break
        require_sound(shore)
    assert (
        lacking >= 2
    )  # the fact was really left undone: before the look whether it exists, and before writing it


def test_the_rows_follow_from_the_facts(new_shore: Any) -> None:
    shore = numbered(new_shore)
    for version, tag in ((1, "train"), (3, "prod"), (2, "train"), (0, "prod"), (1, "train")):
        move(shore, version, tag=tag)
    pk = names.pk("tides")
    rows = {sk: {"pk": pk, "sk": sk, **row} for sk, row in tags.rows_of(shore.objects, "tides").items()}
    stored = [
        *shore.rows(names.TAGS),
        *(row for row in shore.rows(names.AUDIT) if row["subject"].startswith("tag ")),
    ]
    assert rows == {row["sk"]: row for row in stored}
    assert len(rows) == 2 + 5


def test_a_lost_table_is_made_again_with_its_tags(new_shore: Any) -> None:
    shore = numbered(new_shore)
    for version, tag in ((1, "train"), (2, "train"), (3, "prod")):
        move(shore, version, tag=tag)
    before = dict(shore.index.rows)
    assert not rebuild_index.difference(rebuild_index.rows_of(shore.objects, "tides"), shore.index, "tides")
    shore.index.rows.clear()
    expected = rebuild_index.rows_of(shore.objects, "tides")
    lost = rebuild_index.difference(expected, shore.index, "tides")
    rebuild_index.rebuild(expected, lost.missing, index=shore.index, project="tides")
    assert shore.index.rows == before
    assert move(shore, 3)["epoch"] == 3


def test_a_table_that_lost_moves_is_not_moved_on(new_shore: Any) -> None:
    shore = numbered(new_shore)
    move(shore, 1)
    move(shore, 2)
    del shore.index.rows[names.pk("tides"), names.sk_tag("train")]
    with pytest.raises(IndexBehind, match=r"tags/tides/train/00001\.json is not in the table"):
        move(shore, 3)
    assert [fact["version"] for fact in facts(shore)] == [1, 2]


@settings(max_examples=60, deadline=None)
@given(choices=st.lists(st.integers(0, 1), max_size=40))
def test_of_two_that_saw_the_same_one_moves(new_shore: Any, choices: list[int]) -> None:
    shore = numbered(new_shore)
    move(shore, 1)
    results = shore.interleave(
        [lambda watch, to=to: move(shore, to, expected=1, watch=watch, by=str(to)) for to in (2, 3)], choices
    )
    lost = [result for result in results if isinstance(result, ConflictError)]
    (won,) = [result for result in results if not isinstance(result, ConflictError)]
    assert len(lost) == 1
    assert f"points to version {won['version']}" in str(lost[0])
    require_sound(shore)


@settings(max_examples=60, deadline=None)
@given(choices=st.lists(st.integers(0, 2), max_size=60))
def test_movers_who_do_not_mind_all_move(new_shore: Any, choices: list[int]) -> None:
    shore = numbered(new_shore)
    results = shore.interleave(
        [lambda watch, to=to: move(shore, to, watch=watch, by=str(to)) for to in (1, 2, 3)], choices
    )
    assert not [result for result in results if isinstance(result, Exception)]
    assert sorted(fact["version"] for fact in facts(shore)) == [1, 2, 3]
    require_sound(shore)
