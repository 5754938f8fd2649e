"""Tidemill among the peers: a folder `data` and a store side by side. Imports nothing else, so that a process that
does one action (`python -m benchmarks.store WORK ACTION`) starts as fast as a command of Tidemill's could."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from tidemill.adapters.directory import DirectoryObjects
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.data import local_store
from tidemill.data.local_store import Store

ACTIONS = ("version", "diff", "checkout")


class Tidemill:
    """In this process, without the start of Python."""

    name = "Tidemill"

    def __init__(self, work: Path) -> None:
        self.folder = work / "data"
        index = SqliteIndex(work / "store" / "index.sqlite")
        self.store = Store("gauges", DirectoryObjects(work / "store"), index, work / "cache")

    def version(self) -> None:
        local_store.commit(self.folder, self.store, clock=now)

    def push(self) -> None:
        """Others find it where it is."""

    unchanged = version

    def diff(self) -> None:
        local_store.diff(self.store, 1, 2)

    def checkout(self) -> None:
        local_store.checkout(1, self.folder, self.store, clock=now)


def now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    work, action = sys.argv[1:]
    if action not in ACTIONS:
        sys.exit(f"{action!r} is none of {', '.join(ACTIONS)}")
    getattr(Tidemill(Path(work)), action)()
