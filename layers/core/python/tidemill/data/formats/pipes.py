"""Threads between the steps of a stream: reading, hashing and parsing of a file go on side by side.

Called by `open_file` and `tidemill.data.scan`. What one step raises, the next one sees.
"""

import hashlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_AHEAD = 4
Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(make: Callable[[Item], Made], items: Iterable[Item], *, workers: int) -> Iterator[Made]:
    """`make` of each item, in their order, made by `workers` threads that are one item ahead of who takes them."""
    if workers <= 1:
        yield from map(make, items)
        return
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ahead(items: Iterator[Item], *, most: int = _AHEAD) -> Generator[Item, None, None]:
    """The same items, made in a thread of their own, at most `most` ahead of who takes them."""
    made: queue.Queue[Any] = queue.Queue(most)
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # noqa: BLE001  (raised again where it is waited for)
            put((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
        thread.join()


class Hashed:
    """A stream whose SHA-256 is taken as it goes by, in a thread, so that the reader need not wait for it. Whoever
    does not ask for the digest closes it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._hash = chunks, hashlib.sha256()
        self._queue: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._queue.put(chunk)
            yield chunk

    def digest(self) -> str:
        """The digest of the whole stream, what is still unread included."""
        for chunk in self._chunks:
            self._queue.put(chunk)
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._hash.update(chunk)
