"""API Gateway's part in a test: an HTTP request becomes an event of payload format 2.0 for a function, and its
response an HTTP response (AWS, "Working with AWS Lambda proxy integrations for HTTP APIs"). As WSGI, for whatever
speaks that.
"""

import base64
import importlib.util
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema

ROOT = Path(__file__).resolve().parents[3]
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def function(name: str) -> ModuleType:
    """The function file `functions/serving/<name>.py`, imported anew."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "functions" / "serving" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def event(method: str, path: str, body: bytes, headers: dict[str, str], query: str = "") -> dict[str, Any]:
    """As API Gateway gives a body: text as text, anything else in base64."""
    try:
        text, encoded = body.decode(), False
    except UnicodeDecodeError:
        text, encoded = base64.b64encode(body).decode(), True
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", "x-forwarded-proto": "https", **headers},
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "gw", "stage": "$default"},
        **({"body": text} if body else {}),
        "isBase64Encoded": encoded,
    }


class Gateway:
    """Routes as the deployed ones: `predict` of the one project to its endpoint, everything else to the API."""

    def __init__(self, project: str, *, predict: Handler, api: Handler) -> None:
        self.route, self.predict, self.api = f"/projects/{project}/predict", predict, api
        self.statuses: list[int] = []

    def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The function's response."""
        handler = self.predict if (method, path) == ("POST", self.route) else self.api
        context = SimpleNamespace(
            aws_request_id="8f5a", function_name="f", memory_limit_in_mb=128, invoked_function_arn="arn"
        )
        response = handler(event(method, path, body, headers or {}), context)
        self.statuses.append(response["statusCode"])
        return response

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ.get("PATH_INFO", "/").encode("latin-1").decode(errors="replace")
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_HOST"
        }
        response = self.call(environ["REQUEST_METHOD"], path, body, headers)
        status = HTTPStatus(response["statusCode"])
        headers = {name.lower(): value for name, value in response.get("headers", {}).items()}
        for name, values in response.get("multiValueHeaders", {}).items():
            headers[name.lower()] = ", ".join(values)
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [response["body"].encode()]


def schema_of(document: dict[str, Any], name: str) -> jsonschema.Draft202012Validator:
    """A validator of that schema; formats are checked by the handler alone."""
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )
