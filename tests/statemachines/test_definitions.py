"""Every state machine file is a sound graph of guarded tasks, and names only what exists."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra import data, definitions, monitoring, release, serving, training
from infra.definitions import DefinitionInvalid, load, states

FUNCTIONS = {
    "data": {work.construct_id for work in data.FUNCTIONS},
    "training": {work.construct_id for work in training.FUNCTIONS},
    "release": {work.construct_id for work in release.FUNCTIONS},
    "monitoring": {work.construct_id for work in monitoring.FUNCTIONS},
    "serving": {work.construct_id for work in serving.SCORING},
}
STARTED = {"data": {"TrainingMachine"}, "training": {"ReleaseMachine"}}
JSONPATH_FIELDS = {"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters", "ItemsPath"}

pytestmark = pytest.mark.parametrize("word", definitions.WORDS)


def machines(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The machine itself, and those inside its Map and Parallel states."""
    yield document
    for state in document["States"].values():
        inner = [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", [])
        for branch in inner:
            yield from machines(branch)


def successors(state: Mapping[str, Any]) -> set[str]:
    """The states that a state may go to."""
    names = {state[key] for key in ("Next", "Default") if key in state}
    names |= {choice["Next"] for choice in state.get("Choices", [])}
    return names | {catcher["Next"] for catcher in state.get("Catch", [])}


def tasks(word: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((path, state) for path, state in states(load(word).document()) if state["Type"] == "Task")


def function_of(task: Mapping[str, Any]) -> str | None:
    """The function that a task calls; None if it calls none."""
    arguments = task.get("Arguments", {})
    return None if isinstance(arguments, str) else arguments.get("FunctionName")


def test_every_state_is_reachable_and_every_arrow_leads_somewhere(word: str) -> None:
    for machine in machines(load(word).document()):
        reached: set[str] = set()
        waiting = {machine["StartAt"]}
        while waiting:
            reached |= waiting
            waiting = {after for name in waiting for after in successors(machine["States"][name])} - reached
        assert reached == set(machine["States"])


def test_every_way_can_come_to_an_end(word: str) -> None:
    for machine in machines(load(word).document()):
        ending = {
            name
            for name, state in machine["States"].items()
            if state.get("End") or state["Type"] in ("Succeed", "Fail")
        }
        while grown := {
            name for name, state in machine["States"].items() if name not in ending and successors(state) & ending
        }:
            ending |= grown
        assert ending == set(machine["States"])


def test_the_file_is_jsonata_throughout(word: str) -> None:
    document = load(word).document()
    assert document["QueryLanguage"] == "JSONata"
    for path, state in states(document):
        assert state.get("QueryLanguage", "JSONata") == "JSONata", path
        assert not JSONPATH_FIELDS & set(state), path


def test_every_task_has_a_timeout_a_retry_and_a_catch(word: str) -> None:
    guarded = list(tasks(word))
    assert guarded
    for path, task in guarded:
        assert task["TimeoutSeconds"] > 0, path
        assert task["Retry"], path
        assert task["Catch"], path
        for retrier in task["Retry"]:
            assert retrier["ErrorEquals"], path
            # States.ALL would repeat what repeating cannot mend.
            assert "States.ALL" not in retrier["ErrorEquals"], path


def test_a_task_waits_as_long_as_its_function_may_run(word: str) -> None:
    every = (*data.FUNCTIONS, *training.FUNCTIONS, *release.FUNCTIONS, *monitoring.FUNCTIONS, *serving.SCORING)
    seconds = {f"${{{work.construct_id}}}": work.seconds for work in every}
    for path, task in tasks(word):
        function = function_of(task) or task["Resource"]
        if function in seconds:
            assert task["TimeoutSeconds"] >= seconds[function], path


def test_placeholders_are_the_functions_of_the_stage_and_the_machines_it_starts(word: str) -> None:
    definition = load(word)
    assert set(definition.functions) <= FUNCTIONS[word]
    assert set(definition.machines) == STARTED.get(word, set())


def test_each_function_has_a_state_of_its_name(word: str) -> None:
    called = {path.split("/")[-1]: function_of(task) for path, task in tasks(word)}
    for function in load(word).functions:
        assert called[function] == f"${{{function}}}"


def test_the_filled_definition_is_valid_json_without_placeholders(word: str) -> None:
    definition = load(word)
    identities = {name: f"arn:aws:it:::{name}" for name in (*definition.functions, *definition.machines)}
    filled = definition.filled(identities)
    json.loads(filled)
    assert "${" not in filled
    with pytest.raises(DefinitionInvalid, match=definition.functions[0]):
        definition.filled({name: arn for name, arn in identities.items() if name != definition.functions[0]})


@pytest.mark.parametrize("text", ["{", '{"States": "${lower}"}', '{"States": "${Verb.Noun}"}'])
def test_a_file_that_cannot_be_used_is_refused(word: str, text: str, tmp_path: Path) -> None:
    (tmp_path / f"{word}.asl.json").write_text(text)
    with pytest.raises(DefinitionInvalid, match=rf"{word}\.asl\.json"):
        load(word, folder=tmp_path)
