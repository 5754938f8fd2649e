"""Requests and answers of API Gateway's HTTP API (payload format 2.0), without a framework, for the hot path."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from tidemill import names
from tidemill.errors import PayloadTooLarge, RequestInvalid, TidemillError, TooManyRequests
from tidemill.serving import compact, faults
from tidemill.serving.values import Fault, as_unicode

MAX_BYTES = 1_000_000  # a body of 1,000 instances of 40 features has half of it


class BodyInvalid(RequestInvalid):
    """The body is not JSON at all."""

    status = 400

    def __init__(self, reason: str) -> None:
        fault = Fault("not_json", {"contentMediaType": "application/json"}, reason)
        super().__init__("body", reason, [faults.document("body", fault)])


def is_http(event: Any) -> bool:
    """Whether an event came through API Gateway; else the function was invoked with the plain body."""
    return isinstance(event, dict) and "requestContext" in event


def refuse_above_limit(event: Mapping[str, Any]) -> None:
    """Raises TooManyRequests if the authorizer found that the client sends more than its token lets it."""
    context = event["requestContext"]
    # A direct invocation may hold anything there.
    authorizer = (context.get("authorizer") if isinstance(context, dict) else None) or {}
    wait = (authorizer.get("lambda") or {}).get(names.CONTEXT_WAIT)
    if wait:
        raise TooManyRequests(int(wait))


def refuse_too_large(event: Mapping[str, Any]) -> None:
    """Raises PayloadTooLarge, also where nothing reads the body."""
    text = event.get("body") or ""
    size = (
        len(text) * 3 // 4 - text[-2:].count("=")
        if event.get("isBase64Encoded")
        else len(text.encode(errors="surrogatepass"))
    )
    if size > MAX_BYTES:
        raise PayloadTooLarge(_too_large(size))


def body(event: Mapping[str, Any]) -> Any:
    """The JSON value in the body. Raises PayloadTooLarge or BodyInvalid."""
    try:
        return json.loads(content(event), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BodyInvalid(f"is not JSON: {str(error)[:200]}") from error


def content_type(event: Mapping[str, Any]) -> str:
    """The media type of the body, in small letters and without parameters; empty if it is not told."""
    headers = event.get("headers") or {}
    told = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return str(told).partition(";")[0].strip().lower()


def content(event: Mapping[str, Any]) -> bytes:
    """The bytes of the body. Raises PayloadTooLarge or BodyInvalid."""
    text = event.get("body") or ""
    refuse_too_large(event)
    try:
        found = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode()
    except ValueError as error:
        raise BodyInvalid(f"cannot be decoded: {error}") from error
    return found


def server(event: Mapping[str, Any]) -> str:
    """Where the API that took this request answers, without a closing slash."""
    headers = event.get("headers") or {}
    host = headers.get("host") or event["requestContext"].get("domainName")
    return f"{headers.get('x-forwarded-proto', 'https')}://{host}" if host else "/"


def answer(status: int, value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A response with a JSON body."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **(headers or {})},
        "body": compact.text(value),
    }


def headers(error: TidemillError) -> dict[str, str]:
    """What an error says beside its body: when to come again (RFC 9110, 10.2.3)."""
    return {"retry-after": str(error.seconds)} if isinstance(error, TooManyRequests) else {}


def problem(error: TidemillError) -> dict[str, Any]:
    """The body that says what was wrong: the error's class and its message; of a wrong request also the place of
    the first fault, and `faults`, each with `code`, `field`, `rule`, `message` and `value`."""
    if isinstance(error, RequestInvalid):
        said = {"error": RequestInvalid.__name__, "message": as_unicode(str(error)), "field": error.field}
        return {**said, "faults": faults.told(error), "more": error.more}
    return {"error": type(error).__name__, "message": str(error)}


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _too_large(size: int) -> str:
    return f"the body has {size} bytes, more than {MAX_BYTES}; send fewer rows per request"
