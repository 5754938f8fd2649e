"""A stage on moto that knows two projects, and a way to run commands against it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from cli import connection
from cli.connection import Connection
from cli.deployment import Deployment
from cli.main import app
from tidemill import names
from tidemill.ports import Put

STAGE = "dev"
BUCKET = "tidemill-dev-data"
TABLE = "tidemill-dev"
REGION = "eu-central-1"
AT = "2025-03-01T12:00:00+00:00"
ARN = f"arn:aws:states:{REGION}:123456789012:stateMachine:tidemill-dev"


@pytest.fixture(autouse=True)
def no_embedded_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No command finds the checkout's own cloud, nor one that other tests run in this process."""
    monkeypatch.setenv(connection.ENV_STATE, str(tmp_path / "no-state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-cache"))
    monkeypatch.delenv(connection.ENV_PORT, raising=False)
    connection._connect_local.cache_clear()
    yield
    connection._connect_local.cache_clear()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "TIDEMILL_STAGE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def deployment(credentials: None) -> Iterator[Deployment]:
    """Stage `dev` as a deployment leaves it: bucket, table, parameters, nothing in them."""
    with mock_aws():
        session = boto3.Session()
        s3, dynamodb, ssm = (session.client(service) for service in ("s3", "dynamodb", "ssm"))
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        things = {"data-bucket": BUCKET, "table": TABLE, "api-url": "https://api.example"}
        things |= {f"endpoint/{name}": names.endpoint_function(STAGE, name) for name in ("flights", "diamonds")}
        things |= {"mode/flights": "append", "mode/diamonds": "replace"}
        things |= {
            f"state-machine/{word}": f"{ARN}-{word}"
            for word in ("data", "training", "release", "monitoring", "serving")
        }
        things["function/settle_release"] = "tidemill-dev-settle_release"
        for thing, value in things.items():
            ssm.put_parameter(Name=names.parameter(STAGE, thing), Value=value, Type="String")
        yield Deployment(STAGE, Connection(session, None))


@pytest.fixture
def put(deployment: Deployment) -> Callable[..., None]:
    """Write a row of project flights."""

    def write(sk: str, **row: Any) -> None:
        deployment.index.transact([Put(names.pk("flights"), sk, row)])

    return write


@pytest.fixture
def write_json(deployment: Deployment) -> Callable[[str, Any], None]:
    """Write a JSON document."""
    return lambda key, value: deployment.objects.put(key, json.dumps(value).encode())


@pytest.fixture
def run(deployment: Deployment) -> Callable[..., Any]:
    """Run a command against stage dev; a result with `exit_code`, `stdout`, `stderr`."""
    runner = CliRunner(env={"TIDEMILL_STAGE": STAGE, "COLUMNS": "200", "NO_COLOR": "1"})
    return lambda *arguments: runner.invoke(app, list(arguments))
