"""Make `.venv` with everything a checkout needs, from a lock with hashes. Standard library only.

Called by `make` (every target that needs it) with any Python >= 3.11. Prefers Python 3.13, the version of the
Lambda runtime: one on the path that really runs, a pyenv version's folder, or one that `uv` fetches; else the
Python that runs this file serves.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
READY = VENV / "ready"
LOCK, UV_LOCK, PROJECT = ROOT / "requirements.txt", ROOT / "tools" / "uv.txt", ROOT / "pyproject.toml"
WANTED = (3, 13)
LEAST = (3, 11)
FETCH_SECONDS = 90


def version_of(python: str | Path) -> tuple[int, ...] | None:
    """The version of an interpreter, found by running it (a shim can exist and fail); None if it does not run
    or lacks venv."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        answer = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tuple(map(int, answer.stdout.split())) if answer.returncode == 0 else None


def candidates() -> Iterator[Path]:
    """Where a Python 3.13 may be."""
    if named := os.environ.get("TIDEMILL_PYTHON"):
        yield Path(named)
    if found := shutil.which("python3.13"):
        yield Path(found)
    roots = {Path.home() / ".pyenv", Path(os.environ.get("PYENV_ROOT", "/nonexistent"))}
    base = Path(sys.base_prefix)
    if base.parent.name == "versions":
        roots.add(base.parent.parent)
    for root in sorted(roots):
        yield from sorted((root / "versions").glob("3.13*/bin/python3.13"), reverse=True)


def make_venv(python: str | Path) -> None:
    """A new `.venv` of that interpreter, with the pinned uv in it."""
    shutil.rmtree(VENV, ignore_errors=True)
    run([python, "-m", "venv", VENV])
    run([VENV / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", UV_LOCK])


def fetched() -> Path | None:
    """A Python 3.13 fetched by uv; None where it cannot be had."""
    folder = VENV / "python"
    command = [VENV / "bin" / "uv", "python", "install", "-q", "--no-bin", "--install-dir", folder, "3.13"]
    try:
        subprocess.run(list(map(str, command)), capture_output=True, timeout=FETCH_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return next(folder.glob("*/bin/python3.13"), None)


def choose() -> None:
    """Make `.venv` with the best interpreter there is."""
    for python in candidates():
        if version_of(python) == WANTED:
            return make_venv(python)
    make_venv(sys.executable)
    if python := fetched():
        kept = ROOT / ".tidemill" / "python"
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        shutil.move(python.parent.parent, kept)
        return make_venv(kept / "bin" / "python3.13")
    print(f"No Python 3.13 here; going on with {sys.version.split()[0]} (Lambda runs 3.13).", flush=True)
    return None


def install() -> None:
    """Install the lock and this project into `.venv`."""
    uv = [VENV / "bin" / "uv", "pip", "install", "-q", "--python", VENV / "bin" / "python"]
    run([*uv, "--require-hashes", "-r", LOCK])
    run([*uv, "--no-deps", "--no-build-isolation", "-e", ROOT])


def run(command: list[str | Path]) -> None:
    """Run a step; its failure ends the set-up with the command that failed."""
    words = [str(word) for word in command]
    if code := subprocess.run(words, cwd=ROOT).returncode:
        sys.exit(f"set-up failed ({code}): {' '.join(words)}\nMend what it says above, then run make again.")


def digest() -> str:
    """What `.venv` was made from."""
    return hashlib.sha256(b"".join(p.read_bytes() for p in (LOCK, UV_LOCK, PROJECT, Path(__file__)))).hexdigest()


def main() -> None:
    if sys.version_info < LEAST:
        sys.exit(
            f"Python >= 3.11 is needed, this is {sys.version.split()[0]}: run make with PYTHON=<a newer one>."
        )
    if READY.exists() and READY.read_text() == digest():
        READY.touch()
        return
    print("Setting up .venv (once; some minutes without a cache) …", flush=True)
    choose()
    install()
    READY.write_text(digest())


if __name__ == "__main__":
    main()
