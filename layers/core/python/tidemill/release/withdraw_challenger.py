"""WithdrawChallenger: the alarm of a guard went off, and the release that it names is rolled back.

Called by the function of that name, for EventBridge, which may deliver an event twice, late, or after others. What
counts is the pointer as it is now: an alarm that is about another release, or another version, than the
challenger's changes nothing. Writes what SettleRelease writes.
"""

from dataclasses import dataclass
from typing import Any

from tidemill.errors import ConflictError
from tidemill.ports import Clock, Endpoints, Guards, Index, ObjectStore, Row
from tidemill.release import guard_names, guarding
from tidemill.release import pointer as live
from tidemill.release.settle_release import settle_release

ACTOR = "withdraw_challenger"
ATTEMPTS = 5


@dataclass(frozen=True)
class Alarm:
    """An alarm that went off: its name and description, the function version that it watches (None: it does not
    watch one), and why, which tells threshold and value."""

    name: str
    description: str
    version: str | None
    reason: str


def withdraw_challenger(
    *,
    project: str,
    alarm: Alarm,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    guards: Guards,
    clock: Clock,
) -> dict[str, Any]:
    """`outcome`: the state in which the release is now, or `ignored`; and the `reason`.

    Whoever else moves the pointer meanwhile has the first word: it is read again then. Raises ConflictError if
    that happens all the time.
    """
    for _ in range(ATTEMPTS):
        try:
            # The alias first: who was killed before moving it is called again, and finds no challenger then.
            pointer = live.apply(index, endpoints, project)
            if other := _other(pointer, alarm):
                guarding.follow(index, objects, guards, project)
                return {"outcome": "ignored", "reason": other}
            settled = settle_release(
                project=project,
                release_id=pointer["release_id"],
                verdict="roll_back",
                reason=f"alarm {alarm.name} went off: {alarm.reason}",
                by=None,
                actor=ACTOR,
                objects=objects,
                index=index,
                endpoints=endpoints,
                guards=guards,
                clock=clock,
            )
        except ConflictError:
            continue
        return {"outcome": settled["state"], "reason": settled["reason"]}
    raise ConflictError(f"the pointer of {project!r} moved {ATTEMPTS} times; send the alarm's event again")


def _other(pointer: Row, alarm: Alarm) -> str | None:
    """Why the alarm is not about the challenger of now; None if it is."""
    challenger = pointer["challenger"]
    if challenger is None:
        return "no release is running"
    version = pointer["experiment"] or challenger["function_version"]
    if alarm.version != version:
        return f"it is about version {alarm.version}, and the challenger is answered for by {version}"
    if not alarm.description.startswith(guard_names.subject(pointer["release_id"])):
        return f"it is not about release {pointer['release_id']}, which is running"
    return None
