"""Deploy a stage: to the embedded cloud through `local.deploy`, to AWS with the same CDK CLI and the person's
credentials."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cli.connection import LOCAL, state_directory
from cli.errors import Refused, Usage
from infra.stages import STAGES
from local.cloud import ROOT, Cloud
from local.deploy import QUIET
from local.deploy import deploy as deploy_local
from local.toolchain import toolchain


def to_embedded_cloud(cloud: Cloud, progress: Callable[[str], None]) -> dict[str, Any]:
    """Start the embedded cloud unless it runs, deploy to it, and enforce IAM. What was deployed, and how long it
    took."""
    progress("starting the embedded cloud")
    cloud.start()
    done = deploy_local(cloud, assembly(LOCAL), context={"stage": LOCAL}, progress=progress)
    return {"outputs": done.outputs, "seconds": {step: round(s, 1) for step, s in done.seconds.items()}}


def to_account(stage: str, arguments: Sequence[str]) -> None:
    """`cdk deploy` to the account of the person's credentials. Its output goes to the terminal; it may ask back.
    Raises Usage for an unknown stage, Refused when it does not reach its end."""
    _cdk(stage, "deploy", "--all", *arguments)


def synthesize(stage: str) -> Path:
    """Write the stage's templates with all guards, without network or credentials. Raises Usage, Refused."""
    _cdk(stage, "synth", "--quiet", "-c", "nag=true")
    return assembly(stage)


def assembly(stage: str) -> Path:
    """Where the stage's cloud assembly is written."""
    return state_directory() / "cdk" / stage


def _cdk(stage: str, command: str, *arguments: str) -> None:
    if stage not in STAGES:
        raise Usage(f"there is no stage {stage!r}; choose one of {', '.join(STAGES)}")
    tools = toolchain()
    line = [*tools.cdk, command, "--output", str(assembly(stage)), "-c", f"stage={stage}", *arguments, *QUIET]
    environment = {**os.environ, "PATH": tools.path}  # cdk.json finds this interpreter there
    code = subprocess.run(line, cwd=ROOT, env=environment, check=False).returncode
    if code != 0:
        raise Refused(f"cdk {command} ended with exit code {code}; its output above says why")
