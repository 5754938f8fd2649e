"""The data machine killed at every call, its events twice and out of order, its uploads interleaved."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import names
from tidemill.data import moves, uploads
from tidemill.data import versions as versions_of
from tidemill.data.manifests import File, Manifest
from tidemill.errors import TidemillError

Scenario = Callable[[Any], dict[str, Any]]


def first_version(shore: Any) -> dict[str, Any]:
    return shore.upload("a.csv", shore.good(1))


def second_version(shore: Any) -> dict[str, Any]:
    shore.walk(first_version(shore))
    return shore.upload("b.csv", shore.good(2))


def equal_content(shore: Any) -> dict[str, Any]:
    shore.walk(first_version(shore))
    return shore.upload("copy.csv", shore.good(1))


def late_arrival(shore: Any) -> dict[str, Any]:
    early, late = first_version(shore), shore.upload("a.csv", shore.good(2))
    shore.walk(late)
    return early


def no_table(shore: Any) -> dict[str, Any]:
    return shore.upload("a.csv", b"at,at\n1,2\n")


def broken_rule(shore: Any) -> dict[str, Any]:
    return shore.upload("a.csv", shore.csv(["yesterday,high,1,NW,1"] * 12))


def no_project(shore: Any) -> dict[str, Any]:
    return shore.upload("a.csv", shore.good(), project="river")


SCENARIOS = [first_version, second_version, equal_content, late_arrival, no_table, broken_rule, no_project]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_before_any_call_and_delivered_again_it_ends_the_same(new_shore: Any, scenario: Scenario) -> None:
    undisturbed = new_shore()
    answer = undisturbed.walk(scenario(undisturbed))
    for call in itertools.count():
        shore = new_shore()
        event = scenario(shore)
        try:
            shore.walk(event, watch=shore.kill_at(call))
        except shore.Killed:
            again = shore.walk(event)
        else:
            break
        assert shore.state() == undisturbed.state(), f"killed before call {call}"
        told = again.keys() & answer.keys()
        assert {name: again[name] for name in told} == {name: answer[name] for name in told}
    assert call > 4


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_event_delivered_twice_changes_nothing(new_shore: Any, scenario: Scenario) -> None:
    shore = new_shore()
    event = scenario(shore)
    shore.walk(event)
    before = shore.state()
    shore.walk(event)
    assert shore.state() == before


def test_another_upload_between_the_kill_and_the_second_delivery_loses_nothing(new_shore: Any) -> None:
    for call in itertools.count():
        shore = new_shore()
        event, other = second_version(shore), shore.upload("c.csv", shore.good(3))
        try:
            shore.walk(event, watch=shore.kill_at(call))
        except shore.Killed:
            shore.walk(other)
            shore.walk(event)
        else:
            break
        require_a_sound_history(shore)
        assert held_files(shore) == {"a.csv", "b.csv", "c.csv"}
        assert len(shore.rows(names.DATASETS)) == 3
    assert call > 20


def versions(shore: Any) -> list[dict[str, Any]]:
    keys = [key for key in shore.objects.keys("datasets/") if "comparison" not in key]
    return [versions_of.read_fact(shore.objects, "tides", number) for number in range(1, len(keys) + 1)]


def manifest_of(shore: Any, version: dict[str, Any]) -> Manifest:
    return Manifest.model_validate(version)


def held_files(shore: Any) -> set[str]:
    return {file.path for file in manifest_of(shore, versions(shore)[-1]).files}


def require_a_sound_history(shore: Any) -> None:
    """Dense numbers, a line of parents, facts equal to rows, one number per content, every upload settled."""
    facts, rows = versions(shore), shore.rows(names.DATASETS)
    assert [fact["version"] for fact in facts] == list(range(1, len(facts) + 1))
    assert [fact["parent"] for fact in facts] == list(range(len(facts)))
    for fact, row in zip(facts, rows, strict=True):
        assert row == {"pk": row["pk"], "sk": row["sk"], **versions_of.row_of(fact, fact["identity"])}
    assert len({fact["content"] for fact in facts}) == len(facts)
    contents = {row["sk"]: row["dataset_version"] for row in shore.rows(names.CONTENTS)}
    assert contents == {names.sk_content(fact["content"]): fact["version"] for fact in facts}
    assert {row["state"] for row in shore.rows(names.UPLOADS)} <= uploads.SETTLED
    numbers = sorted(row["dataset_version"] for row in shore.rows(names.UPLOADS) if row["state"] == "accepted")
    assert numbers == [fact["version"] for fact in facts]
    for fact in facts:
        manifest = manifest_of(shore, fact)
        assert (manifest.content, manifest.rows) == (fact["content"], fact["rows"])
        assert json.loads(shore.objects.get(names.validation("tides", fact["source"])))["outcome"] == "accepted"
    for row in shore.rows(names.UPLOADS):
        kept = json.loads(shore.objects.get(moves.fact_key(row)))
        assert {"pk": row["pk"], "sk": row["sk"], **kept} == row


def walks(shore: Any, events: list[dict[str, Any]]) -> list[Callable[[Callable[[], None]], Any]]:
    """One task for each event."""
    return [lambda watch, event=event: shore.walk(event, watch=watch) for event in events]


def switching_at(call: int) -> list[int]:
    """An interleaving of two tasks: the first one up to a call, then the second one to its end, then the rest."""
    return [0] * call + [1] * 1000


def test_a_later_upload_that_brings_nothing_new_wins_the_race_for_its_file(new_shore: Any) -> None:
    for call in range(40):
        shore = new_shore()
        shore.walk(shore.upload("a.csv", shore.good(1)))
        early, late = shore.upload("a.csv", shore.good(2)), shore.upload("a.csv", shore.good(1))
        shore.interleave(walks(shore, [early, late]), switching_at(call))
        require_a_sound_history(shore)
        (noted,) = shore.rows(names.FILES)
        assert noted["sequencer"] == late["sequencer"], f"switched before call {call}"


def test_an_upload_is_accepted_or_quarantined_never_both(new_shore: Any) -> None:
    fault = {"project": "tides", "code": "withdrawn", "reason": "by hand", "validation_key": None}
    ends = set()
    for call, turned in itertools.product(range(24), (False, True)):
        shore = new_shore()
        registered = shore.register(shore.upload("a.csv", shore.good()))
        ids = {"batch_id": registered["batch_id"]}
        shore.step("validate_version", **ids)
        tasks = [
            lambda watch, ids=ids, shore=shore: shore.step("accept_version", watch, **ids),
            lambda watch, ids=ids, shore=shore: shore.step("quarantine_upload", watch, **fault, **ids),
        ]
        answers = shore.interleave(tasks[::-1] if turned else tasks, switching_at(call))
        state = shore.upload_row(ids["batch_id"])["state"]
        assert len(versions(shore)) == (state == "accepted")
        assert sum(isinstance(answer, TidemillError) for answer in answers) == 1
        ends.add(state)
    assert ends == {"accepted", "quarantined"}


plans = st.lists(st.sampled_from(["a.csv", "b.csv", "c.csv", "d.csv"]), min_size=2, max_size=5)
choices = st.lists(st.integers(0, 7), max_size=150)


@given(files=plans, twice=st.booleans(), order=choices, mode=st.sampled_from(["append", "replace"]))
@settings(max_examples=150, deadline=None)
def test_any_interleaving_gives_a_line_of_dense_numbers_and_loses_no_upload(
    new_shore: Any, files: list[str], twice: bool, order: list[int], mode: str
) -> None:
    shore = new_shore(mode=mode)
    events = [shore.upload(file, shore.good(number)) for number, file in enumerate(files)]
    answers = shore.interleave(walks(shore, events * 2 if twice else events), order)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    require_a_sound_history(shore)
    latest = {file: event["sequencer"] for file, event in zip(files, events, strict=True)}
    states = {row["sequencer"]: row["state"] for row in shore.rows(names.UPLOADS)}
    assert len(states) == len(files)
    for file, sequencer in latest.items():
        assert states[sequencer] == "accepted", f"the latest upload of {file} is lost"
    if mode == "append":
        final = manifest_of(shore, versions(shore)[-1])
        by_upload = {row["sequencer"]: row["file"]["sha256"] for row in shore.rows(names.UPLOADS)}
        assert {file.path: file.sha256 for file in final.files} == {f: by_upload[s] for f, s in latest.items()}


files_of = st.builds(
    File,
    path=st.text(min_size=1, max_size=8),
    size=st.integers(0, 10**12),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    rows=st.integers(1, 10**9),
)


@given(
    st.lists(files_of, max_size=8, unique_by=lambda file: file.path).flatmap(
        lambda files: st.tuples(st.just(files), st.permutations(files))
    )
)
def test_a_content_does_not_depend_on_the_order_of_arrival(orders: tuple[list[File], list[File]]) -> None:
    one, other = (Manifest.of("tides", files) for files in orders)
    assert one.content == other.content
    assert one == other


@given(st.lists(files_of, min_size=1, max_size=4, unique_by=lambda file: file.path))
def test_a_content_tells_contents_paths_and_projects_apart(files: list[File]) -> None:
    same, first = Manifest.of("tides", files), files[0]
    changed = [
        Manifest.of("river", files),
        Manifest.of("tides", files[1:]),
        Manifest.of("tides", [first.model_copy(update={"sha256": "g" * 64}), *files[1:]]),
        Manifest.of("tides", [first.model_copy(update={"path": first.path + "x" * 9}), *files[1:]]),
    ]
    assert same.content not in {manifest.content for manifest in changed}
