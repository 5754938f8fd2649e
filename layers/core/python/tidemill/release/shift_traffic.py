"""ShiftTraffic: give the challenger the share of requests of a step.

Writes the pointer and the release's row in one transaction, then the alarms that watch the challenger, then moves
the alias, then notes since when the new share holds: only requests answered after that count in the experiment.
"""

import math

from tidemill import names
from tidemill.errors import ConflictError
from tidemill.governance import audit
from tidemill.ports import Clock, Endpoints, Guards, Index, ObjectStore, Row, Update
from tidemill.projects import Rollout
from tidemill.release import arms, guarding, record
from tidemill.release import pointer as live
from tidemill.release.hold_release import begin_step


def shift_traffic(
    *,
    project: str,
    release_id: str,
    step: int,
    look_seconds: float | None,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    guards: Guards,
    clock: Clock,
) -> Row:
    """The `weight` now in force, the `wait_seconds` until the next `look`, and the pointer's `epoch`.

    A release that is settled already moves nothing, and its next look follows at once; one that is paused takes
    the step without its share. Raises RecordNotFound,
    and ConflictError or StaleEpoch if someone else moved the pointer or the alias meanwhile (try again).
    """
    rules = record.rules(record.read(objects, project, release_id, record.PLAN))
    release = record.row(index, project, release_id)
    if release["state"] == "running" and release["step"] < step:
        _take_step(project, release, step, rules, index=index, clock=clock)
    guarding.follow(index, objects, guards, project)  # before the alias: no request goes to who is not watched
    pointer = live.apply(index, endpoints, project)
    release = record.row(index, project, release_id)
    running = release["state"] == "running"
    begin_step(project, release_id, index=index, clock=clock)
    return {
        "weight": pointer["weight"],
        "wait_seconds": wait_seconds(rules, release["step"], look_seconds) if running else 0,
        "epoch": pointer["epoch"],
        "look": release["looks"] + 1,
        "plan": rules.stages()[max(0, release["step"])].plan,
    }


def wait_seconds(rules: Rollout, step: int, override: float | None) -> int:
    """Whole seconds until the next look: the deployment's override, or the project's `look_minutes`. Requests that
    are replayed came long ago, and nothing is waited for."""
    plan = rules.stages()[step].plan
    if plan == "replay":
        return 1
    # A long watch has no limit of looks, and a state machine one of events.
    seconds = max(rules.look_minutes, rules.watch_minutes / 1000 if plan == "blue_green" else 0) * 60
    return max(1, math.ceil(override if override is not None else seconds))


def _take_step(project: str, release: Row, step: int, rules: Rollout, *, index: Index, clock: Clock) -> None:
    pointer = live.read(index, project)
    if pointer["champion"] is None or pointer["release_id"] != release["release_id"]:
        raise ConflictError(
            f"release {release['release_id']!r} cannot share traffic: the pointer is with "
            f"{pointer['release_id']!r} and champion {pointer['champion']}; settle the release"
        )
    pk, now, paused = names.pk(project), clock(), release.get("paused_at")
    share = {} if paused else {"experiment": arms.version(release, step)}
    moved = live.moved(project, pointer, weight=0.0 if paused else rules.stages()[step].weight, **share)
    index.transact(
        [
            moved,
            Update(
                pk,
                names.sk_release(release["release_id"]),
                {"step": step, "since": None, "looks_before": release["looks"]},
                if_equal={"state": "running", "step": release["step"], "paused_at": paused},
            ),
            audit.entry(
                project=project,
                action="release.shifted",
                subject=f"release {release['release_id']}",
                at=now,
                by="shift_traffic",
                step=step,
                **live.after(moved),
            ),
        ]
    )
