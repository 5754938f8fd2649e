"""What both functions refuse on every route: requests above a client's limit, and bodies that are too large."""

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.serving.gateway import Gateway, event
from tidemill import names
from tidemill.serving.http import MAX_BYTES

ROUTES = [
    ("POST", "/projects/tides/predict"),
    ("POST", "/projects/tides/outcomes"),
    ("GET", "/projects/tides"),
    ("GET", "/projects/tides/openapi.json"),
    ("GET", "/health"),
]
CONTEXT = SimpleNamespace(
    aws_request_id="8f5a", function_name="f", memory_limit_in_mb=128, invoked_function_arn="arn"
)


def send(gateway: Gateway, method: str, path: str, **changed: Any) -> dict[str, Any]:
    request = event(method, path, b"", {})
    request["requestContext"] |= changed.pop("context", {})
    handler = gateway.predict if (method, path) == ("POST", gateway.route) else gateway.api
    return handler({**request, **changed}, CONTEXT)


def header(response: dict[str, Any], name: str) -> str | None:
    told = {**response.get("headers", {}), **response.get("multiValueHeaders", {})}
    return {key.lower(): value for key, value in told.items()}.get(name)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_client_above_its_limit_is_told_when_to_come_again(gateway: Gateway, method: str, path: str) -> None:
    found = send(gateway, method, path, context={"authorizer": {"lambda": {names.CONTEXT_WAIT: "40"}}})
    assert found["statusCode"] == 429
    assert header(found, "retry-after") == "40"
    said = json.loads(found["body"])
    assert said["error"] == "TooManyRequests" and "40 s" in said["message"]


@pytest.mark.parametrize(
    "context",
    [{}, {"authorizer": None}, {"authorizer": {"lambda": None}}, {"authorizer": {"lambda": {"client": "app"}}},
     {"authorizer": {"iam": {"userArn": "arn"}}}, {"authorizer": {"jwt": {"claims": {}}}}],
)  # fmt: skip
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_is_within_it_is_answered(gateway: Gateway, method: str, path: str, context: dict[str, Any]) -> None:
    assert send(gateway, method, path, context=context)["statusCode"] in (200, 400)  # 400: there is no body


def test_a_direct_invocation_that_only_looks_like_one_of_api_gateway_is_refused(gateway: Gateway) -> None:
    for context in (None, 3, [], "x"):
        assert gateway.predict({"requestContext": context, "instances": []}, CONTEXT)["statusCode"] == 400


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_body_that_is_too_large_is_refused_on_every_route(
    gateway: Gateway, method: str, path: str, encoded: bool
) -> None:
    def sized(size: int) -> int:
        text = base64.b64encode(b" " * size).decode() if encoded else " " * size
        return int(send(gateway, method, path, body=text, isBase64Encoded=encoded)["statusCode"])

    assert sized(MAX_BYTES + 1) == 413
    assert sized(MAX_BYTES) != 413


@pytest.mark.parametrize(("method", "path"), ROUTES[:2])
def test_half_a_character_is_no_error_of_ours(gateway: Gateway, method: str, path: str) -> None:
    assert send(gateway, method, path, body='{"\ud800": 1}')["statusCode"] == 400


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_bytes_are_counted_not_characters(gateway: Gateway, method: str, path: str) -> None:
    assert send(gateway, method, path, body="é" * (MAX_BYTES // 2 + 1))["statusCode"] == 413
