"""Deploy the CDK app to the embedded cloud with the real `cdk bootstrap` and `cdk deploy`.

Used by the CLI and the tests. Writes the cloud assembly into the output directory. IAM enforcement is off while
CDK works (MiniStack refuses its asset publishing otherwise), and on afterwards.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from local.cloud import Cloud, CloudError
from local.server import ACCOUNT, CREDENTIAL, REGION
from local.toolchain import ROOT, Toolchain, toolchain

TOOLKIT_STACK = "CDKToolkit"
QUIET = ("--no-notices", "--no-version-reporting")
FAILURES = ("_FAILED", "❌", "‣", "Error:", "error:")
LAST_LINES = 12

Progress = Callable[[str], None]


class DeploymentFailed(CloudError):
    """CDK did not reach its end; the message holds the reasons it gave."""


@dataclass(frozen=True)
class Deployment:
    """What was deployed: stack name → output name → value; and how many seconds each step took."""

    outputs: Mapping[str, Mapping[str, str]]
    seconds: Mapping[str, float]


@dataclass
class Cdk:
    """Runs commands of the CDK CLI against one embedded cloud, and notes how long they took."""

    cloud: Cloud
    tools: Toolchain
    folder: Path
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, *arguments: str, folder: Path | None = None) -> None:
        """Run one command, hand on its lines. Raises DeploymentFailed with the reasons among them."""
        started = time.monotonic()
        lines: list[str] = []
        with subprocess.Popen(
            [*self.tools.cdk, *arguments, *QUIET],
            cwd=folder or self.folder,
            env=environment(self.cloud, self.tools),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip())
                self.progress(lines[-1])
        self.seconds[arguments[0]] = time.monotonic() - started
        if process.returncode != 0:
            raise DeploymentFailed(f"`cdk {arguments[0]}` failed:\n{reasons(lines)}")


def deploy(
    cloud: Cloud,
    outdir: Path,
    *,
    app_dir: Path = ROOT,
    context: Mapping[str, str] | None = None,
    progress: Progress = lambda _: None,
) -> Deployment:
    """Deploy all stacks of the app in `app_dir`, then enforce IAM.

    `outdir` takes the cloud assembly; `context` is CDK context (`-c key=value`); `progress` gets each line of
    CDK's output, from more than one thread. Can be run again. Raises DeploymentFailed with the failing stack's
    reason, ToolMissing without Node; IAM enforcement is then as it was before.
    """
    before = cloud.status()
    if not before.running:
        raise CloudError(f"the embedded cloud at {cloud.endpoint} does not run: start it first")
    cdk = Cdk(cloud=cloud, tools=toolchain(), folder=app_dir, progress=progress)
    cloud.state_dir.joinpath("cdk").mkdir(exist_ok=True)
    cloud.enforce_iam(False)
    done = False
    try:
        outputs = bootstrap_and_deploy(cdk, outdir.resolve(), context or {})
        done = True
    finally:
        cloud.enforce_iam(done or bool(before.iam))
    return Deployment(outputs=outputs, seconds=cdk.seconds)


def bootstrap_and_deploy(cdk: Cdk, outdir: Path, context: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The stacks' outputs. Bootstrap and synthesis need nothing from each other, so they run side by side."""
    flags = [part for key, value in context.items() for part in ("-c", f"{key}={value}")]
    written = cdk.cloud.state_dir / "cdk" / "outputs.json"
    written.unlink(missing_ok=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        synthesis = pool.submit(cdk.run, "synth", "--quiet", "--output", str(outdir), *flags)
        if not bootstrapped(cdk.cloud):
            # Outside the app's folder: there it would synthesize the app a second time.
            cdk.run("bootstrap", f"aws://{ACCOUNT}/{REGION}", folder=cdk.cloud.state_dir)
        synthesis.result()
    cdk.run(
        *("deploy", "--all", "--app", str(outdir), "--require-approval", "never"),
        *("--method", "direct", "--concurrency", "4", "--outputs-file", str(written)),
    )
    outputs: dict[str, dict[str, str]] = json.loads(written.read_text()) if written.exists() else {}
    return outputs


def bootstrapped(cloud: Cloud) -> bool:
    """Whether the toolkit stack is there."""
    client = boto3.client(
        "cloudformation", endpoint_url=cloud.endpoint, region_name=REGION,
        aws_access_key_id=CREDENTIAL, aws_secret_access_key=CREDENTIAL,
    )  # fmt: skip
    try:
        stacks = client.describe_stacks(StackName=TOOLKIT_STACK)["Stacks"]
    except ClientError:
        return False
    return bool(stacks[0]["StackStatus"].endswith("_COMPLETE"))


def environment(cloud: Cloud, tools: Toolchain) -> dict[str, str]:
    """The child's environment: the embedded cloud's, none of the person's; caches beside the state."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    caches = cloud.state_dir / "cdk"
    return {
        **own,
        **cloud.environment(),
        "PATH": tools.path,
        "CDK_HOME": str(caches / "home"),
        "NODE_COMPILE_CACHE": str(caches / "node"),
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "NO_COLOR": "1",
    }


def reasons(lines: Sequence[str]) -> str:
    """The lines that say why, in their order and each once; the last lines when none does."""
    said = [line.strip() for line in lines if any(mark in line for mark in FAILURES)]
    return "\n".join(dict.fromkeys(said) if said else [line for line in lines if line][-LAST_LINES:])
