"""Fetch one file of a version: on from where an earlier try ended, and under its name only once it is verified.

Called by `pull`, for many files at a time.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from tidemill import names
from tidemill.data import checkout
from tidemill.data.manifests import File
from tidemill.errors import ArtifactCorrupt, RecordNotFound
from tidemill.ports import ObjectStore

Progress = Callable[[int, int], None]


class Stopped(Exception):
    """Another file's download failed in a way that ends all."""


class Meter:
    """Bytes that are there, of all; shared by threads. `fetched`: those that came over the wire."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.stop = threading.Event()
        self.fetched = 0
        self._total, self._progress = total, progress
        self._done = 0
        self._lock = threading.Lock()

    def found(self, size: int) -> None:
        """So many bytes were there already; fewer than none: they turned out wrong."""
        with self._lock:
            self._done += size
            if self._progress:
                self._progress(self._done, self._total)

    def came(self, size: int) -> None:
        """So many bytes came. Raises Stopped."""
        if self.stop.is_set():
            raise Stopped
        with self._lock:
            self.fetched += size
        self.found(size)


def fetch(file: File, target: Path, *, objects: ObjectStore, meter: Meter) -> None:
    """Bring the file to `target`. Raises ArtifactCorrupt if the object's bytes are not those of the version,
    RecordNotFound if it is gone; both name the file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = checkout.partial(target)
    if part.is_symlink() or (part.exists() and part.stat().st_size > file.size):
        part.unlink()
    resumed = part.stat().st_size if part.exists() else 0
    meter.found(resumed)
    digest = _complete(file, part, objects, meter)
    if digest != file.sha256 and resumed:  # the beginning was of another version, or damaged
        digest = _complete(file, _discard(part, meter), objects, meter)
    if digest != file.sha256:
        _discard(part, meter)
        key = names.content(file.sha256)
        raise ArtifactCorrupt(
            f"file {file.path!r}: object {key} has the digest {digest[:12]} instead; it was not kept. Restore "
            f"the object's earlier version, or upload the file again"
        )
    part.replace(target)


def _complete(file: File, part: Path, objects: ObjectStore, meter: Meter) -> str:
    """Append what lacks to the partial file, and give the digest of what it is then, read back from the disk."""
    key = names.content(file.sha256)
    try:
        with part.open("ab") as body:
            while (have := body.tell()) < file.size:
                for chunk in objects.chunks(key, start=have, end=file.size):
                    body.write(chunk)
                    meter.came(len(chunk))
                if body.tell() == have:
                    break  # the object is shorter than the version says
    except RecordNotFound as error:
        raise RecordNotFound(f"file {file.path!r}: object {key} is gone; upload the file again") from error
    return checkout.digest(part)


def _discard(part: Path, meter: Meter) -> Path:
    meter.found(-part.stat().st_size)
    part.unlink()
    return part
