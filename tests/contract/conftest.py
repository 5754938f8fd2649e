"""The adapters under contract: in memory, in a directory, on moto and on the embedded cloud, or on the cloud that
TIDEMILL_TEST_ENDPOINT names.

Each test gets fresh adapters. What a test needs beyond the port (another version of an object, an object that is
deleted) goes through the `Bucket` beside them.
"""

import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws

from local.cloud import Cloud
from tidemill.adapters.directory import DirectoryObjects
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.memory import MemoryIndex, MemoryObjects, MemoryWorkflows
from tidemill.adapters.objects import S3Objects
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.adapters.workflows import StepFunctionsWorkflows
from tidemill.ports import Index, ObjectStore, Workflows

REGION = "eu-central-1"
KINDS = ["memory", "directory", "moto", "cloud"]
WAITS = {
    "Comment": "Waits long enough to be found running.",
    "StartAt": "Wait",
    "States": {"Wait": {"Type": "Wait", "Seconds": 30, "End": True}},
}


@dataclass
class Clients:
    """Clients of one AWS, real enough for the contract."""

    endpoint: str | None

    def __call__(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@dataclass
class Bucket:
    """An ObjectStore, and how to do to its objects what the port does not offer."""

    objects: ObjectStore
    client: Any = None

    def write(self, key: str, body: bytes) -> str:
        """Put an object; give the id of its version."""
        if isinstance(self.objects, MemoryObjects):
            self.objects.put(key, body)
            return str(len(self.objects.versions[key]))
        if isinstance(self.objects, DirectoryObjects):
            self.objects.put(key, body)
            stat = self.objects.head(key)
            assert stat
            return stat.version_id
        answer = self.client.put_object(Bucket=self.objects.bucket, Key=key, Body=body)
        return str(answer["VersionId"])

    def remove(self, key: str) -> None:
        """Delete an object and all its versions."""
        if isinstance(self.objects, MemoryObjects):
            del self.objects.versions[key]
            return
        if isinstance(self.objects, DirectoryObjects):
            self.objects.delete(key)
            return
        bucket = self.objects.bucket
        for version in self.client.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]:
            self.client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a cloud listens."""
    if named := os.environ.get("TIDEMILL_TEST_ENDPOINT"):
        yield named
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    cloud = Cloud(tmp_path_factory.mktemp("cloud"), port)
    cloud.start()
    yield cloud.endpoint
    cloud.stop()


@pytest.fixture
def clients(kind: str, request: pytest.FixtureRequest) -> Iterator[Clients | None]:
    """None for memory and directories."""
    if kind == "moto":
        with mock_aws():
            yield Clients(None)
    else:
        yield Clients(request.getfixturevalue("endpoint")) if kind == "cloud" else None


@pytest.fixture
def one_call_at_a_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto works on its tables without a lock, in the thread that calls: one call at a time, as a server would
    take them. Between the calls of one worker, others have theirs."""
    if kind != "moto":
        return
    lock, call = threading.Lock(), BaseClient._make_api_call

    def locked(self: BaseClient, *arguments: Any) -> Any:
        with lock:
            return call(self, *arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", locked)


@pytest.fixture
def bucket(kind: str, clients: Clients | None, tmp_path: Path) -> Bucket:
    """A bucket that keeps versions of every key."""
    if kind == "directory":
        return Bucket(DirectoryObjects(tmp_path / "bucket", versioned=[""]))
    if clients is None:
        return Bucket(MemoryObjects())
    client, name = clients("s3"), f"contract-{uuid.uuid4()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return Bucket(S3Objects(client, name), client)


@pytest.fixture
def objects(bucket: Bucket) -> ObjectStore:
    return bucket.objects


@pytest.fixture
def index(kind: str, clients: Clients | None, tmp_path: Path) -> Index:
    if kind == "directory":
        return SqliteIndex(tmp_path / "index.sqlite")
    if clients is None:
        return MemoryIndex()
    client, name = clients("dynamodb"), f"contract-{uuid.uuid4()}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return DynamoIndex(client, name)


@pytest.fixture
def workflows(kind: str, clients: Clients | None) -> Workflows:
    """A Workflows that knows the machines `training` and `release`."""
    if kind == "directory":
        pytest.skip("a directory has no state machines")
    if clients is None:
        return MemoryWorkflows()
    client = clients("stepfunctions")
    machines = {}
    for word in ("training", "release"):
        answer = client.create_state_machine(
            name=f"{word}-{uuid.uuid4()}",
            definition=json.dumps(WAITS),
            roleArn="arn:aws:iam::000000000000:role/contract",
        )
        machines[word] = answer["stateMachineArn"]
    return StepFunctionsWorkflows(client, machines)
