"""How many functions run at once: as many as a laptop has room for. The others wait their turn.

On AWS an account runs a thousand invocations at a time and refuses more (HTTP 429). Here each takes a process
with its imports, up to 300 MB and seconds of work until it is warm, so a storm of events that started them all
would fill the memory and end later than one that takes turns in few, warm ones. Whoever came first goes first,
but no function takes all places: another function's invocation passes those that wait for one of its own.

MiniStack refuses what is above a limit that follows from the memory; with turns there is no need to.

Differs from Lambda: nothing is throttled. Waiting is not part of the function's timeout, but it is of its
caller's. A function that invokes another and waits for it keeps its place meanwhile; functions of one chain that
fill all places would wait for each other until they time out.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ministack.services import lambda_svc

CORES = os.cpu_count() or 1
PLACES = max(8, 2 * CORES)
PLACES_PER_FUNCTION = max(4, CORES)


class Room:
    """Places for invocations: `places` in all, `per_function` for one function."""

    def __init__(self, places: int = PLACES, per_function: int = PLACES_PER_FUNCTION) -> None:
        self._places = places
        self._per_function = per_function
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[str, threading.Event]] = []
        self._lock = threading.Lock()

    @contextmanager
    def place(self, function: str) -> Iterator[None]:
        """Wait for a place, and hold it."""
        turn = threading.Event()
        with self._lock:
            self._waiting.append((function, turn))
            self._call()
        turn.wait()
        try:
            yield
        finally:
            with self._lock:
                self._taken[function] -= 1
                self._call()

    def _call(self) -> None:
        """Give free places to those whose turn it is."""
        waiting, self._waiting = self._waiting, []
        for function, turn in waiting:
            if self._taken.total() < self._places and self._taken[function] < self._per_function:
                self._taken[function] += 1
                turn.set()
            else:
                self._waiting.append((function, turn))


def install() -> None:
    """Let everybody wait who would be refused."""
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = 0  # MiniStack's word for no limit
