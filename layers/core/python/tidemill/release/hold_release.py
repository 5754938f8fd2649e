"""Pause and resume a running release, by a person's word.

Paused, the challenger gets no requests; the champion answers all. No look is taken, and the time does not count in
`max_days`. Resumed, the step starts anew: only requests since then count (docs/decisions/0008). Each is one
transaction of the pointer, the release's row and an audit entry; then the alias follows.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.errors import ConflictError
from tidemill.governance import audit
from tidemill.ports import Clock, Index, ObjectStore, Row, Update
from tidemill.release import arms, record
from tidemill.release import pointer as live


def pause_release(project: str, pointer: Row, *, reason: str, by: str, index: Index, clock: Clock) -> None:
    """Take the requests from the challenger of the running release. Raises ConflictError (nothing runs, it is
    paused already, or the pointer has moved)."""
    release, now = _running(project, pointer, "pause", index), clock()
    if release.get("paused_at"):
        raise ConflictError(
            f"release {release['release_id']!r} is paused already, by {release['paused_by']} at "
            f"{release['paused_at']} ({release['paused_reason']}); resume or settle it"
        )
    verdict = release.get("verdict")
    if verdict in ("promote", "roll_back"):
        raise ConflictError(
            f"the last look at release {release['release_id']!r} says {verdict} ({release.get('reason')}), which"
            " is being carried out; roll back afterwards, if it has to be"
        )
    change = {"paused_at": now.isoformat(), "paused_by": by, "paused_reason": reason}
    held = {"state": "running", "paused_at": None, "verdict": verdict}
    share = {"weight": 0.0}
    _move(project, pointer, release, "paused", change, held, share, by=by, reason=reason, index=index, now=now)


def resume_release(
    project: str, pointer: Row, *, reason: str, by: str, objects: ObjectStore, index: Index, clock: Clock
) -> None:
    """Give the challenger the share of its step again, of which it had taken its requests. `since` is noted once
    the alias has followed. Raises ConflictError (nothing is paused, or the pointer has moved)."""
    release, now = _running(project, pointer, "resume", index), clock()
    if not release.get("paused_at"):
        raise ConflictError(f"release {release['release_id']!r} is not paused; there is nothing to resume")
    rules = record.rules(record.read(objects, project, release["release_id"], record.PLAN))
    step = int(release["step"])
    since_paused = (now - datetime.fromisoformat(release["paused_at"])).total_seconds()
    change = {
        "paused_at": None,
        "since": None,
        "resumed_at": now.isoformat(),
        "paused_seconds": float(release.get("paused_seconds") or 0) + max(0.0, since_paused),
    }
    held = {"state": "running", "paused_at": release["paused_at"], "step": release["step"]}
    share: dict[str, Any] = {"weight": 0.0}  # paused before its first step, it has no share yet
    if step >= 0:
        share = {"weight": rules.stages()[step].weight, "experiment": arms.version(release, step)}
    _move(project, pointer, release, "resumed", change, held, share, by=by, reason=reason, index=index, now=now)


def begin_step(project: str, release_id: str, *, index: Index, clock: Clock) -> None:
    """Note since when the step's share holds, once the alias has followed: only requests after that count. Unless
    that is noted, or the release is paused, settled or before its first step."""
    release = record.row(index, project, release_id)
    begun = release.get("since") is not None or release["step"] < 0
    if release["state"] == "running" and not begun and not release.get("paused_at"):
        expected = {"state": "running", "step": release["step"], "since": None, "paused_at": None}
        since = {"since": clock().isoformat()}
        index.transact([Update(names.pk(project), names.sk_release(release_id), since, if_equal=expected)])


def age_days(release: Mapping[str, Any], now: datetime) -> float:
    """Days for which the release has run, without those in which it was paused."""
    passed = (now - datetime.fromisoformat(release["at"])).total_seconds()
    return (passed - float(release.get("paused_seconds") or 0)) / 86400


def _running(project: str, pointer: Row, verb: str, index: Index) -> Row:
    """The release that shares traffic. Raises ConflictError."""
    if pointer["challenger"] is None or pointer["champion"] is None:
        raise ConflictError(f"project {project!r} has no running release to {verb}: {live.told(pointer)}")
    return record.row(index, project, pointer["release_id"])


def _move(
    project: str,
    pointer: Row,
    release: Row,
    word: str,
    change: dict[str, Any],
    held: dict[str, Any],
    share: dict[str, Any],
    *,
    by: str,
    reason: str,
    index: Index,
    now: datetime,
) -> None:
    moved = live.moved(project, pointer, **share)
    entry = audit.entry(
        project=project,
        action=f"release.{word}",
        subject=f"release {release['release_id']}",
        at=now,
        by=by,
        reason=reason,
        **live.after(moved),
    )
    row = Update(names.pk(project), names.sk_release(release["release_id"]), change, if_equal=held)
    index.transact([moved, row, entry])
