"""What a person asks of the API: who they are, what of, and the answer to it. For functions behind a route of
their own; errors become answers here."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tidemill.errors import NotAllowed, RequestInvalid, TidemillError
from tidemill.serving import http

Contract = TypeVar("Contract", bound=BaseModel)


def person(event: Mapping[str, Any]) -> str:
    """The ARN of whoever signed the request, as API Gateway found it: no field of the request says so. Raises
    NotAllowed if it was not signed.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    identity = (event["requestContext"].get("authorizer") or {}).get("iam") or {}
    if not identity.get("userArn"):
        raise NotAllowed("this is decided by a person, and the request names none; sign it with IAM credentials")
    return str(identity["userArn"])


def parsed(contract: type[Contract], event: Mapping[str, Any]) -> Contract:
    """The request's body as the contract has it. Raises RequestInvalid, PayloadTooLarge."""
    try:
        return contract.model_validate(http.body(event))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "body"
        raise RequestInvalid(place, fault["msg"]) from error


def answered(make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What is made, with 200, or the error that came of it with its status."""
    try:
        return http.answer(200, make())
    except TidemillError as error:
        return http.answer(error.status, http.problem(error))
