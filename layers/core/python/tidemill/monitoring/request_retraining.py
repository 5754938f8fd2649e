"""A drift alarm, or a person, asks for a retraining run: one at a time, and none in the cool-down.

Called by the function `request_retraining`. Writes the lock and its audit row in one transaction, then starts the
state machine `training` under the run id that the lock names. The lock is the outbox: a run that it names and that
is not marked as started is started by whoever comes next, and starting one name twice starts it once. A request
that is held back leaves an audit row that says why and until when.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidemill import names
from tidemill.errors import ConflictError
from tidemill.governance import audit
from tidemill.ports import Clock, Index, Put, Row, Update, Workflows
from tidemill.projects import Project

LONGEST_RUN = timedelta(days=1)  # a run that began before this was killed without being closed
ATTEMPTS = 5
NO_LOCK: Row = {"epoch": 0, "state": "free"}


@dataclass(frozen=True)
class Request:
    """Who asked, why and when. Repeating a request with the same `id` is no second request."""

    id: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Order:
    """The run to start: for which drifted window, on which dataset version."""

    run_id: str
    window_id: str
    dataset_version: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """Why no run is started, and until when at least (an ISO time, or None where time alone does not help)."""

    reason: str
    until: str | None = None


def request_retraining(
    *,
    project: Project,
    request: Request,
    cool_down_seconds: float | None = None,
    index: Index,
    workflows: Workflows,
    clock: Clock,
) -> dict[str, Any]:
    """Start a run on the newest dataset version for the champion's newest drifted window, or hold the request
    back.

    `cool_down_seconds` overrides the project's `retraining.cool_down_hours`. Gives `outcome` `started` with
    `run_id`, or `held` with `reason` and `until`. Raises ConflictError when the lock changes hands all the time.
    """
    if cool_down_seconds is None:
        cool_down_seconds = project.retraining.cool_down_hours * 3600
    for _ in range(ATTEMPTS):
        lock = _finish_start(project.name, index, workflows)
        if lock.get("request_id") == request.id:
            return {"outcome": "started", "run_id": lock["run_id"]}
        decision = _decide(project, lock, index, now=clock())
        if isinstance(decision, Held):
            return _hold(project.name, request, decision, index)
        until = clock() + timedelta(seconds=cool_down_seconds)
        try:
            _take_lock(project.name, request, decision, until, epoch=lock["epoch"] + 1, index=index)
        except ConflictError:
            continue  # another request took it: read again, decide again
        _finish_start(project.name, index, workflows)
        return {"outcome": "started", "run_id": decision.run_id}
    raise ConflictError(
        f"the retraining lock of {project.name!r} changed {ATTEMPTS} times; send the request again"
    )


def _decide(project: Project, lock: Row, index: Index, *, now: datetime) -> Order | Held:
    """What to do about a request, given everything that is known."""
    if not project.retraining.on_drift:
        return Held("the project file says `retraining.on_drift: false`")
    order = _order(project.name, index)
    if isinstance(order, Held):
        return order
    if now < datetime.fromisoformat(lock.get("until", now.isoformat())):
        return Held(f"run {lock['run_id']} was asked for in this cool-down", lock["until"])
    if order.run_id == lock.get("run_id") or index.get(names.pk(project.name), names.sk_run(order.run_id)):
        return Held(f"run {order.run_id} is the answer to window {order.window_id} already")
    running = _running(project.name, index, since=now - LONGEST_RUN)
    return Held(f"run {running} is still running") if running else order


def _order(project: str, index: Index) -> Order | Held:
    pk = names.pk(project)
    datasets = index.query(pk, names.DATASETS, newest_first=True, limit=1)
    if not datasets:
        return Held("there is no dataset version to train on")
    champion = ((index.get(pk, names.POINTER_LIVE) or {}).get("champion") or {}).get("model")
    drifted = (
        row
        for row in index.query(pk, names.WINDOWS, newest_first=True)
        if row.get("drifted") and row["model"] == champion
    )
    window = next(drifted, None)
    if window is None:
        return Held("no window of the champion's predictions has drifted")
    version = int(datasets[0]["version"])
    run_id = f"{project}-v{version:05d}-drift-{window['window_id']}"
    return Order(run_id, window["window_id"], version, tuple(window["features"]))


def _running(project: str, index: Index, *, since: datetime) -> str | None:
    runs = index.query(names.pk(project), names.RUNS)
    going = (
        row["run_id"] for row in runs if row["state"] == "running" and datetime.fromisoformat(row["at"]) > since
    )
    return next(going, None)


def _take_lock(project: str, request: Request, order: Order, until: datetime, *, epoch: int, index: Index) -> None:
    lock = {
        "epoch": epoch,
        "state": "requested",
        "run_id": order.run_id,
        "window_id": order.window_id,
        "dataset_version": order.dataset_version,
        "reason": f"drift in window {order.window_id}: {', '.join(order.features)}",
        "request_id": request.id,
        "until": until.isoformat(),
    }
    entry = audit.entry(
        project=project,
        action="monitoring.retraining_requested",
        subject=f"run {order.run_id}",
        at=request.at,
        by="request_retraining",
        reason=request.reason,
        until=lock["until"],
    )
    index.transact([Put(names.pk(project), names.LOCK_RETRAINING, lock, if_epoch=epoch - 1), entry])


def _finish_start(project: str, index: Index, workflows: Workflows) -> Row:
    """Start the run that the lock names, if nobody has yet; give the lock."""
    key = names.pk(project), names.LOCK_RETRAINING
    lock = index.get(*key) or NO_LOCK
    if lock["state"] != "requested":
        return lock
    payload = {
        "project": project,
        **{name: lock[name] for name in ("dataset_version", "run_id", "reason")},
        "trigger": "drift",
        "options": {},
    }
    workflows.start("training", name=lock["run_id"], payload=payload)
    with suppress(ConflictError):  # the lock has moved on: somebody else saw to this start
        index.transact([Update(*key, {"state": "started"}, if_equal={"epoch": lock["epoch"]})])
    return {**lock, "state": "started"}


def _hold(project: str, request: Request, held: Held, index: Index) -> dict[str, Any]:
    entry = audit.entry(
        project=project,
        action="monitoring.retraining_held",
        subject="retraining",
        at=request.at,
        by="request_retraining",
        request=request.id,
        asked=request.reason,
        reason=held.reason,
        until=held.until,
    )
    index.transact([entry])
    return {"outcome": "held", "reason": held.reason, "until": held.until}
