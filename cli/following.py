"""Follow an upload, a run and a release as they go: poll the table, give each change, end when it is settled.

Used by `data push --wait`, `runs follow` and the story. Only reads. Time is an argument (`Pace`), so that tests
do not wait.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from cli import reading
from cli.errors import Refused
from cli.reading import Facts
from tidemill import names
from tidemill.data.uploads import FAILED, SETTLED
from tidemill.ports import Index, ObjectStore

RUNNING = "running"
LONGEST_VIEW = 200  # characters


class Followed(Protocol):
    """What is needed of a deployment to follow something in it."""

    @property
    def index(self) -> Index: ...

    @property
    def objects(self) -> ObjectStore: ...

    def failure(self, machine: str, name: str) -> str | None:
        """How that execution ended, if it ended badly."""


@dataclass(frozen=True)
class Pace:
    """How often to look and how long to wait, in seconds."""

    every: float = 1.0
    at_most: float = 3600.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)


@dataclass(frozen=True)
class RunView:
    """A run as it is now: its row (None until it has begun), the trials that have ended, and those that run."""

    run_id: str
    row: Facts | None
    trials: tuple[Facts, ...]
    running: tuple[Facts, ...] = ()

    @property
    def ended(self) -> bool:
        return self.row is not None and self.row["state"] != RUNNING

    @property
    def best(self) -> Facts | None:
        """The completed trial with the least value so far."""
        complete = [trial for trial in self.trials if trial["state"] == "complete"]
        return min(complete, key=lambda trial: float(trial["value"]), default=None)


def until(
    read: Callable[[], Any],
    done: Callable[[Any], bool],
    what: str,
    pace: Pace,
    *,
    failed: Callable[[], str | None] = lambda: None,
) -> Iterator[Any]:
    """What `read` gives, at once and then each time it differs, until it is `done`.

    Raises Refused after `pace.at_most` seconds, or as soon as `failed` tells why it will never come.
    """
    deadline = pace.clock() + pace.at_most
    last: Any = None
    first = True
    while True:
        why = failed()  # before reading: what ended well may have been written between the two
        now = read()
        if first or now != last:
            yield now
        if done(now):
            return
        first, last = False, now
        if why:
            raise Refused(f"{what}: {why}")
        if pace.clock() > deadline:
            raise Refused(f"{what}: not within {pace.at_most:.0f} s (last seen: {_told(now)})")
        pace.sleep(pace.every)


def upload(deployment: Followed, project: str, upload_id: str, pace: Pace) -> Iterator[Facts | None]:
    """The upload's row until it is settled; None until it was noticed."""
    sk = names.sk_upload(upload_id)
    return until(
        lambda: deployment.index.get(names.pk(project), sk),
        lambda row: bool(row) and row["state"] in SETTLED | {FAILED},
        f"upload {upload_id} of project {project} to be accepted or refused",
        pace,
    )


def run(deployment: Followed, project: str, run_id: str, pace: Pace) -> Iterator[RunView]:
    """The run until it has passed, was refused or stopped, or failed."""
    known: dict[str, Facts] = {}
    execution = run_id

    def view() -> RunView:
        nonlocal execution
        # The row first: trials end before the run does, so an ended run is shown with all of them.
        row = deployment.index.get(names.pk(project), names.sk_run(run_id))
        execution = str((row or {}).get("execution") or run_id)
        ended = reading.trials(deployment.objects, project, run_id, known)
        numbers = {trial["trial"] for trial in ended}
        running = reading.running_trials(deployment.index, project, run_id)
        left = tuple(trial for trial in running if trial["trial"] not in numbers)
        return RunView(run_id, row, tuple(ended), left)

    def broken() -> str | None:
        return deployment.failure("training", execution)

    return until(view, lambda seen: seen.ended, f"run {run_id} to end", pace, failed=broken)


def release(deployment: Followed, project: str, release_id: str, pace: Pace) -> Iterator[Facts | None]:
    """The release's row until it is settled, or until its challenger serves its first share of the requests: from
    there on the experiment goes at the pace of the traffic."""
    return _release(deployment, project, release_id, pace, lambda row: row.get("since") is not None, "to serve")


def decision(deployment: Followed, project: str, release_id: str, pace: Pace) -> Iterator[Facts | None]:
    """The release's row until it is settled."""
    return _release(deployment, project, release_id, pace, lambda _: False, "to be decided")


def _release(
    deployment: Followed, project: str, release_id: str, pace: Pace, enough: Callable[[Facts], bool], what: str
) -> Iterator[Facts | None]:
    sk = names.sk_release(release_id)
    return until(
        lambda: deployment.index.get(names.pk(project), sk),
        lambda row: bool(row) and (row["state"] != RUNNING or enough(row)),
        f"release {release_id} {what}",
        pace,
        failed=partial(deployment.failure, "release", release_id),
    )


def last(views: Iterator[Any], seen: Callable[[Any], None] = lambda _: None) -> Any:
    """Show each view, and give the last one."""
    view = None
    for view in views:
        seen(view)
    return view


def _told(view: Any) -> str:
    row = view.row if isinstance(view, RunView) else view
    if not row:
        return "nothing of it yet"
    if not isinstance(row, dict) or "state" not in row:
        return str(row)[:LONGEST_VIEW]
    reason = row.get("reason") or row.get("error") or ""
    return f"state {row['state']}" + (f", {reason}" if reason else "")
