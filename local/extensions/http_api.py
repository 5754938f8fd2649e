"""HTTP APIs at an address that resolves, and without the stack traces of their functions.

The address MiniStack gives an API, `<api id>.execute-api.localhost`, resolves only where the system maps
`*.localhost`. Here `ApiEndpoint` (of the API, and of `AWS::ApiGatewayV2::Api` in a template) is
`http://127.0.0.1:<port>/_aws/execute-api/<api id>`, which MiniStack serves too, so that the same template works
on AWS and here. A function that fails answers 500 `{"message": "Internal Server Error"}`, as on AWS, and not
with its error. A JWT that does not say when it ends opens nothing, as on AWS.
"""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.services import apigateway, lambda_svc
from ministack.services.cloudformation import provisioners

Validated = tuple[dict[str, Any] | None, list[str] | None, tuple[Any, ...] | None]
"""Claims and scopes, or the refusal."""
Validate = Callable[..., Awaitable[Validated]]
API_TYPE = "AWS::ApiGatewayV2::Api"


def endpoint(api_id: str) -> str:
    return f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}/_aws/execute-api/{api_id}"


def internal_error() -> dict[str, Any]:
    """What an HTTP API answers when its function failed
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html)."""
    return {
        "statusCode": 500,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"message": "Internal Server Error"}),
    }


def needs_end(validate: Validate) -> Validate:
    """As `validate`, for JWTs that say when they end: `exp` is required
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html)."""

    async def validated(*args: Any) -> Validated:
        claims, scopes, refusal = await validate(*args)
        if refusal is None and "exp" not in (claims or {}):
            return None, None, apigateway._jwt_unauthorized()
        return claims, scopes, refusal

    return validated


def install() -> None:
    create: Callable[..., tuple[str, dict[str, Any]]] = provisioners._RESOURCE_HANDLERS[API_TYPE]["create"]
    describe: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]] = apigateway._create_api
    respond: Callable[[dict[str, Any]], tuple[dict[str, Any] | None, str | None]]
    respond = lambda_svc.lambda_execute_result_to_api_proxy_response

    def create_resource(*args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        api_id, attributes = create(*args, **kwargs)
        apigateway._apis[api_id]["apiEndpoint"] = endpoint(api_id)
        return api_id, {**attributes, "ApiEndpoint": endpoint(api_id)}

    def create_api(data: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = describe(data)
        api_id = json.loads(body).get("apiId")
        if api_id not in apigateway._apis:
            return status, headers, body
        apigateway._apis[api_id]["apiEndpoint"] = endpoint(api_id)
        return status, headers, json.dumps(json.loads(body) | {"apiEndpoint": endpoint(api_id)}).encode()

    def respond_without_details(result: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
        if result.get("error") and not result.get("throttle"):
            return internal_error(), None
        return respond(result)

    provisioners._RESOURCE_HANDLERS[API_TYPE]["create"] = create_resource
    apigateway._validate_jwt_authorizer = needs_end(apigateway._validate_jwt_authorizer)
    apigateway._create_api = create_api
    lambda_svc.lambda_execute_result_to_api_proxy_response = respond_without_details
