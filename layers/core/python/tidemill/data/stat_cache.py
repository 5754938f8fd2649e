"""Digests of files that were read before, so that a file is read again only if it may have changed.

A file is taken for unchanged if its size, times and inode are those it had when it was read, and if it had been
left alone for a while by then. The latter is git's rule ("Use of index and Racy Git problem",
Documentation/technical/racy-git.txt in git): a file that is written to twice within one step of the file system's
clock has the same times after either. A digest taken within RACY_NS of the last change is therefore not trusted
later, and the file is read once more. RACY_NS also bears a server's clock that differs by less.

What is not seen: a change that leaves size, modification and change time as they were, which takes a set-back
clock; writes through a memory map that the kernel has not dated yet.

The cache may be lost or deleted at any time; what cannot be read is made again.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from tidemill.data.folders import Found

RACY_NS = 2_000_000_000
BUSY_SECONDS = 10.0
_TABLE = """CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER,
  ctime_ns INTEGER, inode TEXT, read_ns INTEGER, sha256 TEXT) WITHOUT ROWID"""


class Digest(NamedTuple):
    """SHA-256 of a file whose size, times and inode were `facts` (as in Found) when it was read, from `read_ns`
    on."""

    facts: tuple[int, int, int, int]
    read_ns: int
    sha256: str

    def holds_for(self, file: Found) -> bool:
        """Whether the file is sure to be what was read."""
        return self.facts == file.facts and max(file.mtime_ns, file.ctime_ns) + RACY_NS < self.read_ns


def load(cache: Path) -> dict[str, Digest]:
    """What is known, by path; nothing if the file does not exist or is damaged."""
    if not cache.exists():
        return {}
    try:
        with closing(sqlite3.connect(cache, timeout=BUSY_SECONDS)) as connection:
            rows = connection.execute("SELECT * FROM digests").fetchall()
            return {row[0]: Digest((*row[1:4], int(row[4])), row[5], row[6]) for row in rows}
    except sqlite3.OperationalError:  # in use, or made by somebody who was killed
        return {}
    except (sqlite3.DatabaseError, ValueError, TypeError):
        cache.unlink(missing_ok=True)
        return {}


def save(cache: Path, digests: Mapping[str, Digest], *, gone: Iterable[str] = ()) -> None:
    """Note these digests and forget the paths in `gone`. If that fails, only time is lost."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    rows = [(path, *of.facts[:3], str(of.facts[3]), of.read_ns, of.sha256) for path, of in digests.items()]
    with suppress(sqlite3.Error):
        try:
            _write(cache, rows, gone)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # in use or the disk full, not damaged
                return
            cache.unlink(missing_ok=True)
            _write(cache, rows, gone)


def _write(cache: Path, rows: Sequence[tuple[object, ...]], gone: Iterable[str]) -> None:
    with closing(sqlite3.connect(cache, timeout=BUSY_SECONDS)) as connection, connection:
        connection.execute(_TABLE)
        connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("DELETE FROM digests WHERE path = ?", [(path,) for path in gone])
