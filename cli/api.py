"""A client of the HTTP API: requests signed with Signature Version 4, or with a token; errors told in the API's
own words."""

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
from tidemill import token_names

SERVICE = "execute-api"
TIMEOUT_SECONDS = 60
CONNECTIONS = 16
_OTHERS = f"; where the stage asks for a token, give --token or set {token_names.ENV_TOKEN}"
_UNSET = f". Where the stage asks for IAM, unset {token_names.ENV_TOKEN}"
_REMEDIES = {
    (401, False): _OTHERS,
    (403, False): f"; these credentials may not do this{_OTHERS}",
    (401, True): "; this token is not accepted: it may have ended, or be another issuer's",
    (403, True): "; this token does not open this (`tidemill tokens list`)" + _UNSET,
}
"""What to do about a refusal of API Gateway's own, by whether a token was sent."""


class ApiError(Refused):
    """The API answered with an error. `status` is the HTTP status, `error` the class it names."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(f"the API answered {status} {error}: {message}")
        self.status = status
        self.error = error


class Api:
    """The HTTP API at `url`; threads may share one."""

    def __init__(self, url: str, session: boto3.Session, token: str | None = None) -> None:
        """`token`: an API token or a JWT that is sent in place of a signature. Raises Refused for what cannot be
        one; no message ever shows it."""
        self.url = url.rstrip("/")
        self._token = token.strip() if token else None
        if self._token and not (self._token.isascii() and self._token.isprintable() and " " not in self._token):
            raise Refused(
                f"what --token or {token_names.ENV_TOKEN} gives cannot be a token; copy it again, as a whole"
            )
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

    def send_outcome_table(self, project: str, table: bytes) -> dict[str, Any]:
        """Hand in what really happened, as CSV. Raises ApiError."""
        return self.call("POST", f"/projects/{_segment(project)}/outcomes", table, content_type="text/csv")

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

    def call(
        self, method: str, path: str, body: Any = None, *, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """The JSON answer; bytes are sent as they are. Raises ApiError for a status of 400 or more, Refused when
        there is no answer."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body, allow_nan=False).encode()
        request = AWSRequest(method=method, url=self.url + path, data=data, headers={"Content-Type": content_type})
        self._sign(request)
        try:
            response = self._http.send(request.prepare())
        except BotoCoreError as error:
            raise Refused(f"the API at {self.url} cannot be reached: {error}") from error
        return _parsed(response.status_code, response.content, with_token=self._token is not None)

    def _sign(self, request: AWSRequest) -> None:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
            return
        if self._credentials is None:
            raise NoCredentialsError
        SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(request)


def _parsed(status: int, content: bytes, *, with_token: bool) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        answer = {"message": content[:200].decode(errors="replace")}
    if status >= 400:
        # API Gateway itself says "message" only; the functions say which error it is.
        remedy = _REMEDIES.get((status, with_token), "")
        raise ApiError(status, answer.get("error", ""), answer.get("message", "") + remedy)
    return dict(answer)


def _segment(text: str) -> str:
    return urllib.parse.quote(text, safe="")
