"""`release promote` and `rollback`: who is asked what, and which end is an error."""

from collections.abc import Callable
from typing import Any

import pytest

from cli.deployment import Deployment
from tidemill import names

CHAMPION, CHALLENGER = {"model": 1, "function_version": "2"}, {"model": 2, "function_version": "3"}


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[dict[str, Any]]]:
    """Let SettleRelease answer with a state; the requests it gets."""

    def answer(state: str) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = []

        def invoke(self: Deployment, function: str, payload: dict[str, Any]) -> dict[str, Any]:
            assert function == "settle_release"
            requests.append(payload)
            return {"state": state, "reason": "because"}

        monkeypatch.setattr(Deployment, "invoke", invoke)
        return requests

    return answer


@pytest.mark.parametrize(
    ("command", "state", "verdict"), [("promote", "promoted", "promote"), ("rollback", "rolled_back", "roll_back")]
)
def test_the_running_release_is_settled_in_the_person_s_name(
    run: Any, put: Any, settle: Any, command: str, state: str, verdict: str
) -> None:
    put(names.POINTER_LIVE, champion=CHAMPION, challenger=CHALLENGER, weight=0.1, release_id="r2")
    requests = settle(state)
    done = run("release", command, "flights", "--reason", "the board said so")
    assert done.exit_code == 0, done.stderr
    assert requests == [
        {
            "project": "flights",
            "release_id": "r2",
            "verdict": verdict,
            "reason": "the board said so",
            "by": "arn:aws:sts::123456789012:user/moto",
        }
    ]
    assert "model 1 answers all requests" in done.stdout


def test_without_a_challenger_rollback_names_no_release(run: Any, put: Any, settle: Any) -> None:
    put(names.POINTER_LIVE, champion=CHALLENGER, challenger=None, weight=0.0, release_id="r2")
    requests = settle("rolled_back")
    assert run("release", "rollback", "flights", "-r", "it is worse").exit_code == 0
    assert "release_id" not in requests[0]


def test_a_decision_that_came_first_stands(run: Any, put: Any, settle: Any) -> None:
    put(names.POINTER_LIVE, champion=CHAMPION, challenger=CHALLENGER, weight=0.1, release_id="r2")
    settle("rolled_back")
    done = run("release", "promote", "flights", "--reason", "too late")
    assert done.exit_code == 1
    assert "rolled_back already" in done.stderr
