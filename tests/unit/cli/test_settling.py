"""`promote`, `rollback`, `pause`, `resume`: what the API is asked, and which end is an error."""

from typing import Any

import pytest

from cli.api import Api, ApiError
from tidemill import names

CHAMPION, CHALLENGER = {"model": 1, "function_version": "2"}, {"model": 2, "function_version": "3"}
AFTER = {"champion": CHAMPION, "challenger": None, "weight": 0.0}
Asked = list[tuple[str, str, Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Let the API answer; the requests it gets."""
    requests: Asked = []

    def call(self: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
        requests.append((method, path, body))
        return {"release_id": "r2", "state": "rolled_back", "live": AFTER}

    monkeypatch.setattr(Api, "call", call)
    return requests


@pytest.fixture
def running(put: Any) -> None:
    put(names.POINTER_LIVE, champion=CHAMPION, challenger=CHALLENGER, weight=0.1, release_id="r2", epoch=7)


@pytest.mark.parametrize(
    ("command", "action"),
    [
        (("release", "promote"), "promote"),
        (("release", "rollback"), "rollback"),
        *(((word,), word) for word in ("promote", "rollback", "pause", "resume")),
    ],
)
def test_the_running_release_is_steered_as_it_was_seen(
    run: Any, running: None, asked: Asked, command: tuple[str, ...], action: str
) -> None:
    done = run(*command, "flights", "--reason", "the board said so")
    assert done.exit_code == 0, done.stderr
    body = {"action": action, "reason": "the board said so", "epoch": 7}
    assert asked == [("POST", "/projects/flights/release", body)]
    assert "model 1 answers all requests" in done.stdout


def test_without_a_challenger_only_a_promotion_can_be_taken_back(run: Any, put: Any, asked: Asked) -> None:
    put(names.POINTER_LIVE, champion=CHALLENGER, challenger=None, weight=0.0, release_id="r2", epoch=8)
    for word in ("promote", "pause", "resume"):
        done = run(word, "flights", "-r", "x")
        assert (done.exit_code, asked) == (1, [])
        assert f"no challenger to {word}: model 2 answers all requests" in done.stderr
    assert run("rollback", "flights", "-r", "it is worse").exit_code == 0
    assert asked[0][2]["action"] == "rollback"


def test_a_project_that_released_nothing_has_nothing_to_steer(run: Any, asked: Asked) -> None:
    done = run("rollback", "flights", "-r", "x")
    assert (done.exit_code, asked) == (1, [])
    assert "released nothing yet" in done.stderr


def test_a_conflict_says_what_is_so_now(run: Any, running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(self: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
        raise ApiError(409, "ConflictError", "the pointer was moved meanwhile: model 2 answers all requests")

    monkeypatch.setattr(Api, "call", call)
    done = run("promote", "flights", "--reason", "too late")
    assert done.exit_code == 1
    assert "409 ConflictError" in done.stderr
    assert "model 2 answers all requests" in done.stderr


def test_status_says_that_a_release_is_paused(run: Any, running: None, put: Any) -> None:
    at = "2026-05-04T12:00:00+00:00"
    paused = {"paused_at": at, "paused_by": "arn:ada", "paused_reason": "a storm"}
    row = {"release_id": "r2", "model": 2, "state": "running", "step": 0, "looks": 0, "at": at, **paused}
    put(names.sk_release("r2"), **row)
    assert "by arn:ada: a storm" in run("release", "status", "flights").stdout
