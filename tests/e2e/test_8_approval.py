"""A release that waits for a person, on the embedded cloud with IAM enforced: refused, asked many times at once,
replayed. One decision stands, and every attempt is in the audit trail."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cli.api import ApiError
from cli.deployment import Deployment
from cli.story import wines
from cli.story.scene import Scene
from tests.e2e.test_6_wines import run
from tests.e2e.test_9_plans import until
from tidemill import names

PROJECT = "locks"
TRIED = "release.decision_attempted"
FIRST, REFUSED = f"{PROJECT}-v00001", f"{PROJECT}-v00001-manual-refused"


@pytest.fixture(scope="module")
def asked(deployment: Deployment, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The release of the first model, which waits."""
    file = tmp_path_factory.mktemp("locks") / "wines.csv"
    file.write_bytes(wines.to_csv(wines.wines(seed=7).head(150)))
    run("data", "push", PROJECT, str(file))
    return until(lambda: waiting(deployment), "a release that waits")


def waiting(deployment: Deployment) -> str:
    rows = run("approvals", PROJECT, "--json")
    return next((str(row["release_id"]) for row in rows if row["state"] == "pending"), "")


def pointer(deployment: Deployment) -> dict[str, Any]:
    return deployment.index.get(names.pk(PROJECT), names.POINTER_LIVE) or {}


def attempts(deployment: Deployment, release_id: str) -> list[tuple[str, str | None]]:
    """What the audit trail tells of decisions on that release: the action, and what became of an attempt."""
    rows = deployment.index.query(names.pk(PROJECT), names.AUDIT)
    told = [row for row in rows if row["subject"] == f"release {release_id}"]
    words = ("release.approved", "release.refused", TRIED)
    return [(row["action"], row["details"].get("outcome")) for row in told if row["action"] in words]


def decide(deployment: Deployment, release_id: str, word: str) -> int | dict[str, Any]:
    """The answer, or the status of the refusal."""
    try:
        return deployment.api.decide(PROJECT, release_id, word, "because")
    except ApiError as error:
        return error.status


def test_many_say_yes_and_no_at_once_and_one_decision_stands(
    deployment: Deployment, scene: Scene, asked: str
) -> None:
    assert asked == FIRST
    assert deployment.index.get(names.pk(PROJECT), names.sk_release(asked)) is None, "nothing was released"
    words = ["approve", "refuse", "approve", "refuse", "approve", "refuse"]
    with ThreadPoolExecutor(len(words)) as pool:
        answers = list(pool.map(lambda word: decide(deployment, asked, word), words))
    standing = {answer["state"] for answer in answers if isinstance(answer, dict)}
    assert len(standing) == 1, answers
    assert {answer for answer in answers if isinstance(answer, int)} == {409}
    # Who says the same again before the first word was carried out carries it out, which is no other attempt.
    state = standing.pop()
    told = Counter(attempts(deployment, asked))
    assert (told[f"release.{state}", None], told[TRIED, "already decided"]) == (1, 3)
    assert [row["state"] for row in run("approvals", PROJECT, "--json")] == [state]
    mine, other = ("approve", "refuse") if state == "approved" else ("refuse", "approve")
    again = decide(deployment, asked, mine)
    assert isinstance(again, dict), again
    assert again["state"] == state
    assert decide(deployment, asked, other) == 409
    after = Counter(attempts(deployment, asked))
    assert after - told == {(TRIED, "repeated"): 1, (TRIED, "already decided"): 1}
    if state == "approved":
        until(lambda: pointer(deployment).get("champion"), "the model is live")


def test_a_refused_model_gets_no_traffic(deployment: Deployment, scene: Scene, asked: str) -> None:
    before = pointer(deployment)
    payload = {"project": PROJECT, "dataset_version": 1, "run_id": REFUSED, "trigger": "manual"}
    payload |= {"reason": "another model", "options": {"waive_gates": "to be refused", "seed": 11}}
    deployment.workflows.start("training", name=REFUSED, payload=payload)
    assert until(lambda: waiting(deployment), "a release that waits") == REFUSED
    assert run("refuse", PROJECT, "--reason", "worse for old vintages", "--json")["state"] == "refused"

    def ended() -> Any:
        row = deployment.index.get(names.pk(PROJECT), names.sk_release(REFUSED)) or {}
        return row.get("state")

    assert until(ended, "the release has ended") == "refused"
    assert pointer(deployment) == before
    assert decide(deployment, REFUSED, "approve") == 409
