"""Versioning on the embedded cloud, measured: `python -m benchmarks.on_the_cloud` (see the README beside this
file).

The whole way that a person goes: `tidemill data push` of a folder, each file an S3 event, a state machine that
reads, profiles and checks it, one version of them all; then again without news, with news, a diff and a
download. Times are of one run, by the clock, from the command's start until the version is there. Trainings that
the versions start are stopped: they are not what is measured.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks import inputs, measure, peers
from benchmarks.inputs import Input
from cli import connection
from cli.deployment import Deployment
from infra import project_files
from local.cloud import Cloud
from local.deploy import deploy
from tidemill import names
from tidemill.data import uploads, versions

PATIENCE = 3600
PROJECTS = {"many": "many-gauges", "one": "one-gauge"}
TIDEMILL = Path(sys.executable).parent / "tidemill"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the files, a fiftieth of the bytes")
    parser.add_argument("--only", choices=tuple(PROJECTS), help="many small files, or one large file")
    options = parser.parse_args()
    above = peers.ROOT / ".tidemill" / "bench"
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cloud-", dir=above) as folder:
        work = Path(folder)
        say("\n".join(f"- {fact}" for fact in [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", *measure.machine(work)]))
        cloud = deployed(work, {name: project(name) for name in PROJECTS.values()})
        try:
            for which in [options.only] if options.only else PROJECTS:
                here = work / which
                walk_through(make(here, which, small=options.small), PROJECTS[which], here)
        finally:
            cloud.stop()
    say(f"Load after: {measure.load()}.")


def make(work: Path, which: str, *, small: bool) -> Input:
    if which == "many":
        return inputs.small_files(work, files=200 if small else 2_000, size=50_000)
    return inputs.one_file(work, size=20_000_000 if small else 1_000_000_000)


def deployed(work: Path, projects: Mapping[str, dict[str, Any]]) -> Cloud:
    """An embedded cloud with these projects."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        os.environ |= {
            connection.ENV_STATE: str(work / "state"),
            connection.ENV_PORT: str(probe.getsockname()[1]),
            project_files.ENV_FOLDER: str(work / "projects"),
            "XDG_CACHE_HOME": str(work / "cache"),
        }
    (work / "projects").mkdir()
    for name, content in projects.items():
        (work / "projects" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    cloud = connection.local_cloud()
    cloud.start()
    deploy(cloud, work / "assembly", context={"stage": connection.LOCAL})
    return cloud


def project(name: str) -> dict[str, Any]:
    """Rules for every column that `inputs` makes."""
    numbers = {column: {"type": "number"} for column in ("level", "flow")}
    categories = {column: {"type": "category"} for column in ("station", "wind")}
    others = {
        "time": {"type": "timestamp"},
        "quality": {"type": "integer"},
        "full": {"type": "integer", "allowed": [0, 1]},
    }
    return {
        "name": name, "description": "A benchmark.", "task": "classification", "target": "full", "time": "time",
        "mode": "append", "columns": {**numbers, **categories, **others},
        "features": ["flow", "station", "wind", "quality"],
    }  # fmt: skip


def walk_through(data: Input, name: str, work: Path) -> None:
    """All actions; checked to have brought back what was put in."""
    deployment, folder = Deployment.of(connection.LOCAL), work / "gauges"
    shutil.copytree(data.first, folder)
    measure.settle()
    times = {
        "v1": pushed(deployment, name, folder, version=1),
        "nothing changed": pushed(deployment, name, folder, version=1),
    }
    for path in data.changed:
        shutil.copyfile(data.second / path, folder / path)
    measure.settle()
    times["v2"] = pushed(deployment, name, folder, version=2)
    times["diff of v1 and v2"] = timed("data", "diff", name, "1", "2", "--json")
    times["download of v1"] = timed("data", "pull", f"{name}@1", "-o", str(work / "back"))
    if measure.digest(work / "back" / "gauges") != measure.digest(data.first):
        raise RuntimeError("the first version did not come back")
    rows = [f"| {action} | {seconds:,.1f} |" for action, seconds in times.items()]
    title = f"**{data.title}** ({data.bytes / 1e6:,.0f} MB) on the embedded cloud, seconds"
    say("\n".join(["", title, "", "|  |  |", "| --- | ---: |", *rows, ""]))


def pushed(deployment: Deployment, name: str, folder: Path, *, version: int) -> float:
    """Seconds until the folder is that version."""
    stop_training(deployment)
    start = time.perf_counter()
    run("data", "push", name, str(folder), "--json")
    while versions.head(deployment.index, name) < version:
        if time.perf_counter() - start > PATIENCE:
            raise RuntimeError(f"version {version} of {name} is not there after {PATIENCE} s")
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    settle(deployment, name)
    stop_training(deployment)
    return seconds


def settle(deployment: Deployment, name: str) -> None:
    """Wait until every file knows its version, which a batch tells them one by one once it has its number."""
    while any(row["state"] == uploads.REGISTERED for row in deployment.index.query(names.pk(name), names.UPLOADS)):
        time.sleep(1)


def stop_training(deployment: Deployment) -> None:
    """End the trainings that versions started. Executions of the data machine that wait for more files go on."""
    states = deployment.client("stepfunctions")
    going = states.list_executions(stateMachineArn=machine(deployment, "training"), statusFilter="RUNNING")
    for execution in going["executions"]:
        states.stop_execution(executionArn=execution["executionArn"])


def machine(deployment: Deployment, word: str) -> str:
    return deployment.parameter(f"state-machine/{word}")


def timed(*command: str) -> float:
    start = time.perf_counter()
    run(*command)
    return time.perf_counter() - start


def run(*command: str) -> Any:
    """What a command of the CLI says."""
    done = subprocess.run([str(TIDEMILL), *command], capture_output=True, text=True, cwd=peers.ROOT)
    if done.returncode:
        raise RuntimeError(f"tidemill {' '.join(command)} failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout) if "--json" in command else done.stdout


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
