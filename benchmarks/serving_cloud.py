"""The endpoint's function behind the embedded cloud's HTTP API, and an empty one beside it."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from benchmarks.serving_model import Served
from benchmarks.serving_peers import ROOT, Client, free_port
from local.cloud import Cloud
from tidemill.serving import compact

ROLE = "arn:aws:iam::000000000000:role/bench"
EMPTY = 'def handler(event, context):\n    return {"statusCode": 200, "body": "{}"}\n'
LIBRARY = ROOT / "layers" / "core" / "python"


@contextmanager
def endpoints(served: Served, work: Path) -> Iterator[dict[str, Client]]:
    """A client of the function and of the empty one, by name; the cloud runs until the end of the block."""
    cloud = Cloud(work / "cloud", free_port())
    cloud.start()
    try:
        body = compact.text({"instances": [served.row]})
        yield {name: _client(cloud, name, files, body) for name, files in _functions(served).items()}
    finally:
        cloud.stop()


def _functions(served: Served) -> dict[str, dict[str, bytes]]:
    files = {"predict.py": (ROOT / "functions" / "serving" / "predict.py").read_bytes()}
    for root in (LIBRARY, served.package):
        files |= {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if _shipped(path)}
    return {"predict": files, "empty": {"empty.py": EMPTY.encode()}}


def _shipped(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _client(cloud: Cloud, name: str, files: dict[str, bytes], body: str) -> Client:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    keys = cloud.environment()
    session = boto3.Session(
        keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], region_name=keys["AWS_REGION"]
    )
    functions, gateway = (session.client(each, endpoint_url=cloud.endpoint) for each in ("lambda", "apigatewayv2"))
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=f"{name}.handler",
        Role=ROLE,
        Timeout=30,
        Code={"ZipFile": packed.getvalue()},
    )
    api = gateway.create_api(Name=name, ProtocolType="HTTP")
    integration = gateway.create_integration(
        ApiId=api["ApiId"], IntegrationType="AWS_PROXY", IntegrationUri=name, PayloadFormatVersion="2.0"
    )
    gateway.create_route(
        ApiId=api["ApiId"],
        RouteKey="POST /predict",
        AuthorizationType="NONE",
        Target=f"integrations/{integration['IntegrationId']}",
    )
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    return Client(cloud.port, urlsplit(api["ApiEndpoint"]).path + "/predict", body)
