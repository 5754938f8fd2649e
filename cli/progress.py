"""Progress of long work, on standard error, where a person looks on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cli import show

WORTH = 4 << 20
"""Bytes from which on a bar is worth its place."""


@contextmanager
def bytes_of(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar over `total` bytes; what is given is called with the bytes that were done since."""
    console = show.note()
    if quiet or total < WORTH or not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def doing(what: str, *, quiet: bool) -> Iterator[None]:
    """A sign that something of unknown length goes on."""
    console = show.note()
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
