"""64 promotions, rollbacks, pauses, resumptions, new releases and readings at once: each as if alone.

Over an index in memory and one in SQLite, with endpoints that refuse a lower epoch; the checker
is shown to refuse histories that cannot be.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.unit.release.linearizable import Operation, order
from tidemill import names
from tidemill.adapters.memory import MemoryEndpoints, MemoryIndex
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.errors import ConflictError, StoreBusy
from tidemill.release import pointer as live

OPERATIONS = 64
STEERING = ("promote", "rollback", "pause", "resume")
SHARE = 0.1


class Live(NamedTuple):
    """The pointer, and whether the running release is paused: the models' numbers."""

    epoch: int
    champion: int | None
    challenger: int | None
    previous: int | None
    weight: float
    paused: bool


def model(state: Live, made: Operation) -> Iterator[Live]:
    """The sequential model: what each action does to the pointer when nobody else is there."""
    if made.name == "read":
        if made.result == state[:5]:
            yield state
        return
    if made.result == "unknown":  # it gave up waiting for the others: it happened, or did not
        yield state
    after = moved(state, made)
    refused = made.result == "conflict"
    if refused:  # it moved nothing; whether it could have is not asked of who lost a race
        yield state
    elif after is not None and made.result in ("unknown", after.epoch):
        yield after
    elif made.name == "release" and made.result == "superseded" and not newer(state, made.argument):
        yield state


def newer(state: Live, number: int) -> bool:
    return state.challenger is None or state.challenger < number


def moved(state: Live, made: Operation) -> Live | None:
    """The state after the action; None if it cannot be done."""
    epoch, champion, challenger, previous, weight, paused = state
    if made.name == "release":
        return (
            Live(epoch + 1, champion, made.argument, previous, 0.0, False) if newer(state, made.argument) else None
        )
    if made.name == "shift":
        fits = challenger == made.argument and weight == 0
        return Live(epoch + 1, champion, challenger, previous, 0.0 if paused else SHARE, paused) if fits else None
    if made.name == "promote" and challenger:
        return Live(epoch + 1, challenger, None, champion, 0.0, False)
    if made.name == "rollback" and challenger:
        return Live(epoch + 1, champion, None, previous, 0.0, False)
    if made.name == "rollback" and previous:
        return Live(epoch + 1, previous, None, None, 0.0, False)
    if made.name == "pause" and challenger and not paused:
        return Live(epoch + 1, champion, challenger, previous, 0.0, True)
    if made.name == "resume" and challenger and paused:
        return Live(epoch + 1, champion, challenger, previous, SHARE, False)
    return None


