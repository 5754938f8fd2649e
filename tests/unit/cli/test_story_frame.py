"""The story's frame: steps in order, each measured; the first thing that did not happen ends it, by name."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.deployment import Deployment
from cli.errors import Refused
from cli.story import data_steps, observe
from cli.story.play import STEPS, play, require_empty
from cli.story.scene import Scene, StoryFailed
from tidemill import names


@pytest.fixture
def scene(deployment: Deployment, tmp_path: Path) -> Scene:
    return Scene(deployment, folder=tmp_path, reports=tmp_path, say=lambda _: None)


def console() -> Console:
    return Console(file=io.StringIO())


def test_steps_are_told_in_order_with_their_time(scene: Scene) -> None:
    told: list[str] = []

    def step(name: str) -> Callable[[Scene], str]:
        def tell(_: Scene) -> str:
            told.append(name)
            return name

        return tell

    facts = play(scene, console(), steps=[("first", step("a")), ("second", step("b"))])
    assert told == ["a", "b"]
    assert list(facts["seconds"]) == ["first", "second"]


def test_what_did_not_happen_ends_the_story_by_name(scene: Scene) -> None:
    def untrue(scene: Scene) -> str:
        scene.check(1 > 2, "the sun to rise", "night", "the window")
        return "never"

    with pytest.raises(StoryFailed) as caught:
        play(scene, console(), steps=[("dawn", untrue), ("noon", lambda _: pytest.fail("went on"))])
    assert "step 'dawn': expected the sun to rise; found 'night'; look at: the window" in str(caught.value)
    assert caught.value.code == 1


def test_any_refusal_names_the_step_it_was_in(scene: Scene) -> None:
    def refused(_: Scene) -> str:
        raise Refused("the API answered 500")

    with pytest.raises(StoryFailed, match=r"step 'replay'.*the API answered 500"):
        play(scene, console(), steps=[("replay", refused)])


def test_a_fault_of_the_program_is_not_taken_for_one_of_the_story(scene: Scene) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        play(scene, console(), steps=[("noon", lambda _: str(1 // 0))])
    assert caught.value.__notes__ == ["in step 'noon' of the story"]


def test_titles_differ() -> None:
    titles = [title for title, _ in STEPS]
    assert len(set(titles)) == len(titles)


def test_the_story_begins_with_no_data(scene: Scene, put: Any) -> None:
    require_empty(scene)
    put(names.sk_dataset(1), version=1)
    with pytest.raises(Refused, match=r"'flights' has dataset versions \[1\]"):
        require_empty(scene)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"state": "quarantined", "code": "not_csv"}, "the upload to be accepted"),
        ({"state": "accepted", "dataset_version": 2}, "dataset version 1"),
    ],
)
def test_an_upload_that_did_not_become_the_version_is_noticed(
    scene: Scene, put: Any, row: dict[str, Any], message: str
) -> None:
    sent = observe.upload(scene, "flights", "x.csv", b"a\n1\n")
    put(names.sk_upload(sent.upload_id), **row)
    with pytest.raises(StoryFailed, match=message):
        observe.accepted_version(scene, sent, number=1, rows=1)


def test_rows_and_parent_of_a_version_are_checked(scene: Scene, put: Any) -> None:
    sent = observe.upload(scene, "flights", "x.csv", b"a\n1\n")
    put(names.sk_upload(sent.upload_id), state="accepted", dataset_version=2)
    put(names.sk_dataset(2), version=2, identity="abc", rows=10, parent=1)
    assert observe.accepted_version(scene, sent, number=2, rows=10)["rows"] == 10
    with pytest.raises(StoryFailed, match="11 rows"):
        observe.accepted_version(scene, sent, number=2, rows=11)
    put(names.sk_dataset(2), version=2, identity="abc", rows=10, parent=0)
    with pytest.raises(StoryFailed, match="parent 1"):
        observe.accepted_version(scene, sent, number=2, rows=10)


@pytest.mark.parametrize(
    ("sk", "row"), [(names.sk_dataset(2), {"version": 2}), (names.sk_run("x"), {"run_id": "x"})]
)
def test_anything_new_after_a_damaged_file_is_noticed(
    scene: Scene, put: Any, sk: str, row: dict[str, Any]
) -> None:
    put(names.sk_dataset(1), version=1)
    put(names.sk_run("flights-v00001"), run_id="flights-v00001")
    data_steps._nothing_new(scene, [])
    put(sk, **row)
    with pytest.raises(StoryFailed):
        data_steps._nothing_new(scene, [])


@pytest.mark.parametrize(("candidate", "fails"), [(0.2, False), (0.5, True), (0.6, True)])
def test_a_model_that_does_not_beat_the_baseline_is_noticed(
    scene: Scene, write_json: Any, candidate: float, fails: bool
) -> None:
    found = {"metric": "log_loss", "metrics": {"log_loss": candidate}, "baseline": {"metrics": {"log_loss": 0.5}}}
    write_json(names.run("flights", "r") + "evaluation.json", found)
    if fails:
        with pytest.raises(StoryFailed, match=r"below the baseline's 0\.5000"):
            observe.evaluation(scene, "flights", "r")
    else:
        assert observe.evaluation(scene, "flights", "r") == found
