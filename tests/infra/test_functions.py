"""Every function is as the table "Functions" of docs/architecture.md says, and has every default."""

import re
from pathlib import Path

import pytest

from infra import data, monitoring, outcomes, release, serving, training
from infra.function import Work
from infra.grants import (
    answers,
    asks_endpoints,
    guards,
    lists_versions,
    moves_alias,
    publishes_models,
    reads,
    reads_alias,
    removes,
    starts,
    table,
    table_reads,
    tells_people,
    tokens,
    writes,
)  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent.parent
WORKS: dict[str, tuple[str, Work]] = {
    work.name: (word, work)
    for word, works in (
        ("data", data.FUNCTIONS),
        ("training", training.FUNCTIONS),
        ("release", (*release.FUNCTIONS, release.WITHDRAW_CHALLENGER)),
        (
            "serving",
            (
                serving.SERVE_API,
                serving.AUTHORIZE_REQUEST,
                serving.DELIVER_CAPTURE,
                serving.PREDICT,
                *serving.SCORING,
            ),
        ),
        ("serving", (outcomes.TAKE_OUTCOMES,)),
        ("monitoring", monitoring.FUNCTIONS),
    )
    for work in works
}
IN_WORDS = {
    "T": table(),
    "T read": table_reads(),
    "T tokens": tokens(),
    "publish the model layer": publishes_models(),
    "configure and publish the project's endpoint function": publishes_models(),
    "read its alias": reads_alias(),
    "invoke versions of the project's endpoint function": asks_endpoints(),
    "read and update alias `live`": moves_alias(),
    "make and remove the guards' alarms": guards(),
    "start training": starts("training"),
    "answer waiting releases": answers("release"),
    "tell the stage's topic": tells_people(),
    "list versions of incoming": lists_versions("incoming"),
    "delete from incoming": removes("incoming"),
    "nothing but its logs": (),
}


def documented() -> list[list[str]]:
    """The rows of the table."""
    text = (ROOT / "docs" / "architecture.md").read_text().split("## Functions")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def granted(may: str) -> set:
    """The grants that the words of the last column mean."""
    grants: set = set()
    for phrase in re.split(r"[,;] ", may):
        if phrase.startswith(("R ", "W ")):
            versions = phrase.endswith(" (with versions)")
            prefixes = phrase[2:].removesuffix(" (with versions)").split()
            each = [reads(p, versions=versions) if phrase[0] == "R" else writes(p) for p in prefixes]
            grants |= {one for several in each for one in flat(several)}
        else:
            grants |= set(flat(IN_WORDS[phrase]))
    return grants


def flat(grants) -> set:
    """Grants as (action, resource, list prefix) triples, so that how they are grouped does not matter."""
    return {
        (action, resource, prefix)
        for grant in grants
        for action in grant.actions
        for resource in grant.resources
        for condition in (grant.conditions or {"": {}}).values()
        for prefix in condition.get("s3:prefix", [""])
    }


def test_the_table_and_the_infrastructure_name_the_same_functions() -> None:
    assert {row[0].split()[0] for row in documented()} == set(WORKS)


@pytest.mark.parametrize("row", documented(), ids=lambda row: row[0].split()[0])
def test_a_function_is_as_documented(row: list[str]) -> None:
    name, stage, layers, memory, seconds, may = row
    word, work = WORKS[name.split()[0]]
    assert (word, work.layers, work.memory, work.seconds) == (
        stage,
        tuple(layers.split()),
        int(memory),
        int(seconds),
    )
    assert flat(work.may) == granted(may)


@pytest.mark.parametrize("name", WORKS)
def test_a_handler_file_exists(name: str) -> None:
    word, work = WORKS[name]
    assert "def handler(" in (ROOT / "functions" / word / f"{work.name}.py").read_text()


def test_no_handler_file_is_left_undeployed() -> None:
    files = {path.stem for path in (ROOT / "functions").rglob("*.py")}
    assert files == set(WORKS)


def test_every_function_has_the_defaults(any_stage, of_kind) -> None:
    functions = of_kind(any_stage.platform, "AWS::Lambda::Function")
    # predict: one per project; authorize_request: where the API asks for tokens
    assert len(functions) == len(WORKS) - 2 + 3
    for function in functions.values():
        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == ["x86_64"]
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert "LogGroup" in function["LoggingConfig"]
        variables = function["Environment"]["Variables"]
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "Tidemill"
        assert variables["POWERTOOLS_SERVICE_NAME"] in ("data", "training", "release", "serving", "monitoring")


def test_every_log_line_ends_some_day(any_stage, of_kind) -> None:
    groups = of_kind(any_stage.platform, "AWS::Logs::LogGroup").values()
    assert {group["RetentionInDays"] for group in groups} == {
        {"local": 7, "dev": 30, "prod": 365}[any_stage.stage]
    }


def test_what_nobody_waits_for_sends_its_failures_to_the_queue(dev, of_kind) -> None:
    invoked = of_kind(dev.platform, "AWS::Lambda::EventInvokeConfig").values()
    names = {each["FunctionName"]["Ref"] for each in invoked}
    asynchronous = {work.construct_id for _, work in WORKS.values() if work.asynchronous}
    assert {name for name in asynchronous if any(name in ref for ref in names)} == asynchronous
    assert len(names) == len(asynchronous) == 4


def test_local_functions_take_third_party_packages_from_the_checkout(assembly, of_kind) -> None:
    layers = {stage: of_kind(assembly(stage).platform, "AWS::Lambda::LayerVersion") for stage in ("local", "dev")}
    assert [layer["LayerName"] for layer in layers["local"].values()] == ["tidemill-local-core"]
    assert {layer["LayerName"] for layer in layers["dev"].values()} == {
        f"tidemill-dev-{name}" for name in ("core", "numeric", "arrow", "ml", "export", "serve")
    }


def test_the_overrides_of_waiting_times_reach_the_functions_of_local_alone(assembly, of_kind) -> None:
    for stage, expected in (("local", {"TIDEMILL_LOOK_SECONDS", "TIDEMILL_COOL_DOWN_SECONDS"}), ("prod", set())):
        for function in of_kind(assembly(stage).platform, "AWS::Lambda::Function").values():
            variables = function["Environment"]["Variables"]
            if "TIDEMILL_TABLE" in variables:
                assert {name for name in variables if name.endswith("_SECONDS")} == expected
                assert ("TIDEMILL_REHEARSAL" in variables) is (stage == "local")
