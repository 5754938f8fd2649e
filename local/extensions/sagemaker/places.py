"""Places for jobs on this machine: who came first goes first."""

import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.05


class Places:
    """`count` places. A holder is any object."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._line: list[object] = []
        self._lock = threading.Lock()

    def take(self, holder: object, given_up: Callable[[], bool]) -> bool:
        """Wait for a place. False when it was given up before."""
        with self._lock:
            self._line.append(holder)
        while not given_up():
            with self._lock:
                if self._line.index(holder) < self._count:
                    return True
            time.sleep(LOOK_SECONDS)
        self.leave(holder)
        return False

    def leave(self, holder: object) -> None:
        """Give the place, or the turn, to the next."""
        with self._lock:
            self._line.remove(holder)
