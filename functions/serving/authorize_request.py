"""Function `authorize_request`: whether a request may go on, by its API token.

Called by API Gateway for each request to a stage of tokens. Notes a token's use. When it fails, nothing goes on.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from tidemill.adapters import wiring
from tidemill.observability import denied, logger, now
from tidemill.serving.authorize_request import authorize_request


class Event(BaseModel, frozen=True):
    """A request, payload format 2.0. Never logged: it holds the token."""

    route_key: str = Field(alias="routeKey")
    path: str = Field(alias="rawPath")
    parameters: Mapping[str, str] | None = Field(None, alias="pathParameters")
    headers: Mapping[str, str] = Field({}, repr=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    verdict = authorize_request(
        route_key=request.route_key,
        path=request.path,
        parameters=request.parameters or {},
        header=request.headers.get("authorization"),
        index=wiring.index(),
        counter=wiring.index(),
        clock=now,
    )
    if verdict.denied:
        logger.warning("denied", extra={"reason": verdict.denied, "client": verdict.client})
        denied(verdict.denied)
    return verdict.response()
