"""The way to a stage: an AWS session, and for stage `local` the embedded cloud's endpoint and credentials.

Nothing else differs between a laptop and an account: everything deployed is found through SSM parameters.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from cli.errors import Refused
from local.cloud import ROOT, Cloud

LOCAL = "local"
ENV_STATE = "TIDEMILL_STATE"
ENV_PORT = "TIDEMILL_PORT"
DEFAULT_PORT = 4566
CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=5,
    read_timeout=120,
    max_pool_connections=16,
)


def state_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Where this checkout keeps what is not in git: the embedded cloud's state, downloaded reports."""
    return Path(environment.get(ENV_STATE) or ROOT / ".tidemill")


def local_cloud(environment: Mapping[str, str] = os.environ) -> Cloud:
    """This checkout's embedded cloud: at the port it was started with while it runs, else at TIDEMILL_PORT."""
    folder = state_directory(environment) / LOCAL
    wished = int(environment.get(ENV_PORT) or DEFAULT_PORT)
    try:
        noted = int(json.loads((folder / "server.json").read_text())["port"])
    except (FileNotFoundError, ValueError, KeyError):
        return Cloud(folder, wished)
    running = Cloud(folder, noted)
    return running if running.status().running else Cloud(folder, wished)


@dataclass
class Connection:
    """Clients for one stage. `endpoint` is None on AWS."""

    session: boto3.Session
    endpoint: str | None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client, made once."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, endpoint_url=self.endpoint, config=CONFIG)
        return self._clients[service]


def connect(stage: str) -> Connection:
    """The way to `stage`. Raises Refused when it is `local` and the embedded cloud does not run."""
    return _connect_local() if stage == LOCAL else Connection(boto3.Session(), None)


@lru_cache(maxsize=1)
def _connect_local() -> Connection:
    cloud = local_cloud()
    if not cloud.status().running:
        raise Refused("the embedded cloud does not run; start it with `tidemill up`")
    variables = cloud.environment()
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
    )
    return Connection(session, variables["AWS_ENDPOINT_URL"])
