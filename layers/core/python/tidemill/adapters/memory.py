"""Adapters that keep everything in memory, for unit tests. They hold the same contract as the AWS ones, also when
many threads use one of them: what is conditional there is one step here."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tidemill.errors import ConflictError, RecordNotFound, StaleEpoch
from tidemill.ports import CHUNK, Alias, Put, Row, Stat, Update, Watch, is_lost

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryObjects:
    """An ObjectStore. Every write of a key makes a new version, numbered "1", "2", …; of a version that was
    deleted, None is left. `modified` has the time of each key's last write, WRITTEN unless a test sets it."""

    def __init__(self) -> None:
        self.versions: dict[str, list[bytes | None]] = {}
        self.modified: dict[str, datetime] = {}
        self._lock = threading.RLock()

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        stat = self.head(key, version_id=version_id)
        if stat is None:
            raise RecordNotFound(f"object {key!r} (version {version_id or 'current'}) does not exist")
        return self.versions[key][int(stat.version_id) - 1] or b""

    def exists(self, key: str) -> bool:
        return self.head(key) is not None

    def head(self, key: str, *, version_id: str | None = None) -> Stat | None:
        with self._lock:
            bodies = {str(number): body for number, body in enumerate(self.versions.get(key, ()), start=1)}
            held = {number: body for number, body in bodies.items() if body is not None}
            wanted = next(reversed(held), None) if version_id is None else version_id
            if wanted is None or wanted not in held:
                return None
            return Stat(len(held[wanted]), wanted, self.modified.get(key, WRITTEN))

    def chunks(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        body = self.get(key, version_id=version_id)[start:end]
        for place in range(0, len(body), CHUNK):
            yield body[place : place + CHUNK]

    def put_chunks(
        self, key: str, chunks: Iterable[bytes], *, content_type: str = "application/octet-stream"
    ) -> None:
        self.put(key, b"".join(chunks), content_type=content_type)

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        with self._lock:
            bodies = self.versions.get(key, [])
            if version_id is None:
                bodies = [None for _ in bodies]
            elif version_id.isdigit() and int(version_id) <= len(bodies):
                bodies[int(version_id) - 1] = None
            if bodies:
                self.versions[key] = bodies

    def prune(self, key: str) -> None:
        with self._lock:
            current = self.head(key)
            for number in range(1, len(self.versions.get(key, ())) + 1):
                if current is None or str(number) != current.version_id:
                    self.delete(key, version_id=str(number))

    def put_new(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> bool:
        with self._lock:
            if self.exists(key):
                return False
            self.put(key, body, content_type=content_type)
            return True

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        with self._lock:
            self.versions.setdefault(key, []).append(bytes(body))

    def copy_new(self, source: str, target: str, *, version_id: str | None = None) -> bool:
        return self.put_new(target, self.get(source, version_id=version_id))

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        with self._lock:
            found = sorted(key for key in self.versions if key.startswith(prefix) and key > after)
            return iter([key for key in found if self.exists(key)])

    def stats(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        for key in self.keys(prefix):
            stat = self.head(key)
            if stat is not None:
                yield key, stat


class MemoryIndex:
    """An Index and a Counter."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self._lock = threading.RLock()

    def get(self, pk: str, sk: str) -> Row | None:
        with self._lock:
            row = self.rows.get((pk, sk))
            return dict(row) if row is not None else None

    def query(
        self, pk: str, prefix: str, *, start: str = "", newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        with self._lock:
            keys = sorted(
                key for key in self.rows if key[0] == pk and key[1].startswith(prefix) and key[1] >= start
            )
            if newest_first:
                keys.reverse()
            return [dict(self.rows[key]) for key in keys[:limit]]

    def transact(self, changes: Sequence[Put | Update]) -> None:
        with self._lock:
            for change in changes:
                self._check(change)
            for change in changes:
                key = (change.pk, change.sk)
                attributes = change.row if isinstance(change, Put) else {**self.rows[key], **change.set}
                self.rows[key] = {**attributes, "pk": change.pk, "sk": change.sk}

    def count(self, pk: str, sk: str, *, period: str, most: int) -> bool:
        with self._lock:
            row = self.rows.get((pk, sk), {"made": 0, "period": ""})
            if row["period"] < period:
                row = {"made": 0, "period": period}
            if row["made"] >= most:
                return False
            self.rows[pk, sk] = {**row, "made": row["made"] + 1, "pk": pk, "sk": sk}
            return True

    def _check(self, change: Put | Update) -> None:
        if is_lost(change, self.rows.get((change.pk, change.sk))):
            raise ConflictError(f"row {change.pk} {change.sk} is not as expected; read it again")


class MemoryWorkflows:
    """A Workflows that records what was started."""

    def __init__(self) -> None:
        self.started: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._lock = threading.RLock()

    def start(self, machine: str, *, name: str, payload: Mapping[str, Any]) -> bool:
        with self._lock:
            if (machine, name) in self.started:
                return False
            self.started[machine, name] = dict(payload)
            return True


class MemoryCallbacks:
    """A Callbacks over the tokens in `waiting`; `completed` has what each was answered."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.completed: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.RLock()

    def complete(self, token: str, output: Mapping[str, Any]) -> bool:
        with self._lock:
            if token not in self.waiting:
                return False
            self.waiting.remove(token)
            self.completed[token] = dict(output)
            return True


class MemoryNotices:
    """A Notices that keeps what was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def tell(self, subject: str, text: str) -> None:
        self.told.append((subject, text))


class MemoryEndpoints:
    """An Endpoints. Version "1" of each project is the endpoint without a model, as after a deployment. `bundles`
    are the keys of what was published, of all projects, and `kinds` their kinds. `answer` gives what a version
    answers to a body."""

    def __init__(self) -> None:
        self.published: dict[str, list[tuple[int, str]]] = {}
        self.bundles: list[str] = []
        self.kinds: list[str] = []
        self.aliases: dict[str, Alias] = {}
        self.answer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] = lambda *_: {}

    def publish(self, project: str, *, bundle_key: str, model_version: int, identity: str, kind: str = "") -> str:
        versions = self.published.setdefault(project, [])
        wanted = (model_version, f"{identity} {kind}".rstrip())
        if wanted not in versions:
            versions.append(wanted)
            self.bundles.append(bundle_key)
            self.kinds.append(kind)
        return str(versions.index(wanted) + 2)

    def ask(self, project: str, *, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.answer(version, body)

    def alias(self, project: str) -> Alias:
        return self.aliases.get(project, Alias("1", {}, "r0", 0))

    def move_alias(self, project: str, *, version: str, weights: Mapping[str, float], epoch: int) -> None:
        current = self.alias(project)
        if current.epoch > epoch:
            raise StaleEpoch(f"alias live of {project!r} is at epoch {current.epoch}, not {epoch}; read it again")
        if current.epoch < epoch:
            self.aliases[project] = Alias(version, dict(weights), f"r{epoch}", epoch)


class MemoryGuards:
    """A Guards that remembers what is watched, by project."""

    def __init__(self) -> None:
        self.watched: dict[str, Watch] = {}

    def set(self, project: str, watch: Watch) -> None:
        self.watched[project] = watch

    def clear(self, project: str) -> None:
        self.watched.pop(project, None)
