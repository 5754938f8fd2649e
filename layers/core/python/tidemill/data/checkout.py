"""A folder that a version was pulled into: what lies there, and what Tidemill put there.

`.tidemill-version.json` (the receipt) says which version the folder holds; it is written last, and taken away
before anything is changed. While a download is under way `.tidemill-pull.json` (the journal) keeps the digests
that this pull and earlier ones brought: what has one of them is a copy, anything else is somebody's own
work. Only `pull` writes here.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill import canonical
from tidemill.data import safe_paths
from tidemill.data.manifests import File
from tidemill.errors import ConflictError

try:
    import fcntl
except ImportError:  # Windows: there nothing keeps two downloads apart
    fcntl = None  # type: ignore[assignment]

RECEIPT = safe_paths.OWN + "version.json"
JOURNAL = safe_paths.OWN + "pull.json"
Known = dict[str, set[str]]


@dataclass(frozen=True)
class Found:
    """What lies in a folder, paths relative to it with '/': `files` (also links, to whatever), real `folders`."""

    files: frozenset[str]
    folders: frozenset[str]


def survey(folder: Path) -> Found:
    """Everything below the folder but Tidemill's own files. Links are not followed."""
    files, folders = set(), set()
    for place, below, here in os.walk(folder):
        inside = Path(place).relative_to(folder)
        links = [name for name in below if Path(place, name).is_symlink()]
        folders |= {(inside / name).as_posix() for name in below if name not in links}
        files |= {(inside / name).as_posix() for name in (*here, *links)}
    return Found(frozenset(f for f in files if not f.startswith(safe_paths.OWN)), frozenset(folders))


def digest(path: Path) -> str:
    """SHA-256 of a file, as it is read from the disk."""
    with path.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()


def partial(target: Path) -> Path:
    """Where a file lies until it is complete and verified."""
    return target.with_name(f".{target.name}.part")


def receipt(folder: Path) -> dict[str, Any] | None:
    """Which version the folder holds: `project, version, identity, files`; None if it holds none, or not all."""
    return None if (folder / JOURNAL).exists() else _read(folder / RECEIPT)


def known(folder: Path) -> Known:
    """Path → digests that pulls have brought there."""
    brought: Known = {}
    for name in (RECEIPT, JOURNAL):
        for file in (_read(folder / name) or {}).get("files", ()):
            brought.setdefault(file["path"], set()).add(file["sha256"])
    return brought


def begin(folder: Path, brought: Known, files: Iterable[File]) -> None:
    """From here on the folder holds no version, and what it is going to hold is no longer anybody's own work."""
    digests = {path: set(those) for path, those in brought.items()}
    for file in files:
        digests.setdefault(file.path, set()).add(file.sha256)
    pairs = [{"path": path, "sha256": one} for path in sorted(digests) for one in sorted(digests[path])]
    _write(folder / JOURNAL, {"files": pairs})
    (folder / RECEIPT).unlink(missing_ok=True)


def finish(folder: Path, holds: Mapping[str, Any]) -> None:
    """The folder holds a version."""
    _write(folder / RECEIPT, holds)
    (folder / JOURNAL).unlink(missing_ok=True)


def tells_case_apart(folder: Path) -> bool:
    """Whether `a` and `A` are two files there."""
    probe = folder / f"{safe_paths.OWN}case"
    probe.touch()
    try:
        return not probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other pulls out of the folder. The lock is the operating system's: it ends with the process."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "wait for it, or choose another folder"
            raise ConflictError(f"another download into {folder} is under way; {remedy}") from error
        except OSError:
            pass  # some network file systems lock no folders
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON document; None if there is none. Whoever broke it made the folder's files their own."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, document: Mapping[str, Any]) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(canonical.dumps(document))
    unfinished.replace(path)
