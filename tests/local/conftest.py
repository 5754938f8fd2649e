"""One embedded cloud for these tests, on a free port, and the few things most of them make in it."""

import atexit
import io
import json
import os
import socket
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.cloud import Cloud

# MiniStack writes a key there when it is imported, which the tests of pure functions do.
SCRATCH = tempfile.TemporaryDirectory(prefix="tests-local-")
atexit.register(SCRATCH.cleanup)
os.environ.setdefault("STATE_DIR", SCRATCH.name)

ROLE = "arn:aws:iam::000000000000:role/tests"
ECHO = """
import os
def handler(event, context):
    return {"version": context.function_version, "env": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
            "arn": context.invoked_function_arn, "marker": os.environ.get("MARKER"), "event": event}
"""


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A port that nothing listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Cloud]:
    running = Cloud(tmp_path_factory.mktemp("cloud"), free_port(), seed=20130101)
    running.start()
    make_role(running)
    yield running
    running.stop()


def make_role(cloud: Cloud) -> None:
    """The role of the tests' functions: with IAM enforced a function cannot be made without one."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = boto3.client(
        "iam", endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=document)


@pytest.fixture(scope="session")
def client(cloud: Cloud) -> Callable[[str], Any]:
    """boto3 clients of the embedded cloud, by service."""
    made: dict[str, Any] = {}

    def of(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(
                service, endpoint_url=cloud.endpoint, region_name="us-east-1",
                aws_access_key_id="test", aws_secret_access_key="test",
            )  # fmt: skip
        return made[service]

    return of


@pytest.fixture
def enforced(cloud: Cloud) -> Iterator[None]:
    """IAM is enforced during this test."""
    cloud.enforce_iam(True)
    yield
    cloud.enforce_iam(False)


@pytest.fixture
def unique() -> str:
    """A name nothing else has."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def archive() -> Callable[..., bytes]:
    """A zip archive of these files (path → text)."""

    def pack(files: dict[str, str]) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        return packed.getvalue()

    return pack


@pytest.fixture
def function(
    client: Callable[[str], Any], archive: Callable[..., bytes], unique: str
) -> Iterator[Callable[..., str]]:
    """Make a Python function of this source, and give its name; gone after the test."""
    made: list[str] = []

    def make(source: str = ECHO, **settings: Any) -> str:
        name = f"{unique}-{len(made)}"
        client("lambda").create_function(
            **{
                "FunctionName": name, "Runtime": "python3.13", "Handler": "index.handler", "Role": ROLE,
                "Timeout": 20, "Code": {"ZipFile": archive({"index.py": source})}, **settings,
            }
        )  # fmt: skip
        made.append(name)
        return name

    yield make
    for name in made:
        client("lambda").delete_function(FunctionName=name)


@pytest.fixture
def invoke(client: Callable[[str], Any]) -> Callable[..., Any]:
    """Invoke a function: what it returned, or Lambda's report of its error."""

    def call(name: str, event: Any = None) -> Any:
        return json.loads(client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())

    return call


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Ask until the answer is truthy; the last answer at the deadline, so that the test's assert shows it."""

    def ask(question: Callable[[], Any], seconds: float = 60.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (answer := question()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer

    return ask


@pytest.fixture
def messages(client: Callable[[str], Any]) -> Callable[[str], list[str]]:
    """All log messages of a log group, which is made by the first of them."""

    def read(group: str) -> list[str]:
        pages = client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        try:
            return [event["message"] for page in pages for event in page["events"]]
        except client("logs").exceptions.ResourceNotFoundException:
            return []

    return read


@pytest.fixture
def http_api(client: Callable[[str], Any], unique: str) -> Callable[..., str]:
    """Make an HTTP API whose `GET /answer` goes to this function, and give its endpoint."""

    def make(target: str, authorization: str = "NONE") -> str:
        gateway = client("apigatewayv2")
        api = gateway.create_api(Name=unique, ProtocolType="HTTP")
        integration = gateway.create_integration(
            ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=target, PayloadFormatVersion="2.0"
        )
        gateway.create_route(
            ApiId=api["ApiId"], RouteKey="GET /answer", AuthorizationType=authorization,
            Target=f"integrations/{integration['IntegrationId']}",
        )  # fmt: skip
        gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        endpoint: str = api["ApiEndpoint"]
        return endpoint

    return make


@pytest.fixture
def queue(client: Callable[[str], Any], unique: str) -> tuple[str, Callable[[], list[Any]]]:
    """ARN of a queue that takes what a rule sends it, and a function that reads what has come so far."""
    url = client("sqs").create_queue(QueueName=unique)["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": document})
    come: list[Any] = []

    def read() -> list[Any]:
        found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        come.extend(json.loads(message["Body"]) for message in found)
        return come

    return arn, read


@pytest.fixture
def signed_request() -> Callable[..., tuple[int, Any]]:
    """Send a request signed for API Gateway: status and JSON body. Unsigned when there is no key."""

    def send(method: str, url: str, body: Any = None, *, key: str | None = "test", secret: str = "test") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = AWSRequest(method=method, url=url, data=data, headers={"Content-Type": "application/json"})
        if key is not None:
            SigV4Auth(Credentials(key, secret), "execute-api", "us-east-1").add_auth(request)
        wire = urllib.request.Request(url, data=data, method=method, headers=dict(request.headers))
        try:
            with urllib.request.urlopen(wire, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    return send


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "cloud"
