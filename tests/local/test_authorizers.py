"""Who may call an HTTP API of the embedded cloud: JWTs against the keys of an issuer, and API tokens by Tidemill's
own function over a table.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tidemill import names, token_names
from tidemill.adapters.index import DynamoIndex
from tidemill.ports import Put
from tidemill.serving.tokens import form, steer

ROOT = Path(__file__).resolve().parents[2]
KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
SECRET = "5" * 64
OUTCOMES = "POST /projects/{project}/outcomes"


def url64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def jwt(claims: dict[str, Any], key: rsa.RSAPrivateKey = KEY, **header: Any) -> str:
    """A JWT, signed by RS256 whatever its header says."""
    head = {"alg": "RS256", "typ": "JWT", "kid": "one", **header}
    signed = ".".join(url64(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{url64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class Issuer(BaseHTTPRequestHandler):
    """An OpenID Connect provider: where its keys are, and the keys."""

    def do_GET(self) -> None:
        root = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        numbers = KEY.public_key().public_numbers()
        key = {
            name: url64(n.to_bytes((n.bit_length() + 7) // 8)) for name, n in (("n", numbers.n), ("e", numbers.e))
        }
        said = {
            "/.well-known/openid-configuration": {"issuer": root, "jwks_uri": f"{root}/keys"},
            "/keys": {"keys": [{"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", **key}]},
        }.get(self.path)
        body = json.dumps(said).encode()
        self.send_response(200 if said else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def send(url: str, token: str | None) -> tuple[int, Any]:
    headers = {"Authorization": token} if token is not None else {}
    request = urllib.request.Request(url, data=b"{}", method="POST", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture
def api(client: Callable[[str], Any], function: Callable[..., str], unique: str) -> Callable[..., str]:
    """An HTTP API with that authorizer before `POST /projects/{project}/outcomes`, which echoes; its endpoint."""

    def make(route: dict[str, Any], authorizer: dict[str, Any]) -> str:
        gateway = client("apigatewayv2")
        made = gateway.create_api(Name=unique, ProtocolType="HTTP")
        ask = gateway.create_authorizer(
            ApiId=made["ApiId"], Name="a", IdentitySource=["$request.header.Authorization"], **authorizer
        )
        target = gateway.create_integration(
            ApiId=made["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=function(), PayloadFormatVersion="2.0"
        )
        gateway.create_route(
            ApiId=made["ApiId"], RouteKey=OUTCOMES, AuthorizerId=ask["AuthorizerId"],
            Target=f"integrations/{target['IntegrationId']}", **route,
        )  # fmt: skip
        gateway.create_stage(ApiId=made["ApiId"], StageName="$default", AutoDeploy=True)
        return str(made["ApiEndpoint"])

    return make


@pytest.fixture
def protected(api: Callable[..., str], issuer: str) -> str:
    """An address behind JWTs of the issuer for `client`, with the scope of the route."""
    endpoint = api(
        {"AuthorizationType": "JWT", "AuthorizationScopes": ["tidemill/tides/outcomes"]},
        {"AuthorizerType": "JWT", "JwtConfiguration": {"Issuer": issuer, "Audience": ["client"]}},
    )
    return f"{endpoint}/projects/tides/outcomes"


def claims(issuer: str, **changed: Any) -> dict[str, Any]:
    """Claims that are let through, with these changed; those that are None left out."""
    now = int(time.time())
    good = {"iss": issuer, "aud": "client", "sub": "ann", "exp": now + 3600, "scope": "tidemill/tides/outcomes"}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


@pytest.mark.parametrize(
    "changed", [{}, {"aud": ["other", "client"]}, {"aud": None, "client_id": "client"}, {"nbf": 1}]
)
def test_a_jwt_of_the_issuer_for_the_audience_is_let_through(
    protected: str, issuer: str, changed: dict[str, Any]
) -> None:
    status, body = send(protected, f"Bearer {jwt(claims(issuer, **changed))}")
    assert status == 200
    assert body["event"]["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] == "ann"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"iss": "https://other.example"}, 401),
        ({"aud": "other"}, 401),
        ({"aud": None}, 401),
        ({"aud": "other", "client_id": "client"}, 401),
        ({"exp": 1}, 401),
        ({"exp": None}, 401),
        ({"nbf": int(time.time()) + 36000}, 401),
        ({"scope": "tidemill/tides/predict tidemill/depths/outcomes"}, 403),
        ({"scope": None}, 403),
    ],
)
def test_a_jwt_of_anybody_else_or_for_something_else_is_not(
    protected: str, issuer: str, changed: dict[str, Any], status: int
) -> None:
    assert send(protected, f"Bearer {jwt(claims(issuer, **changed))}")[0] == status


def test_a_jwt_that_the_issuer_did_not_sign_is_not(protected: str, issuer: str) -> None:
    good = jwt(claims(issuer))
    head, said, signature = good.split(".")
    more = url64(json.dumps(claims(issuer, sub="root")).encode())
    unsigned = url64(json.dumps({"alg": "none", "kid": "one"}).encode())
    for token in (
        jwt(claims(issuer), OTHER_KEY), jwt(claims(issuer), kid="two"), f"{head}.{more}.{signature}",
        f"{unsigned}.{said}.", f"{head}.{said}.", "x.y.z", "x",
    ):  # fmt: skip
        assert send(protected, f"Bearer {token}")[0] == 401, token
    assert send(protected, None)[0] == 401


@pytest.fixture(scope="module")
def packed(archive: Callable[..., bytes]) -> bytes:
    """The function `authorize_request` with the library."""
    library = ROOT / "layers" / "core" / "python"
    files = {str(path.relative_to(library)): path.read_text() for path in (library / "tidemill").rglob("*.py")}
    handler = (ROOT / "functions" / "serving" / "authorize_request.py").read_text()
    return archive({**files, "authorize_request.py": handler})


@pytest.fixture
def table(client: Callable[[str], Any], unique: str) -> Iterator[DynamoIndex]:
    client("dynamodb").create_table(
        TableName=unique,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    yield DynamoIndex(client("dynamodb"), unique)
    client("dynamodb").delete_table(TableName=unique)


@pytest.fixture
def tokened(
    api: Callable[..., str], function: Callable[..., str], packed: bytes, table: DynamoIndex
) -> Callable[[str], str]:
    """The address of a project behind the function that judges tokens."""
    judge = function(
        Handler="authorize_request.handler",
        Code={"ZipFile": packed},
        Environment={"Variables": {
            "TIDEMILL_STAGE": "t", "TIDEMILL_DATA_BUCKET": "b", "TIDEMILL_TABLE": table.table,
            "POWERTOOLS_SERVICE_NAME": "serving",
        }},
    )  # fmt: skip
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{judge}"
    endpoint = api(
        {"AuthorizationType": "CUSTOM"},
        {
            "AuthorizerType": "REQUEST",
            "AuthorizerUri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
            "AuthorizerPayloadFormatVersion": "2.0",
            "EnableSimpleResponses": True,
            "AuthorizerResultTtlInSeconds": 0,
        },
    )
    return lambda project: f"{endpoint}/projects/{project}/outcomes"


def create(table: DynamoIndex, **changed: Any) -> None:
    given = {"projects": ["tides"], "actions": ["outcomes"], "days": 1, "requests_per_minute": None, **changed}
    steer.create_token(name="app", secret=SECRET, by="ann", index=table, clock=lambda: datetime.now(UTC), **given)


BEARER = f"Bearer {form.write('app', SECRET)}"


def test_a_token_is_let_through_until_it_is_revoked_and_the_function_hears_whose(
    tokened: Callable[[str], str], table: DynamoIndex
) -> None:
    create(table)
    status, body = send(tokened("tides"), BEARER)
    assert (status, body["event"]["requestContext"]["authorizer"]["lambda"]) == (200, {"client": "app"})
    assert (table.get(token_names.PK_TOKENS, token_names.sk_token("app")) or {})["used_on"]
    assert send(tokened("depths"), BEARER)[0] == 403
    assert send(tokened("tides"), f"Bearer {form.write('app', '6' * 64)}") == (403, {"message": "Forbidden"})
    assert send(tokened("tides"), "Bearer x")[0] == 403
    assert send(tokened("tides"), None)[0] == 401
    steer.revoke_token(name="app", reason="", by="ann", index=table, clock=lambda: datetime.now(UTC))
    assert send(tokened("tides"), BEARER)[0] == 403


def test_a_rotated_token_is_let_through_with_both_secrets(
    tokened: Callable[[str], str], table: DynamoIndex
) -> None:
    create(table)
    steer.rotate_token(
        name="app", secret="7" * 64, grace=timedelta(hours=1), days=None, by="ann", index=table,
        clock=lambda: datetime.now(UTC),
    )  # fmt: skip
    assert send(tokened("tides"), BEARER)[0] == 200
    assert send(tokened("tides"), f"Bearer {form.write('app', '7' * 64)}")[0] == 200


def test_above_its_limit_a_token_is_let_through_to_be_told_to_wait(
    tokened: Callable[[str], str], table: DynamoIndex
) -> None:
    create(table, requests_per_minute=1)
    # A minute that is not over, however slow the machine is.
    counted = {"period": "9999-12-31T23:59+00:00", "made": 1}
    table.transact([Put(token_names.PK_TOKENS, token_names.sk_token_minute("app"), counted)])
    status, body = send(tokened("tides"), BEARER)
    told = body["event"]["requestContext"]["authorizer"]["lambda"]
    assert status == 200 and 0 < int(told[names.CONTEXT_WAIT]) <= 60


def test_where_the_table_cannot_be_asked_nothing_is_let_through(
    tokened: Callable[[str], str], table: DynamoIndex, client: Callable[[str], Any]
) -> None:
    create(table)
    client("dynamodb").delete_table(TableName=table.table)
    try:
        assert send(tokened("tides"), BEARER) == (500, {"message": "Internal Server Error"})
    finally:
        client("dynamodb").create_table(
            TableName=table.table, KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
        )  # fmt: skip
