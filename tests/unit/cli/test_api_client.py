"""The API client against a real HTTP server: what is sent, and what becomes of each kind of answer."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError

from cli.api import Api, ApiError
from cli.errors import Refused


class Server(ThreadingHTTPServer):
    """Answers every request with `answer`, and keeps what it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.got.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def api(server: Server) -> Api:
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="eu-central-1")
    return Api(f"http://127.0.0.1:{server.server_port}/stage/", session)


def test_prediction_request_is_signed_json(api: Api, server: Server) -> None:
    server.answer = 200, b'{"predictions": [], "model_version": 3, "variant": "4"}'
    answer = api.predict("flights", [{"carrier": "AA", "rain": None}], "N123")
    assert answer["model_version"] == 3
    method, path, headers, body = server.got[0]
    assert (method, path) == ("POST", "/stage/projects/flights/predict")
    assert json.loads(body) == {"instances": [{"carrier": "AA", "rain": None}], "entity_id": "N123"}
    scope = "/eu-central-1/execute-api/aws4_request"
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert scope in headers["Authorization"]


def test_entity_is_left_out_unless_given(api: Api, server: Server) -> None:
    api.predict("flights", [{}])
    assert json.loads(server.got[0][3]) == {"instances": [{}]}


def test_a_project_name_cannot_leave_its_place(api: Api, server: Server) -> None:
    api.project("../health?x")
    assert server.got[0][:2] == ("GET", "/stage/projects/..%2Fhealth%3Fx")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            422,
            b'{"error": "RequestInvalid", "message": "instances[0].rain: below 0"}',
            "RequestInvalid: instances",
        ),
        (403, b'{"message": "Forbidden"}', "403 : Forbidden"),
        (502, b"<html>bad gateway</html>", "bad gateway"),
    ],
)
def test_errors_are_told_in_the_api_s_words(
    api: Api, server: Server, status: int, body: bytes, expected: str
) -> None:
    server.answer = status, body
    with pytest.raises(ApiError, match=expected) as caught:
        api.send_outcomes("flights", [{"prediction_id": "x.0", "outcome": 1}])
    assert caught.value.status == status


def test_nobody_there() -> None:
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="eu-central-1")
    with pytest.raises(Refused, match="cannot be reached"):
        Api("http://127.0.0.1:9", session).project("flights")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    session = boto3.Session(region_name="eu-central-1")
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    with pytest.raises(NoCredentialsError):
        Api(f"http://127.0.0.1:{server.server_port}", session).project("flights")
    assert server.got == []


def test_a_number_that_is_no_json_never_leaves(api: Api, server: Server) -> None:
    with pytest.raises(ValueError, match="JSON"):
        api.predict("flights", [{"rain": float("nan")}])
    assert server.got == []


def test_a_token_is_sent_in_place_of_a_signature_and_needs_no_credentials(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    session = boto3.Session(region_name="eu-central-1")
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    Api(f"http://127.0.0.1:{server.server_port}", session, " tm_app_secret\n").predict("flights", [{}])
    headers = server.got[0][2]
    assert headers["Authorization"] == "Bearer tm_app_secret"
    assert "X-Amz-Date" not in headers


@pytest.mark.parametrize(
    ("status", "token", "said"),
    [
        (401, None, "give --token or set TIDEMILL_TOKEN"),
        (403, None, "these credentials may not do this"),
        (401, "tm_secret", "this token is not accepted"),
        (403, "tm_secret", "this token does not open this"),
        (500, "tm_secret", "Internal"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_the_token(
    server: Server, status: int, token: str | None, said: str
) -> None:
    server.answer = status, b'{"message": "Internal"}'
    session = boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="eu-central-1")
    with pytest.raises(ApiError, match=said) as caught:
        Api(f"http://127.0.0.1:{server.server_port}", session, token).project("flights")
    assert "tm_secret" not in str(caught.value)


def test_nobody_there_does_not_show_the_token() -> None:
    with pytest.raises(Refused, match="cannot be reached") as caught:
        Api("http://127.0.0.1:9", boto3.Session(region_name="eu-central-1"), "tm_secret").project("flights")
    assert "tm_secret" not in str(caught.value)
