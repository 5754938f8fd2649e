"""The data bucket in a directory: for a laptop, a notebook, a shared drive, a test.

Everybody who can write to the directory is trusted, and any number of processes may use it at once. It needs a
POSIX file system with hard links that tells upper from lower case (Linux; macOS on a case-sensitive volume).

A key is a file of that name (`key_paths` has the exceptions), written where nobody sees it and then put in its
place in one step: a reader finds all of an object or none of it, and so does whoever comes after a process that
was killed; of what it was writing nothing is left (without O_TMPFILE a draft, which is removed after a day).
After a power failure, too, if `durable`: file and folder are then flushed before a call returns, which takes some
milliseconds each. Otherwise the last half minute or so may be lost or empty, like that of any copied file.

The version id is made of the file's time and size, so it changes if somebody edits the file. Overwritten versions
are kept under `versioned` prefixes only, in `.versions/`, until they are deleted.
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from tidemill import names
from tidemill.adapters import file_copy, key_paths
from tidemill.adapters.drafts import Draft, sweep
from tidemill.adapters.key_paths import path_of
from tidemill.errors import ArtifactCorrupt, RecordNotFound, UploadRejected
from tidemill.ports import CHUNK, Stat

SMALL = 4 << 20
ATTEMPTS = 3
_VERSION_ID = re.compile("[0-9a-f]{16}-[0-9a-f]+")


class DirectoryObjects:
    """An ObjectStore in the directory `root`, which is made if it does not exist. Content types are not kept.
    Raises DirectoryUnsuitable."""

    def __init__(
        self, root: str | Path, *, versioned: Sequence[str] = (names.INCOMING,), durable: bool = False
    ) -> None:
        self.root = Path(root).absolute()
        self._above = f"{self.root}/"
        self._versioned, self._durable = tuple(versioned), durable
        self._versions, self._drafts = self.root / ".versions", f"{self.root}/.drafts"
        if not os.path.exists(self._drafts):
            key_paths.require_distinct(self.root)
            os.makedirs(self._drafts, exist_ok=True)
        sweep(self._drafts)

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        with self._open(key, version_id) as (file, _), os.fdopen(os.dup(file), "rb", buffering=0) as stream:
            return stream.readall()

    def exists(self, key: str) -> bool:
        return os.path.exists(self._path(key))

    def head(self, key: str, *, version_id: str | None = None) -> Stat | None:
        try:
            with self._open(key, version_id) as (_, stat):
                return stat
        except RecordNotFound:
            return None

    def chunks(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        with self._open(key, version_id) as (file, stat):
            end = stat.size if end is None else min(end, stat.size)
            while start < end and (chunk := os.pread(file, min(CHUNK, end - start), start)):
                yield chunk
                start += len(chunk)

    def put_new(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> bool:
        if self.exists(key):
            return False
        with self._draft() as draft:
            draft.write(body)
            return draft.publish_new(self._path(key))

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        self.put_chunks(key, [body])

    def put_chunks(
        self, key: str, chunks: Iterable[bytes], *, content_type: str = "application/octet-stream"
    ) -> None:
        with self._draft() as draft:
            for chunk in chunks:
                draft.write(chunk)
            with self._locked() if key.startswith(self._versioned) else nullcontext(False) as keep:
                _date_after(draft.file, self._replaced(key, keep=keep))
                draft.publish(self._path(key))

    def copy_new(self, source: str, target: str, *, version_id: str | None = None) -> bool:
        with self._open(source, version_id) as (file, _):
            if self.exists(target):
                return False
            with self._draft() as draft:
                file_copy.copy(file, draft.file)
                return draft.publish_new(self._path(target))

    def take(self, path: str | Path, *, key: Callable[[str], str]) -> tuple[str, os.stat_result]:
        """Store the file at `path` under the key that `key` makes of its SHA-256, unless that exists; give the
        digest and what was known of the file when it was read. It is read once, and never linked to. Raises
        OSError; UploadRejected if it is being written to all the time."""
        for _ in range(ATTEMPTS):
            with _reading(path) as file:
                before = os.fstat(file)
                sha256 = self._take(file, before.st_size, key)
                after = os.fstat(file)
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return sha256, before
        raise UploadRejected("unsettled", f"{path} is being written to; try again when it is complete")

    def _take(self, file: int, size: int, key: Callable[[str], str]) -> str:
        if size <= SMALL:
            body = file_copy.read_all(file, size)
            sha256 = hashlib.sha256(body).hexdigest()
            self.put_new(key(sha256), body)
            return sha256
        with self._draft() as draft:
            sha256 = file_copy.copy_hashed(file, draft.file)
            draft.publish_new(self._path(key(sha256)))
        return sha256

    def give(self, key: str, path: str | Path, *, sha256: str) -> None:
        """Put a copy of an object at `path`, in place of what was there, whole or not at all, and only if it has
        that SHA-256: else raises ArtifactCorrupt. The draft of it is in the folder of `path`."""
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
        with self._open(key, None) as (file, stat), Draft(folder, durable=self._durable) as draft:
            if stat.size <= SMALL:
                body = file_copy.read_all(file, stat.size)
                found = hashlib.sha256(body).hexdigest()
                draft.write(body)
            else:
                found = file_copy.copy_hashed(file, draft.file)
            if found != sha256:
                raise ArtifactCorrupt(f"{key} has SHA-256 {found}, not {sha256}; restore it from another copy")
            draft.publish(str(path))

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        return (key for key, _ in key_paths.walk(self.root, prefix, after))

    def stats(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        for key, entry in key_paths.walk(self.root, prefix, ""):
            with suppress(FileNotFoundError):
                yield key, _stat(entry.stat())

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        path, folder = Path(self._path(key)), self._versions / path_of(key)
        with self._locked():
            kept = {place.name: place for place in folder.glob("*") if _VERSION_ID.fullmatch(place.name)}
            current = self.head(key)
            if version_id is None:
                gone = [*kept.values(), path]
            else:
                gone = [kept.pop(version_id)] if version_id in kept else []
                if current and current.version_id == version_id:
                    # The newest of the others is current then, as in S3: in one step, if there is one.
                    if kept:
                        kept[max(kept)].replace(path)
                    else:
                        gone.append(path)
            for place in gone:
                place.unlink(missing_ok=True)
            _remove_empty(folder, self._versions)
            _remove_empty(path.parent, self.root)

    def prune(self, key: str) -> None:
        folder = self._versions / path_of(key)
        with self._locked():
            for place in folder.glob("*"):  # what is current is not among them
                if _VERSION_ID.fullmatch(place.name):
                    place.unlink(missing_ok=True)
            _remove_empty(folder, self._versions)

    def _path(self, key: str) -> str:
        return self._above + path_of(key)

    def _draft(self) -> Draft:
        return Draft(self._drafts, durable=self._durable)

    @contextmanager
    def _open(self, key: str, version_id: str | None) -> Iterator[tuple[int, Stat]]:
        """The open file of that version, and what is known of it. Raises RecordNotFound."""
        paths: list[str | Path] = [self._path(key)]
        if version_id is not None and _VERSION_ID.fullmatch(version_id):
            paths.append(self._versions / path_of(key) / version_id)
        for path in paths:
            try:
                file = os.open(path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                stat = _stat(os.fstat(file))
                if version_id in (None, stat.version_id):
                    yield file, stat
                    return
            finally:
                os.close(file)
        raise RecordNotFound(f"object {key!r} (version {version_id or 'current'}) does not exist in {self.root}")

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Nobody else replaces or deletes meanwhile. The lock ends with the process, too."""
        file = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield True
        finally:
            os.close(file)

    def _replaced(self, key: str, *, keep: bool) -> int:
        """When the current version of `key` was written, in ns; 0 if there is none. `keep` it under its id, beside
        staying current."""
        path = self._path(key)
        try:
            stat = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return 0
        if keep:
            kept = self._versions / path_of(key) / _stat(stat).version_id
            kept.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.link(path, kept)
        return stat.st_mtime_ns


def _stat(stat: os.stat_result) -> Stat:
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    return Stat(stat.st_size, f"{stat.st_mtime_ns:016x}-{stat.st_size:x}", modified)


def _date_after(file: int, earlier: int) -> None:
    """Date the file now, and later than `earlier` (ns), so that its version id is another one: the kernel dates
    files in steps of some milliseconds, some file systems of two seconds, and a clock may be set back."""
    at, step = max(time.time_ns(), earlier + 1), 1
    os.utime(file, ns=(at, at))
    while os.fstat(file).st_mtime_ns <= earlier:
        at, step = at + step, step * 10
        os.utime(file, ns=(at, at))


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove the folder and those above it, up to `top`, as long as they are empty."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


@contextmanager
def _reading(path: str | Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY)
    try:
        yield file
    finally:
        os.close(file)
