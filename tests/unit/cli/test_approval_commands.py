"""`approve`, `refuse` and `approvals`: what is asked of the API, and what is shown."""

import json
from typing import Any

import pytest

from cli.api import Api, ApiError
from tidemill import names

AT = "2026-05-04T12:00:00+00:00"
Asked = list[tuple[str, str, Any]]


@pytest.fixture
def waiting(put: Any) -> Any:
    def write(release_id: str, state: str = "pending", **more: Any) -> None:
        row = {"release_id": release_id, "model": 2, "state": state, "submitted_by": ["arn:ada"], "at": AT}
        put(names.sk_approval(release_id), **row, deadline=AT, token="secret-token", **more)

    return write


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    requests: Asked = []

    def call(self: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
        requests.append((method, path, body))
        state = {"approve": "approved", "refuse": "refused"}[body["decision"]]
        return {"release_id": path.split("/")[-2], "model": 2, "state": state}

    monkeypatch.setattr(Api, "call", call)
    return requests


@pytest.mark.parametrize(("command", "said"), [("approve", "begins"), ("refuse", "has ended")])
def test_the_release_that_waits_is_decided_through_the_api(
    run: Any, waiting: Any, asked: Asked, command: str, said: str
) -> None:
    waiting("flights-v00002")
    waiting("flights-v00001", "refused", by="arn:bob", reason="no")
    done = run(command, "flights", "--reason", "the board said so")
    assert done.exit_code == 0, done.stderr
    body = {"decision": command, "reason": "the board said so"}
    assert asked == [("POST", "/projects/flights/releases/flights-v00002/decision", body)]
    assert said in done.stdout


def test_of_several_that_wait_one_is_to_be_named(run: Any, waiting: Any, asked: Asked) -> None:
    waiting("flights-v00002")
    waiting("flights-v00003")
    done = run("approve", "flights", "-r", "x")
    assert (done.exit_code, asked) == (2, [])
    assert "flights-v00002" in done.stderr
    assert run("approve", "flights", "flights-v00003", "-r", "x").exit_code == 0
    assert asked[0][1] == "/projects/flights/releases/flights-v00003/decision"


def test_where_none_waits_nothing_is_decided(run: Any, asked: Asked) -> None:
    done = run("refuse", "flights", "-r", "x")
    assert (done.exit_code, asked) == (1, [])
    assert "waits for approval" in done.stderr


def test_a_decision_that_does_not_stand_is_an_error(
    run: Any, waiting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(self: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
        raise ApiError(409, "ConflictError", "it was refused already by arn:bob")

    monkeypatch.setattr(Api, "call", call)
    waiting("flights-v00002")
    done = run("approve", "flights", "-r", "x")
    assert done.exit_code == 1
    assert "409 ConflictError: it was refused already by arn:bob" in done.stderr


def test_the_list_shows_no_token(run: Any, waiting: Any) -> None:
    assert "approval: required" in run("approvals", "flights").stdout
    waiting("flights-v00002")
    done = run("approvals", "flights")
    assert "flights-v00002" in done.stdout
    assert "secret-token" not in done.stdout
    (row,) = json.loads(run("approvals", "flights", "--json").stdout)
    assert (row["state"], row["submitted_by"]) == ("pending", ["arn:ada"])
    assert "token" not in row
