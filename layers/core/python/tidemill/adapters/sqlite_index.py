"""The table in an SQLite file, for any number of threads and processes of one machine.

A transaction is on the disk when `transact` returns, and is either there or not after a crash. On a network drive
give `wal=False`: SQLite's write-ahead log needs memory that all its users share ("Write-Ahead Logging",
sqlite.org/wal.html), and then trust that the drive keeps locks.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tidemill.errors import ConflictError
from tidemill.ports import Put, Row, Update, is_lost

BUSY_SECONDS = 60.0
MOST = 100
_INHERITED: list[sqlite3.Connection] = []
_TABLE = """CREATE TABLE IF NOT EXISTS rows
  (pk TEXT NOT NULL, sk TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (pk, sk)) WITHOUT ROWID"""
_GET = "SELECT attributes FROM rows WHERE pk = ? AND sk = ?"
_SET = "INSERT INTO rows VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET attributes = excluded.attributes"


class SqliteIndex:
    """An Index in the file `path`, which is made, with its folder, if it does not exist. An instance may be used
    by several threads, one after the other, and after a fork."""

    def __init__(self, path: str | Path, *, wal: bool = True) -> None:
        self._path, self._journal = Path(path).absolute(), "WAL" if wal else "DELETE"
        self._lock = threading.RLock()
        self._opened: tuple[int, sqlite3.Connection] | None = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as connection:
            connection.execute(_TABLE)

    def close(self) -> None:
        """Close the file. The next call opens it again."""
        with self._lock:
            if self._opened and self._opened[0] == os.getpid():
                self._opened[1].close()
            self._opened = None

    def get(self, pk: str, sk: str) -> Row | None:
        with self._lock:
            return _row(self._connection(), pk, sk)

    def query(
        self, pk: str, prefix: str, *, start: str = "", newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        conditions, values = "pk = ? AND sk >= ?", [pk, max(prefix, start)]
        if (end := _end_of(prefix)) is not None:
            conditions, values = conditions + " AND sk < ?", [*values, end]
        order, most = "DESC" if newest_first else "ASC", -1 if limit is None else limit
        statement = f"SELECT sk, attributes FROM rows WHERE {conditions} ORDER BY sk {order} LIMIT ?"
        with self._lock:
            found = self._connection().execute(statement, [*values, most]).fetchall()
        return [{**json.loads(attributes), "pk": pk, "sk": sk} for sk, attributes in found]

    def transact(self, changes: Sequence[Put | Update]) -> None:
        if len(changes) > MOST:
            raise ValueError(f"{len(changes)} changes are too many for one transaction; at most {MOST}")
        with self._transaction() as connection:
            rows = [_changed(change, _row(connection, change.pk, change.sk)) for change in changes]
            connection.executemany(
                _SET, [(change.pk, change.sk, _dumped(row)) for change, row in zip(changes, rows, strict=True)]
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        """The connection of this process. One that was opened before a fork may not be used after it, nor closed
        ("How To Corrupt An SQLite Database File", 2.6)."""
        if self._opened is None or self._opened[0] != os.getpid():
            connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute(f"PRAGMA journal_mode = {self._journal}")
            connection.execute("PRAGMA synchronous = FULL")
            if self._opened:
                _INHERITED.append(self._opened[1])
            self._opened = os.getpid(), connection
        return self._opened[1]


def _row(connection: sqlite3.Connection, pk: str, sk: str) -> Row | None:
    found = connection.execute(_GET, (pk, sk)).fetchone()
    return {**json.loads(found[0]), "pk": pk, "sk": sk} if found else None


def _changed(change: Put | Update, stored: Row | None) -> Row:
    """The row after the change. Raises ConflictError if a condition does not hold."""
    if is_lost(change, stored):
        raise ConflictError(f"row {change.pk} {change.sk} is not as expected; read it again")
    return dict(change.row) if isinstance(change, Put) else {**(stored or {}), **change.set}


def _dumped(row: dict[str, Any]) -> str:
    attributes = {name: value for name, value in row.items() if name not in ("pk", "sk")}
    return json.dumps(attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _end_of(prefix: str) -> str | None:
    """The first text after all that start with `prefix`; None if none comes after. SQLite compares UTF-8 bytes,
    which order as code points do."""
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return None
    following = ord(head[-1]) + 1
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)