class Fenced(MemoryEndpoints):
    """Endpoints that keep the epochs they were moved to, in the order in which they were."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[int] = []
        self._lock = threading.Lock()

    def publish(self, project: str, **model: Any) -> str:
        with self._lock:
            return super().publish(project, **model)

    def move_alias(self, project: str, *, epoch: int, **to: Any) -> None:
        with self._lock:
            before = self.alias(project).epoch
            super().move_alias(project, epoch=epoch, **to)
            if epoch != before:
                self.applied.append(epoch)


class Slow:
    """An index whose every call gives way to the others at random, so that they come between."""

    def __init__(self, index: Any, seed: int) -> None:
        self._index, self._random = index, random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._index, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            time.sleep(self._random.uniform(0, 0.002))
            return method(*arguments, **keywords)

        return call


def number_of(side: dict[str, Any] | None) -> int | None:
    return side["model"] if side else None


def seen(index: Any) -> tuple[Any, ...]:
    row = live.read(index, "tides")
    sides = (number_of(row[name]) for name in ("champion", "challenger", "previous"))
    return (row["epoch"], *sides, float(row["weight"]))


class Together:
    """Runs operations at once and keeps what each was answered, and when."""

    def __init__(self, world: Any, index: Any, seed: int) -> None:
        self.world, self.history = world, []
        world.over(world.objects, Slow(index, seed))
        self._index, self._ticks, self._lock = index, itertools.count(), threading.Lock()

    def run(self, asked: list[tuple[str, Any]]) -> list[Operation]:
        meet = threading.Barrier(len(asked))
        threads = [
            threading.Thread(target=self._one, args=(meet, number, *each)) for number, each in enumerate(asked)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.history

    def _one(self, meet: threading.Barrier, number: int, name: str, argument: Any) -> None:
        meet.wait()
        time.sleep(0.02 * (number % 8))  # in waves, so that many are after many
        invoked = self._tick()
        try:
            result = self._made(name, argument, f"arn:{number}")
        except ConflictError:
            result = "conflict"
        except StoreBusy:
            result = "unknown"
        returned = float("inf") if result == "unknown" else self._tick()
        with self._lock:
            self.history.append(Operation(name, argument, result, invoked, returned))

    def _tick(self) -> int:
        with self._lock:
            return next(self._ticks)

    def _made(self, name: str, argument: Any, by: str) -> Any:
        if name == "read":
            return seen(self._index)
        if name == "release":
            release_id = f"tides-v{argument:05d}"
            state = self.world.publish(argument, release_id)["state"]
            return (
                "superseded" if state == "superseded" and not self._began(release_id) else self._epoch(release_id)
            )
        self.world.steer(name, by=by, reason=by)
        return self._epoch(by)

    def _began(self, release_id: str) -> bool:
        return any(release_id in entry["subject"] for entry in self._moves("release.started"))

    def _moves(self, action: str = "") -> list[dict[str, Any]]:
        rows = self._index.query(names.pk("tides"), names.AUDIT)
        return [row for row in rows if "epoch" in row["details"] and row["action"].startswith(action)]

    def _epoch(self, who: str) -> int:
        """The epoch of the one move that was made for that person, or that release."""
        mine = [row for row in self._moves() if row["by"] == who or row["subject"] == f"release {who}"]
        if who.startswith("tides"):
            mine = [row for row in mine if row["action"] == "release.started"]
        (epoch,) = {row["details"]["epoch"] for row in mine}
        return int(epoch)


@pytest.fixture(params=["memory", "sqlite"])
def index(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryIndex()
    else:
        yield SqliteIndex(tmp_path / "index.sqlite")


@pytest.mark.parametrize("seed", range(3))
def test_64_operations_at_once_are_linearizable(make_world: Any, index: Any, seed: int) -> None:
    world = make_world(steps=[SHARE])
    world.endpoints = Fenced()
    world.over(world.objects, index)
    for number in (1, 2):
        world.released(f"tides-v{number:05d}")
    for number in range(3, 11):
        world.register(world.run(f"tides-v{number:05d}"))
    world.publish(3, "tides-v00003")
    world.shift("tides-v00003", 0)
    initial = Live(*seen(index), paused=False)
    rng = random.Random(seed)
    asked: list[tuple[str, Any]] = [("release", number) for number in range(4, 11)]
    asked += [(rng.choice((*STEERING, *STEERING, "read")), None) for _ in range(OPERATIONS - len(asked))]
    rng.shuffle(asked)
    history = Together(world, index, seed).run(asked)
    assert len(history) == OPERATIONS
    moves = Counter(made.name for made in history if isinstance(made.result, int))
    assert sum(moves.values()) >= 2, "enough of them did something"
    assert any(made.result == "conflict" for made in history)
    assert order(history, partial(resumed_without_share, model), initial) is not None, history
    last = live.read(index, "tides")
    # A new release takes the slot without moving the alias; every other action has moved it when it returns.
    moving = [made.result for made in history if isinstance(made.result, int) and made.name != "release"]
    assert world.endpoints.applied == sorted(set(world.endpoints.applied)), (
        "no lower epoch came after a higher one"
    )
    assert world.endpoints.alias("tides").epoch >= max(moving)
    assert world.endpoints.alias("tides").version == last["champion"]["function_version"]


def resumed_without_share(model: Any, state: Live, made: Operation) -> Iterator[Live]:
    """No machine runs here: only the release that ran before has a step, so that others resume without a share."""
    for after in model(state, made):
        yield after._replace(weight=0.0) if made.name == "resume" and state.challenger != 3 else after


def operation(name: str, result: Any, invoked: int, returned: int, argument: Any = None) -> Operation:
    return Operation(name, argument, result, invoked, returned)


START = Live(4, 1, 2, None, SHARE, False)


@pytest.mark.parametrize(
    ("history", "possible"),
    [
        ([operation("promote", 5, 0, 1), operation("read", (5, 2, None, 1, 0.0), 2, 3)], True),
        ([operation("promote", 5, 0, 1), operation("read", START[:5], 2, 3)], False),  # an old pointer is read
        ([operation("promote", 5, 0, 2), operation("read", START[:5], 1, 3)], True),  # at the same time
        ([operation("promote", 5, 0, 2), operation("promote", 6, 1, 3)], False),  # it was promoted twice
        ([operation("promote", 5, 0, 2), operation("rollback", 6, 1, 3)], True),
        ([operation("rollback", 5, 0, 2), operation("promote", 6, 1, 3)], False),  # of nothing
        ([operation("pause", 5, 0, 1), operation("resume", 6, 2, 3), operation("pause", 7, 4, 5)], True),
        ([operation("resume", 5, 0, 1), operation("pause", 6, 2, 3)], False),
        ([operation("pause", "conflict", 0, 1), operation("read", START[:5], 2, 3)], True),
        ([operation("pause", "conflict", 0, 1), operation("read", (5, 1, 2, None, 0.0), 2, 3)], False),
        ([operation("release", 5, 0, 1, 3), operation("release", "superseded", 2, 3, 2)], True),
        ([operation("release", 5, 0, 1, 3), operation("release", 6, 2, 3, 2)], False),
        (
            [
                operation("promote", 5, 0, 9),
                operation("read", (5, 2, None, 1, 0.0), 1, 2),
                operation("read", START[:5], 3, 4),  # back in time, though both are beside the promotion
            ],
            False,
        ),
    ],
)
def test_the_checker_tells_what_can_be_from_what_cannot(history: list[Operation], possible: bool) -> None:
    assert (order(history, model, START) is not None) is possible


def test_the_checker_finds_the_order_among_many(make_world: Any) -> None:
    turns = [operation(("pause", "resume")[n % 2], 5 + n, 0, 100) for n in range(12)]
    found = order(turns, model, START)
    assert found is not None
    assert [made.result for made in found] == list(range(5, 17))
    assert order([*turns, operation("pause", 5, 0, 100)], model, START) is None
