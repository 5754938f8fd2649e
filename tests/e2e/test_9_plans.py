"""A release by replay, then by entity, on the embedded cloud with IAM enforced: an entity keeps its arm, also when
the challenger's share grows, and what was replayed is no traffic."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from cli.api import ApiError
from cli.deployment import Deployment
from cli.story import observe, wines
from cli.story.replay import instances
from cli.story.scene import Scene
from tests.e2e.test_6_wines import run
from tidemill import names
from tidemill.release import shadowed
from tidemill.release.assignment import arm
from tidemill.serving import day_lines

PROJECT = "tugs"
CHALLENGER = f"{PROJECT}-v00001-manual-entity"
CUSTOMERS = [f"customer-{number}" for number in range(40)]
WEIGHTS = (0.3, 0.6)  # as conftest.py has them
PATIENCE = 200


def until(seen: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := seen()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def asked(deployment: Deployment, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A row to ask; the first model is live."""
    rows = wines.wines(seed=7)
    file = tmp_path_factory.mktemp("tugs") / "wines.csv"
    file.write_bytes(wines.to_csv(rows.head(150)))
    run("data", "push", PROJECT, str(file), "--wait")
    return instances(rows.tail(1), scene.project(PROJECT))


def ended(row: dict[str, Any]) -> dict[str, Any]:
    """The row of a release that is settled, else nothing."""
    return row if row and row["state"] != "running" else {}


def captured(deployment: Deployment) -> dict[str, str]:
    """Request id → variant."""
    now = datetime.now(UTC)
    found = day_lines.lines(
        deployment.objects, partial(names.captured, PROJECT), since=now, until=now, counted=Counter()
    )
    return {line["request_id"]: line["variant"] for line in found}


def test_an_entity_keeps_its_arm_also_when_the_weight_grows(
    deployment: Deployment, scene: Scene, asked: list[dict[str, Any]]
) -> None:
    with pytest.raises(ApiError, match="entity_id: is missing"):
        deployment.api.predict(PROJECT, asked)
    champion = deployment.api.predict(PROJECT, asked, CUSTOMERS[0])["variant"]
    for customer in CUSTOMERS[1:10]:
        deployment.api.predict(PROJECT, asked, customer)
    until(lambda: len(captured(deployment)) == 10, "ten requests captured")

    options = {"waive_gates": "a release to look at", "seed": 11}
    payload = {"project": PROJECT, "dataset_version": 1, "run_id": CHALLENGER, "trigger": "manual"}
    payload |= {"reason": "another model", "options": options}
    deployment.workflows.start("training", name=CHALLENGER, payload=payload)
    observe.ended_run(scene, PROJECT, CHALLENGER)

    def row() -> Any:
        return deployment.index.get(names.pk(PROJECT), names.sk_release(CHALLENGER)) or {}

    begun = until(
        lambda: row() if row().get("step") == 1 and row().get("since") else ended(row()), "a first share"
    )
    assert begun["state"] == "running", begun
    replayed = list(shadowed.answers(deployment.objects, shadowed.folder(PROJECT, CHALLENGER, 0)))
    assert len(replayed) == 10
    assert not [line for line in replayed if "error" in line]
    assert set(captured(deployment).values()) == {champion}

    variants = (champion, begun["function_version"])
    before = answers(deployment, asked)
    assert before == {each: variants[arm(each, CHALLENGER, [WEIGHTS[0]])] for each in CUSTOMERS}
    assert answers(deployment, asked) == before
    assert observe.alias(deployment, PROJECT) == (begun["arms"][1], {})

    step = {"project": PROJECT, "release_id": CHALLENGER, "step": 2}
    assert deployment.invoke("shift_traffic", step)["weight"] == WEIGHTS[1]
    after = answers(deployment, asked)
    assert after == {each: variants[arm(each, CHALLENGER, [WEIGHTS[1]])] for each in CUSTOMERS}
    moved = {(before[each], after[each]) for each in CUSTOMERS if before[each] != after[each]}
    assert moved == {variants}

    run("release", "rollback", PROJECT, "--reason", "seen")
    assert observe.alias(deployment, PROJECT) == (champion, {})
    assert set(answers(deployment, asked).values()) == {champion}


def answers(deployment: Deployment, asked: list[dict[str, Any]]) -> dict[str, str]:
    """Who answered each customer."""
    return {each: deployment.api.predict(PROJECT, asked, each)["variant"] for each in CUSTOMERS}
