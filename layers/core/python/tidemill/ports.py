"""What the use cases need from the outside. The docstrings are the contract; one test suite
(`tests/contract`) runs over every adapter.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Row = dict[str, Any]


CHUNK = 8 << 20
"""Bytes that a stream of an object gives at a time, about."""


@dataclass(frozen=True)
class Stat:
    """What is known of an object without reading it: size in bytes, version id, when it was written (UTC), and
    what its writer noted with it (`head` alone tells that)."""

    size: int
    version_id: str
    modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """The data bucket. Keys are plain text; bodies are bytes; facts are written once."""

    def get(self, key: str, *, version_id: str | None = None) -> bytes:
        """The bytes of `key` (of that version). Raises RecordNotFound."""

    def exists(self, key: str) -> bool:
        """Whether `key` has a current version."""

    def put_new(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> bool:
        """Write `key` if it does not exist; False if it did (nothing is changed then)."""

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Write `key`, replacing what was there. Only for views that can be made again (reports)."""

    def copy_new(self, source: str, target: str, *, version_id: str | None = None) -> bool:
        """Server-side copy of `source` (of that version) to `target` if that does not exist; else False.
        Raises RecordNotFound when the source does not exist."""

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """All current keys that start with `prefix` and sort after `after`, in lexical order."""

    def stats(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        """All current keys that start with `prefix`, in lexical order, with what is known of each."""

    def head(self, key: str, *, version_id: str | None = None) -> Stat | None:
        """What is known of `key` (of that version); None if it does not exist."""

    def chunks(
        self, key: str, *, version_id: str | None = None, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """The bytes from `start` up to `end` (or to the last one) of `key` (of that version), as they come, about
        CHUNK at a time; none where there are none. Raises RecordNotFound when the first is asked for."""

    def put_chunks(
        self, key: str, chunks: Iterable[bytes], *, content_type: str = "application/octet-stream"
    ) -> None:
        """Write `key` from a stream, without holding all of it. Nothing is there until the stream has ended, and
        nothing at all if it raises."""

    def delete(self, key: str, *, version_id: str | None = None) -> None:
        """Remove that version of `key` for good, or every version of it. What is not there is removed already.
        Raises ObjectKept if a lock or a missing permission keeps it."""

    def prune(self, key: str) -> None:
        """Remove every version of `key` but the current one for good; if it was deleted, all of them. Raises
        ObjectKept as `delete` does."""


@dataclass(frozen=True)
class Put:
    """Write a row. `if_absent`: only if no row has this key. `if_epoch`: only if the stored row's `epoch` is
    this number (0: no row, or a row without an epoch). The new row's own `epoch` is whatever `row` says.
    `proof` names an attribute of `row` whose value nobody else writes: a stored row that has it shows that this
    very change was made before, its answer lost, and no condition is asked then."""

    pk: str
    sk: str
    row: Mapping[str, Any]
    if_absent: bool = False
    if_epoch: int | None = None
    proof: str | None = None


@dataclass(frozen=True)
class Update:
    """Set attributes of a row that exists, leaving the others. `if_equal`: only if these attributes have
    these values (a missing attribute equals None). `proof`: as a Put's, an attribute of `set`."""

    pk: str
    sk: str
    set: Mapping[str, Any]
    if_equal: Mapping[str, Any] = field(default_factory=dict)
    proof: str | None = None


def is_lost(change: Put | Update, stored: Mapping[str, Any] | None) -> bool:
    """Whether a condition of the change does not hold for the row that is stored (None: there is none)."""
    written = change.row if isinstance(change, Put) else change.set
    if change.proof is not None and stored is not None and stored.get(change.proof) == written[change.proof]:
        return False
    if isinstance(change, Update):
        return stored is None or any(stored.get(name) != value for name, value in change.if_equal.items())
    fenced = change.if_epoch is not None and (stored or {}).get("epoch", 0) != change.if_epoch
    return fenced or (change.if_absent and stored is not None)


class Index(Protocol):
    """The table: counters, pointers, locks, views. Values are JSON values (no NaN, no bytes)."""

    def get(self, pk: str, sk: str) -> Row | None:
        """The row, strongly consistent, with `pk` and `sk`; None if there is none."""

    def query(
        self, pk: str, prefix: str, *, start: str = "", newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        """All rows of `pk` whose `sk` starts with `prefix` and is not before `start`, ordered by `sk`, strongly
        consistent."""

    def transact(self, changes: Sequence[Put | Update]) -> None:
        """All changes or none. Raises ConflictError when any condition does not hold (or an Update's row does
        not exist). At most 100 changes."""


class Counter(Protocol):
    """Counts in the table, of periods that follow one another; one row for each, whatever the period."""

    def count(self, pk: str, sk: str, *, period: str, most: int) -> bool:
        """Add one to the `made` of the row's `period`, unless `most` (1 or more) were counted; whether it was.
        A later period (periods are ordered as texts) begins at one; an earlier one is counted as the row's own.
        None is lost or refused because many count at once; a lost answer may count one twice."""


class Workflows(Protocol):
    """The state machines."""

    def start(self, machine: str, *, name: str, payload: Mapping[str, Any]) -> bool:
        """Start the machine of that stage word under a deterministic execution name. False if an execution of
        that name exists already."""


class Callbacks(Protocol):
    """Executions of state machines that wait for an answer, each known by a token."""

    def complete(self, token: str, output: Mapping[str, Any]) -> bool:
        """Let the execution go on with `output`. False if nothing waits under that token (any more): it was
        answered, or its execution has ended."""


class Notices(Protocol):
    """Where people who look after a stage are told something."""

    def tell(self, subject: str, text: str) -> None:
        """Send it. People may get it twice, and no decision rests on it."""


@dataclass(frozen=True)
class Alias:
    """What a function alias points to. `weights` are the additional versions; `revision` fences the update;
    `epoch` is the pointer's epoch that was last applied (kept in the alias description)."""

    version: str
    weights: Mapping[str, float]
    revision: str
    epoch: int


class Endpoints(Protocol):
    """The inference functions, one per project, each with the alias `live`."""

    def publish(self, project: str, *, bundle_key: str, model_version: int, identity: str, kind: str = "") -> str:
        """Publish the endpoint's code together with the model bundle (a layer zip at that S3 key) as a function
        version, and give its number; with the layers that `kind` needs (`placement.Placed`). Publishing the same
        model version, identity and kind again gives the same number."""

    def ask(self, project: str, *, version: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer of that function version to a request body, which is neither captured nor counted. Where the
        function refuses or fails, what it says of that: a mapping without `predictions`."""

    def alias(self, project: str) -> Alias:
        """The alias `live`."""

    def move_alias(self, project: str, *, version: str, weights: Mapping[str, float], epoch: int) -> None:
        """Point `live` at `version` with additional `weights`. Raises StaleEpoch if a higher epoch was applied
        already; ConflictError if the alias changed in between. Applying the same epoch again changes nothing."""


@dataclass(frozen=True)
class Watch:
    """What is watched of a challenger while its release runs: the function `version`; the share of its requests of
    a minute that may fail (`errors`, 0 to 1), and the milliseconds that 95 of 100 of them may take at most
    (`p95_ms`), each None where it is not watched; in a minute of fewer than `min_requests` neither is judged."""

    release_id: str
    version: str
    errors: float | None
    p95_ms: float | None
    min_requests: int


class Guards(Protocol):
    """The alarms on challengers, one watch per project. An alarm that goes off is an event that rolls back the
    release which it names."""

    def set(self, project: str, watch: Watch) -> None:
        """Watch that challenger, and nothing else of the project. Setting the same watch again changes nothing,
        neither what is watched nor what it was found to be."""

    def clear(self, project: str) -> None:
        """Watch nothing of the project. What is not watched is cleared already."""


class Clock(Protocol):
    """The time, as an argument."""

    def __call__(self) -> datetime:
        """Now, aware, in UTC."""
