"""The handler of steering: who acts is who signed the request; a conflict is 409."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tidemill.adapters import wiring

FILE = Path(__file__).resolve().parents[3] / "functions" / "release" / "steer_release.py"
ONE, TWO = "tides-v00001", "tides-v00002"
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="1", tenant_id=None
)


@pytest.fixture
def steer(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("objects", "index", "endpoints", "guards"):
        monkeypatch.setattr(wiring, name, lambda name=name: getattr(world, name))
    world.released(ONE)
    world.experiment(TWO)
    world.shift(TWO, 0)
    spec = importlib.util.spec_from_file_location("steer_release_handler", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(body: Any, by: Any = "arn:ada") -> tuple[int, dict[str, Any]]:
        found = {"iam": {"userArn": by}} if isinstance(by, str) else by
        signed = {"authorizer": found} if found else {}
        # A project with routes of its own has no path parameter.
        event = {"requestContext": signed, "rawPath": "/projects/tides/release", "body": json.dumps(body)}
        answer = module.handler(event, CONTEXT)
        return answer["statusCode"], json.loads(answer["body"])

    return call


def test_a_person_steers_in_their_own_name(world: Any, steer: Any) -> None:
    status, told = steer({"action": "promote", "reason": "fine"})
    assert (status, told["state"], told["live"]["champion"]["model"]) == (200, "promoted", 2)
    assert "pk" not in told["live"]
    assert world.fact(f"releases/tides/{TWO}/decision.json")["by"] == "arn:ada"
    status, told = steer({"action": "promote", "reason": "fine"})
    assert (status, told["error"]) == (409, "ConflictError")


@pytest.mark.parametrize(
    ("body", "by", "status"),
    [
        ({"action": "promote", "reason": "x"}, None, 403),
        ({"action": "promote"}, "arn:ada", 422),
        ({"action": "explode", "reason": "x"}, "arn:ada", 422),
        ({"action": "promote", "reason": "x", "by": "arn:eve"}, "arn:ada", 422),
        ({"action": "promote", "reason": "x", "epoch": 1}, "arn:ada", 409),
    ],
)
def test_what_cannot_be_done_moves_nothing(
    world: Any, steer: Any, body: dict[str, Any], by: str | None, status: int
) -> None:
    before = world.pointer
    assert steer(body, by)[0] == status
    assert world.pointer == before


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ({"jwt": {"claims": {"sub": "7f1", "email": "ada@example.org"}}}, "jwt:7f1"),
        ({"lambda": {"client": "night-watch"}}, "token:night-watch"),
    ],
)
def test_who_comes_with_a_jwt_or_a_token_steers_in_that_name(
    world: Any, steer: Any, found: dict[str, Any], name: str
) -> None:
    assert steer({"action": "rollback", "reason": "complaints"}, found)[0] == 200
    assert world.fact(f"releases/tides/{TWO}/decision.json")["by"] == name


def test_a_client_above_its_limit_steers_nothing(world: Any, steer: Any) -> None:
    before = world.pointer
    found = {"lambda": {"client": "night-watch", "wait_seconds": "17"}}
    status, told = steer({"action": "rollback", "reason": "complaints"}, found)
    assert (status, told["error"]) == (429, "TooManyRequests")
    assert world.pointer == before
