"""What the deployed code was made from: the digest of the layers' locks, and where git stands.

Known only where the code is put together, so synth writes it into PlanTrials' environment, which puts it into each
run's plan. Of that function alone: a commit then changes no other one. The command line asks it for the checkout
that it runs from. No third-party package is imported here.
"""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def source(root: Path = ROOT) -> dict[str, Any]:
    """`{lock, git}`. `lock` is the SHA-256 over all `layers/*/requirements.txt`. `git` is `{commit, dirty,
    changes}`, with `changes` the SHA-256 over all files that differ from the commit (None where none does); None
    where git does not keep this folder. The same tree gives the same answer."""
    return {"lock": _lock(root), "git": _git(root)}


def _lock(root: Path) -> str:
    locks = sorted((root / "layers").glob("*/requirements.txt"))
    return _digest([(lock.parent.name, hashlib.sha256(lock.read_bytes()).hexdigest()) for lock in locks])


def _git(root: Path) -> dict[str, Any] | None:
    # A folder inside somebody's repository that leaves it out is not what that repository's commit says.
    if not _ask(root, "ls-files", "--", "app.py"):
        return None
    commit = _ask(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return None
    # Names only, and the content read here: how `git diff` shows a change depends on the person's settings.
    changed = _ask(root, "diff", "--name-only", "--relative", "--no-renames", "-z", "HEAD", "--", ".")
    unknown = _ask(root, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    paths = sorted({*(changed or "").split("\0"), *(unknown or "").split("\0")} - {""})
    changes = [(path, _content(root / path)) for path in paths]
    return {"commit": commit.strip(), "dirty": bool(changes), "changes": _digest(changes) if changes else None}


def _ask(root: Path, *words: str) -> str | None:
    """What git says; None without git, or where it refuses."""
    # Without what a hook of git sets, which may name another repository; and git shall not write its index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(["git", *words], cwd=root, env=environment, capture_output=True)
    except OSError:
        return None
    return done.stdout.decode(errors="surrogateescape") if done.returncode == 0 else None


def _content(path: Path) -> str:
    """The digest of a file's bytes, or what it is instead."""
    if path.is_symlink():
        return f"link to {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


def _digest(pairs: list[tuple[str, str]]) -> str:
    text = "".join(f"{name}\0{value}\n" for name, value in pairs)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
