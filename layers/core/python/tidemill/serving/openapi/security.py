"""What an OpenAPI document says of who may call, by the stage's setting `auth`."""

from typing import Any

from tidemill.serving.routes import scope

_NAMES = {"iam": "sigv4", "jwt": "jwt", "token": "token"}


def required(auth: str) -> list[dict[str, list[str]]]:
    """What every operation asks for, unless it says otherwise."""
    return [{_NAMES[auth]: []}]


def schemes(auth: str, project: str) -> dict[str, Any]:
    """The one way in that the API knows."""
    return {_NAMES[auth]: {"iam": _signed, "jwt": _jwt, "token": _token}[auth](project)}


def limits(auth: str) -> dict[str, str]:
    """The answers to who sends too much: a token may have a limit of its own."""
    return {"429": "The token has no requests left in this minute: `Retry-After`."} if auth == "token" else {}


def _signed(project: str) -> dict[str, Any]:
    """AWS, "Controlling and managing access to HTTP APIs in API Gateway": IAM authorization."""
    return {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "AWS Signature Version 4 of the service execute-api",
        "x-amazon-apigateway-authtype": "awsSigv4",
    }


def _jwt(project: str) -> dict[str, Any]:
    described = ", ".join(scope(project, action) for action in ("predict", "outcomes", "read"))
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": f"A JWT of the issuer that the deployment trusts; where it asks for scopes: {described}",
    }


def _token(project: str) -> dict[str, Any]:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "tm_<name>_<secret>",
        "description": f"An API token: `tidemill tokens create NAME --project {project} --may predict` prints it",
    }
