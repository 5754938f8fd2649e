"""A client of the HTTP API: requests signed with Signature Version 4, errors told in the API's own words."""

import json
import urllib.parse
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.httpsession import URLLib3Session

from cli.errors import Refused

SERVICE = "execute-api"
TIMEOUT_SECONDS = 60
CONNECTIONS = 16


class ApiError(Refused):
    """The API answered with an error. `status` is the HTTP status, `error` the class it names."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(f"the API answered {status} {error}: {message}")
        self.status = status
        self.error = error


class Api:
    """The HTTP API at `url`; threads may share one."""

    def __init__(self, url: str, session: boto3.Session) -> None:
        self.url = url.rstrip("/")
        self._region = session.region_name
        self._credentials = session.get_credentials()
        self._http = URLLib3Session(timeout=TIMEOUT_SECONDS, max_pool_connections=CONNECTIONS)

    def predict(
        self, project: str, instances: Sequence[dict[str, Any]], entity_id: str | None = None
    ) -> dict[str, Any]:
        """Predictions for the instances: `predictions`, `model_version`, `variant`. Raises ApiError."""
        body: dict[str, Any] = {"instances": list(instances)}
        if entity_id is not None:
            body["entity_id"] = entity_id
        return self.call("POST", f"/projects/{_segment(project)}/predict", body)

    def send_outcomes(self, project: str, outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Hand in what really happened, as `{"prediction_id", "outcome"}`. Raises ApiError."""
        return self.call("POST", f"/projects/{_segment(project)}/outcomes", {"outcomes": list(outcomes)})

    def decide(self, project: str, release: str, decision: str, reason: str) -> dict[str, Any]:
        """Approve or refuse a release that waits, in the name of whose credentials these are. Raises ApiError."""
        path = f"/projects/{_segment(project)}/releases/{_segment(release)}/decision"
        return self.call("POST", path, {"decision": decision, "reason": reason})

    def steer(self, project: str, action: str, reason: str, *, epoch: int) -> dict[str, Any]:
        """Promote, roll back, pause or resume, unless the pointer has moved since that epoch. Raises ApiError."""
        body = {"action": action, "reason": reason, "epoch": epoch}
        return self.call("POST", f"/projects/{_segment(project)}/release", body)

    def project(self, project: str) -> dict[str, Any]:
        """What the API tells of a project. Raises ApiError."""
        return self.call("GET", f"/projects/{_segment(project)}")

    def openapi(self, project: str) -> dict[str, Any]:
        """The OpenAPI document of a project's API. Raises ApiError."""
        return self.call("GET", f"/projects/{_segment(project)}/openapi.json")

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The JSON answer. Raises ApiError for a status of 400 or more, Refused when there is no answer."""
        if self._credentials is None:
            raise NoCredentialsError
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        request = AWSRequest(
            method=method, url=self.url + path, data=data, headers={"Content-Type": "application/json"}
        )
        SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(request)
        try:
            response = self._http.send(request.prepare())
        except BotoCoreError as error:
            raise Refused(f"the API at {self.url} cannot be reached: {error}") from error
        return _parsed(response.status_code, response.content)


def _parsed(status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = {"message": content[:200].decode(errors="replace")}
    if status >= 400:
        # API Gateway itself says "message" only; the functions say which error it is.
        raise ApiError(status, answer.get("error", ""), answer.get("message", ""))
    return dict(answer)


def _segment(text: str) -> str:
    return urllib.parse.quote(text, safe="")
