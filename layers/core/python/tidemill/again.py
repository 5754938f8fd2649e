"""Trying again: what lost a race, and what the table had no time for."""

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tidemill.errors import ConflictError, StoreBusy
from tidemill.ports import Index, Put, Row, Update

ATTEMPTS = 10
PATIENT_ATTEMPTS = 200
LONGEST_SECONDS = 0.25
T = TypeVar("T")


def until_undisturbed(attempt: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
    """Make an attempt, from reading on, until it raises no ConflictError: whenever one lost a race, another one
    won it, so that all together go on. Raises the last one after so many; a state machine then waits and starts
    afresh."""
    return _until_without(ConflictError, attempt, attempts)


class Patient:
    """An Index that asks again while the table is busy. Raises StoreBusy if it stays so over PATIENT_ATTEMPTS."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def get(self, pk: str, sk: str) -> Row | None:
        return _until_without(StoreBusy, lambda: self._index.get(pk, sk), PATIENT_ATTEMPTS)

    def query(
        self, pk: str, prefix: str, *, start: str = "", newest_first: bool = False, limit: int | None = None
    ) -> list[Row]:
        def ask() -> list[Row]:
            return self._index.query(pk, prefix, start=start, newest_first=newest_first, limit=limit)

        return _until_without(StoreBusy, ask, PATIENT_ATTEMPTS)

    def transact(self, changes: Sequence[Put | Update]) -> None:
        _until_without(StoreBusy, lambda: self._index.transact(changes), PATIENT_ATTEMPTS)


def _until_without(error: type[Exception], attempt: Callable[[], T], attempts: int) -> T:
    """The pauses are drawn between zero and a limit that doubles ("full jitter": Brooker, Exponential Backoff And
    Jitter, AWS architecture blog, 2015)."""
    for number in range(attempts - 1):
        try:
            return attempt()
        except error:
            time.sleep(random.uniform(0, min(LONGEST_SECONDS, 0.002 * 2 ** min(number, 12))))
    return attempt()
