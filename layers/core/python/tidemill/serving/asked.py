"""What a person asks of the API: who they are, what of, and the answer to it. For functions behind a route of
their own; errors become answers here."""

import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tidemill import token_names
from tidemill.errors import NotAllowed, RequestInvalid, TidemillError
from tidemill.serving import http

Contract = TypeVar("Contract", bound=BaseModel)


def person(event: Mapping[str, Any]) -> str:
    """Who asks, as API Gateway found it: the ARN of whoever signed the request, or `jwt:` and the subject of the
    JWT that came with it. No field of the request says so. Raises NotAllowed if nobody is named; an API token
    names a program, of which one person may have several.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    found = event["requestContext"].get("authorizer") or {}
    if arn := (found.get("iam") or {}).get("userArn"):
        return str(arn)
    if subject := ((found.get("jwt") or {}).get("claims") or {}).get("sub"):
        return f"jwt:{subject}"
    raise NotAllowed(
        "this is decided by a person, and the request names none; sign it with IAM credentials, or send a JWT"
    )


def client(event: Mapping[str, Any]) -> str:
    """Who asks, who may be a program: a person, or `token:` and the name of the API token. Raises NotAllowed."""
    found = event["requestContext"].get("authorizer") or {}
    if name := (found.get("lambda") or {}).get(token_names.CONTEXT_CLIENT):
        return f"token:{name}"
    return person(event)


def project(event: Mapping[str, Any]) -> str:
    """The project in the path: a project with routes of its own has no parameter that tells it."""
    return urllib.parse.unquote(str(event["rawPath"]).split("/")[2])


def parsed(contract: type[Contract], event: Mapping[str, Any]) -> Contract:
    """The request's body as the contract has it. Raises RequestInvalid, PayloadTooLarge."""
    try:
        return contract.model_validate(http.body(event))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "body"
        raise RequestInvalid(place, fault["msg"]) from error


def answered(event: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What is made, with 200, or the error that came of it with its status; 429 for a client above its limit."""
    try:
        http.refuse_above_limit(event)
        return http.answer(200, make())
    except TidemillError as error:
        return http.answer(error.status, http.problem(error), http.headers(error))
