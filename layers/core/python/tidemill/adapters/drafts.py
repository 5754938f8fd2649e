"""A new file that is nowhere until it is whole, and then is there at once.

On Linux it has no name at all before (`O_TMPFILE`), so that a killed process leaves nothing behind. Where that
cannot be had, it has a name in a folder for drafts, of which `sweep` removes what is old.
"""

import errno
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import TracebackType
from typing import Self

from tidemill.adapters.file_copy import write_all

OLD_SECONDS = 24 * 3600
PREFIX = ".draft-"
_NO_NAMELESS = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}
ATTEMPTS = 10


class Draft:
    """An open, empty file on the file system of the folder `drafts`, for `with`. `file` is its descriptor.
    `durable`: what is published survives a power failure from then on. Paths are plain strings, because a store of
    small files would spend as much time on Path as on the files."""

    def __init__(self, drafts: str, *, durable: bool) -> None:
        self._drafts, self._durable = drafts, durable
        self._name: str | None = None
        self.file = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.file)
        if self._name:
            with suppress(FileNotFoundError):
                os.unlink(self._name)

    def write(self, data: bytes | memoryview) -> None:
        write_all(self.file, data)

    def publish_new(self, path: str) -> bool:
        """Give the file this name, if no file has it; else False. Missing folders are made."""
        if self._durable:
            os.fsync(self.file)
        try:
            self._link(path)
        except FileExistsError:
            return False
        self._keep(path)
        return True

    def publish(self, path: str) -> None:
        """Give the file this name, in place of the file that has it. Whoever reads that one reads on."""
        if self.publish_new(path):
            return
        if not self._name:
            name = self._new_name()
            self._link(name)
            self._name = name
        _in_folder(path, lambda: os.replace(self._name or "", path))
        self._name = None
        self._keep(path)

    def _opened(self) -> int:
        if _has_nameless():
            try:
                return os.open(self._drafts, os.O_TMPFILE | os.O_RDWR, 0o666)
            except OSError as error:  # not on this file system (NFS, FAT, FUSE): with a name, then
                if error.errno not in _NO_NAMELESS:
                    raise
        self._name = self._new_name()
        return os.open(self._name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)

    def _new_name(self) -> str:
        return f"{self._drafts}/{PREFIX}{secrets.token_hex(8)}"

    def _link(self, path: str) -> None:
        # With a folder given, Python calls linkat(2), which follows the link that /proc shows.
        source, folder = (self._name, None) if self._name else (f"/proc/self/fd/{self.file}", self.file)
        _in_folder(path, lambda: os.link(source, path, src_dir_fd=folder))

    def _keep(self, path: str) -> None:
        """Write the name to the disk, too."""
        if self._durable:
            folder = os.open(os.path.dirname(path), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@cache
def _has_nameless() -> bool:
    return hasattr(os, "O_TMPFILE") and os.path.exists("/proc/self/fd")


def _in_folder(path: str, do: Callable[[], None]) -> None:
    """Do that; where it fails because the folder of `path` is not there, make the folder and do it again. Somebody
    may be removing the empty folder meanwhile."""
    for _ in range(ATTEMPTS):
        try:
            return do()
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
    return do()


def sweep(drafts: str, *, older_than: float = OLD_SECONDS) -> None:
    """Remove drafts that nobody wrote to for that many seconds: those of killed processes."""
    with os.scandir(drafts) as entries:
        for entry in entries:
            try:
                if time.time() - entry.stat().st_mtime > older_than:
                    os.unlink(entry)
            except FileNotFoundError:
                continue
