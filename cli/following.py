"""Follow an upload, a run and a release as they go: poll the table, give each change, end when it is settled.

Used by `data push --wait`, `runs follow` and the story. Only reads. Time is an argument (`Pace`), so that tests
do not wait.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from cli import reading
from cli.errors import Refused
from cli.reading import Facts
from tidemill import names
from tidemill.data.uploads import FAILED, SETTLED
from tidemill.ports import Index, ObjectStore

RUNNING = "running"


@dataclass(frozen=True)
class Pace:
    """How often to look and how long to wait, in seconds."""

    every: float = 1.0
    at_most: float = 3600.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)


@dataclass(frozen=True)
class RunView:
    """A run as it is now: its row (None until it has begun), and the trials that have ended."""

    run_id: str
    row: Facts | None
    trials: tuple[Facts, ...]

    @property
    def ended(self) -> bool:
        return self.row is not None and self.row["state"] != RUNNING

    @property
    def best(self) -> Facts | None:
        """The completed trial with the least value so far."""
        complete = [trial for trial in self.trials if trial["state"] == "complete"]
        return min(complete, key=lambda trial: float(trial["value"]), default=None)


def until(read: Callable[[], Any], done: Callable[[Any], bool], what: str, pace: Pace) -> Iterator[Any]:
    """What `read` gives, at once and then each time it differs, until it is `done`. Raises Refused after
    `pace.at_most` seconds, saying what was waited for."""
    deadline = pace.clock() + pace.at_most
    last: Any = None
    first = True
    while True:
        now = read()
        if first or now != last:
            yield now
        if done(now):
            return
        first, last = False, now
        if pace.clock() > deadline:
            raise Refused(f"{what}: not within {pace.at_most:.0f} s (last seen: {_told(now)})")
        pace.sleep(pace.every)


def upload(index: Index, project: str, upload_id: str, pace: Pace) -> Iterator[Facts | None]:
    """The upload's row until it is settled; None until it was noticed."""
    sk = names.sk_upload(upload_id)
    return until(
        lambda: index.get(names.pk(project), sk),
        lambda row: bool(row) and row["state"] in SETTLED | {FAILED},
        f"upload {upload_id} of project {project} to be accepted or refused",
        pace,
    )


def run(index: Index, objects: ObjectStore, project: str, run_id: str, pace: Pace) -> Iterator[RunView]:
    """The run until it has passed, was refused or failed."""
    known: dict[str, Facts] = {}

    def view() -> RunView:
        # The row first: trials end before the run does, so an ended run is shown with all of them.
        row = index.get(names.pk(project), names.sk_run(run_id))
        return RunView(run_id, row, tuple(reading.trials(objects, project, run_id, known)))

    return until(view, lambda seen: seen.ended, f"run {run_id} to end", pace)


def release(index: Index, project: str, release_id: str, pace: Pace) -> Iterator[Facts | None]:
    """The release's row until it is settled, or until its challenger serves its first share of the requests:
    from there on the experiment goes at the pace of the traffic."""
    sk = names.sk_release(release_id)
    return until(
        lambda: index.get(names.pk(project), sk),
        lambda row: bool(row) and (row["state"] != RUNNING or row.get("since") is not None),
        f"release {release_id} to serve",
        pace,
    )


def decision(index: Index, project: str, release_id: str, pace: Pace) -> Iterator[Facts | None]:
    """The release's row until it is settled."""
    sk = names.sk_release(release_id)
    return until(
        lambda: index.get(names.pk(project), sk),
        lambda row: bool(row) and row["state"] != RUNNING,
        f"release {release_id} to be decided",
        pace,
    )


def last(views: Iterator[Any], seen: Callable[[Any], None] = lambda _: None) -> Any:
    """Show each view, and give the last one."""
    view = None
    for view in views:
        seen(view)
    return view


def _told(view: Any) -> str:
    row = view.row if isinstance(view, RunView) else view
    if row is None:
        return "nothing of it yet"
    reason = row.get("reason") or row.get("error") or ""
    return f"state {row['state']}" + (f", {reason}" if reason else "")
