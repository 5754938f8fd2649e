"""Who is measured, each doing the same: version a folder twice, look, compare, bring the first version back.

Everybody's files are on one file system, and everybody starts with the inputs in the page cache. DVC and Git LFS
keep a version in a cache of their own and in the remote; Tidemill's store is both.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from benchmarks.inputs import Input
from benchmarks.measure import Times, digest, settle, timed
from benchmarks.store import Tidemill

ROOT = Path(__file__).resolve().parent.parent
DVC = ROOT / ".tidemill" / "bench" / "dvc"


class Peer(Protocol):
    """Keeps versions of `folder`, a folder within its own workspace."""

    name: str
    folder: Path

    def version(self) -> None:
        """Make what is in the folder a version, on this machine."""

    def push(self) -> None:
        """Bring the last version to where others find it."""

    def unchanged(self) -> None:
        """See that nothing has changed."""

    def diff(self) -> None:
        """Compare the two versions by files."""

    def checkout(self) -> None:
        """Bring the files of the first version back into `folder`, which is gone."""


def walk_through(peer: Peer, data: Input) -> Times:
    """All actions of one peer; checked to have brought back what was put in."""
    shutil.copytree(data.first, peer.folder)
    settle()
    times = {"v1": timed(peer.version), "v1 pushed": timed(peer.push)}
    times["no-op"] = timed(peer.unchanged)
    for path in data.changed:
        shutil.copyfile(data.second / path, peer.folder / path)
    settle()
    times |= {"v2": timed(peer.version), "v2 pushed": timed(peer.push), "diff": timed(peer.diff)}
    shutil.rmtree(peer.folder)
    times["checkout"] = timed(peer.checkout)
    if digest(peer.folder) != digest(data.first):
        raise RuntimeError(f"{peer.name} did not bring the first version back")
    for pushed, made in (("v1 pushed", "v1"), ("v2 pushed", "v2")):
        times[pushed] = times[made].and_then(times[pushed])
    return times


class TidemillCold:
    """Each action in a Python of its own, as a command line does it."""

    name = "Tidemill, cold"

    def __init__(self, work: Path) -> None:
        self.folder, self.work = work / "data", work

    def _do(self, action: str) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "core" / "python")])
        run([sys.executable, "-m", "benchmarks.store", str(self.work), action], self.work, PYTHONPATH=path)

    def version(self) -> None:
        self._do("version")

    def push(self) -> None:
        pass

    unchanged = version

    def diff(self) -> None:
        self._do("diff")

    def checkout(self) -> None:
        self._do("checkout")


class _Git:
    """A git repository with a bare remote beside it."""

    name = "git"

    def __init__(self, work: Path) -> None:
        self.work, self.repository, self.folder = work, work / "repository", work / "repository" / "data"
        self.repository.mkdir()
        (work / "config").write_text(
            "[user]\nname = Bench\nemail = bench@example.com\n[init]\ndefaultBranch = main\n"
        )
        self.do("git", "init", "-q")
        self.do("git", "init", "-q", "--bare", str(work / "remote.git"))
        self.do("git", "remote", "add", "origin", f"file://{work / 'remote.git'}")

    def do(self, *command: str) -> None:
        run(list(command), self.repository, GIT_CONFIG_GLOBAL=str(self.work / "config"), HOME=str(self.work))


class Dvc(_Git):
    """DVC with its default settings, a remote in a folder, and no calls home."""

    name = "DVC"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.do(dvc(), "init", "-q")
        for name in ("core.analytics", "core.check_update"):
            self.do(dvc(), "config", name, "false")
        self.do(dvc(), "remote", "add", "-q", "-d", "folder", str(work / "dvc-remote"))

    def version(self) -> None:
        self.do(dvc(), "add", "-q", "data")
        self.do("git", "add", "-A")
        self.do("git", "commit", "-q", "-m", "data")

    def push(self) -> None:
        self.do(dvc(), "push", "-q")

    def unchanged(self) -> None:
        self.do(dvc(), "status", "-q")

    def diff(self) -> None:
        self.do(dvc(), "diff", "-q", "HEAD~1", "HEAD")

    def checkout(self) -> None:
        self.do("git", "checkout", "-q", "HEAD~1")
        self.do(dvc(), "checkout", "-q")


class GitLfs(_Git):
    """Git LFS with its default settings and a remote in a folder."""

    name = "Git LFS"

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.do("git", "lfs", "install", "--local")
        self.do("git", "lfs", "track", "*.csv")

    def version(self) -> None:
        self.do("git", "add", "-A")
        self.do("git", "commit", "-q", "-m", "data")

    def push(self) -> None:
        self.do("git", "push", "-q", "origin", "main")

    def unchanged(self) -> None:
        self.do("git", "status", "--porcelain")

    def diff(self) -> None:
        self.do("git", "diff", "--name-status", "HEAD~1", "HEAD")

    def checkout(self) -> None:
        self.do("git", "checkout", "-q", "HEAD~1", "--", "data")


PEERS: list[type[Tidemill] | type[TidemillCold] | type[Dvc] | type[GitLfs]] = [Tidemill, TidemillCold, Dvc, GitLfs]


def installed() -> dict[str, str]:
    """The version of each peer that is here, by name, "not installed" of the others. DVC is installed into a venv
    of its own, if that is possible."""
    if not Path(dvc()).exists():
        uv = (
            shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
            or "uv"
        )
        _said(uv, "venv", "-q", str(DVC))
        _said(uv, "pip", "install", "-q", "--python", str(DVC / "bin" / "python"), "dvc")
    head = _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    lfs = _said("git", "lfs", "version")
    return {"Tidemill": head, "Tidemill, cold": head, "DVC": _said(dvc(), "--version"), "Git LFS": lfs}


def _said(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=600)
    except OSError:
        return "not installed"
    return (answer.stdout.split("(")[0].strip() or "done") if answer.returncode == 0 else "not installed"


def run(command: list[str], folder: Path, **environment: str) -> None:
    """Run a command there; what it says is shown only if it fails."""
    answer = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}: {answer.stdout}{answer.stderr}")


def dvc() -> str:
    return str(DVC / "bin" / "dvc")
