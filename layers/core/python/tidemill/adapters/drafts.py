"""A new file that is nowhere until it is whole, and then is there at once.

On Linux it has no name at all before (`O_TMPFILE`), so that a killed process leaves nothing behind. Where that
cannot be had, it has a name in a folder for drafts, of which `sweep` removes what is old.
"""

import os
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tidemill.adapters.file_copy import write_all

OLD_SECONDS = 24 * 3600
ATTEMPTS = 10


class Draft:
    """An open, empty file on the file system of the folder `drafts`, for `with`. `file` is its descriptor.
    `durable`: what is published survives a power failure from then on."""

    def __init__(self, drafts: Path, *, durable: bool) -> None:
        self._drafts, self._durable = drafts, durable
        self._name: Path | None = None
        self.file = self._nameless()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.file)
        if self._name:
            self._name.unlink(missing_ok=True)

    def write(self, data: bytes | memoryview) -> None:
        write_all(self.file, data)

    def publish_new(self, path: Path) -> bool:
        """Give the file this name, if no file has it; else False. Missing folders are made."""
        if self._durable:
            os.fsync(self.file)
        try:
            self._link(path)
        except FileExistsError:
            return False
        self._keep(path)
        return True

    def publish(self, path: Path) -> None:
        """Give the file this name, in place of the file that has it. Whoever reads that one reads on."""
        if self._durable:
            os.fsync(self.file)
        if not self._name:
            name = self._new_name()
            self._link(name)
            self._name = name
        for _ in range(ATTEMPTS):
            try:
                self._name.replace(path)
                break
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
        else:
            raise FileNotFoundError(f"{path.parent} cannot be made: it vanishes each time")
        self._name = None
        self._keep(path)

    def _nameless(self) -> int:
        if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").exists():
            try:
                return os.open(self._drafts, os.O_TMPFILE | os.O_RDWR, 0o666)
            except OSError:  # not on this file system (NFS, FAT, FUSE): with a name, then
                pass
        self._name = self._new_name()
        return os.open(self._name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)

    def _new_name(self) -> Path:
        return self._drafts / secrets.token_hex(8)

    def _link(self, path: Path) -> None:
        for _ in range(ATTEMPTS):
            try:
                if self._name:
                    os.link(self._name, path)
                else:
                    # With a folder given, Python calls linkat(2), which follows the link that /proc shows.
                    os.link(f"/proc/self/fd/{self.file}", path, src_dir_fd=self.file)
                return
            except FileNotFoundError:  # no folder yet, or somebody removed the empty one
                path.parent.mkdir(parents=True, exist_ok=True)
        raise FileNotFoundError(f"{path.parent} cannot be made: it vanishes each time")

    def _keep(self, path: Path) -> None:
        """Write the name to the disk, too."""
        if self._durable:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def sweep(drafts: Path, *, older_than: float = OLD_SECONDS) -> None:
    """Remove drafts that nobody wrote to for that many seconds: those of killed processes."""
    with os.scandir(drafts) as entries:
        for entry in entries:
            try:
                if time.time() - entry.stat().st_mtime > older_than:
                    Path(entry).unlink()
            except FileNotFoundError:
                continue
