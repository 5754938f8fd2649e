"""SteerRelease: a person promotes, rolls back, pauses or resumes, and hears what is so now.

Called by the API and by `tidemill promote|rollback|pause|resume`. One action moves the pointer at most once. A
ConflictError says that it did not: someone else moved it first, or there is nothing to be done.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Literal

from tidemill import names
from tidemill.again import until_undisturbed
from tidemill.errors import ConflictError, RecordNotFound, StoreBusy
from tidemill.ports import Clock, Endpoints, Guards, Index, ObjectStore, Row
from tidemill.release import guarding, hold_release, record
from tidemill.release import pointer as live
from tidemill.release import settle_release as settling

Action = Literal["promote", "rollback", "pause", "resume"]


def steer_release(
    *,
    project: str,
    action: Action,
    reason: str,
    by: str,
    epoch: int | None,
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    guards: Guards,
    clock: Clock,
) -> Row:
    """The `release_id` that was steered, its `state`, and `live`: the pointer afterwards.

    `epoch`: the pointer's, as whoever asks has seen it; None: whatever it is now. Raises ConflictError (nothing
    was changed), StoreBusy (the race went on for too long: look before you ask again).
    """
    # The alias first: whoever was killed before moving it asks again, when there is nothing more to be settled.
    follow = partial(_follow, project, objects, index, endpoints, guards)
    pointer = follow()
    if epoch is not None and epoch != pointer["epoch"]:
        raise ConflictError(
            f"the pointer of {project!r} was moved meanwhile, from epoch {epoch} to {pointer['epoch']}: "
            f"{live.told(pointer)}; look, then ask again"
        )
    release_id = pointer["release_id"]
    said: dict[str, Any] = {"reason": reason, "by": by, "index": index, "clock": clock}
    if action == "pause":
        hold_release.pause_release(project, pointer, **said)
    elif action == "resume":
        hold_release.resume_release(project, pointer, objects=objects, **said)
    else:
        release_id = _target(project, pointer, action, index)
        try:
            _settle(project, release_id, action, objects=objects, **said)
        except ConflictError:  # carrying out the decision that stands may have moved the pointer all the same
            follow()
            raise
    follow()
    if action == "resume":
        _begin(project, release_id, index=index, clock=clock)
    state = record.row(index, project, release_id)["state"]
    return {"release_id": release_id, "state": state, "live": live.shown(live.read(index, project))}


def _follow(project: str, objects: ObjectStore, index: Index, endpoints: Endpoints, guards: Guards) -> Row:
    """Let the alarms, then the alias follow the pointer, whoever moves it meanwhile: no request goes to who is not
    watched."""

    def attempt() -> Row:
        guarding.follow(index, objects, guards, project)
        return live.apply(index, endpoints, project)

    try:
        return until_undisturbed(attempt, attempts=40)
    except ConflictError as error:
        raise StoreBusy(
            f"the alias of {project!r} is moved by others all the time; look, then ask again"
        ) from error


def _begin(project: str, release_id: str, *, index: Index, clock: Clock) -> None:
    with suppress(ConflictError):  # the machine, or another person's action, was first: theirs holds
        hold_release.begin_step(project, release_id, index=index, clock=clock)


def _target(project: str, pointer: Row, action: Action, index: Index) -> str:
    """The release that is meant: the running one, or for a rollback the one that made the champion. Raises
    ConflictError."""
    if pointer["challenger"] is not None:
        return str(pointer["release_id"])
    if action == "promote":
        raise ConflictError(f"project {project!r} has no challenger to promote: {live.told(pointer)}")
    if pointer["champion"] is None:
        raise ConflictError(f"project {project!r} has released nothing yet; there is nothing to roll back")
    model = index.get(names.pk(project), names.sk_model(pointer["champion"]["model"]))
    return str(model["run_id"]) if model else str(pointer["release_id"])


def _settle(
    project: str,
    release_id: str,
    action: Action,
    *,
    reason: str,
    by: str,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> None:
    """Settle that very release, however often the race for the pointer is lost: a decision that is written is
    carried out. Raises ConflictError if the decision is not this one."""
    verdict: settling.Verdict = "promote" if action == "promote" else "roll_back"
    fact = settling.fact(verdict, reason, by, clock())

    def settle() -> bool | settling.CannotTakeBack:
        try:
            return settling.carry_out(project, release_id, fact, person=True, objects=objects, index=index)
        except settling.CannotTakeBack as error:  # no race: trying again would not help
            return error

    undone = record.row(index, project, release_id)["state"]
    if undone not in ("running", "promoted"):
        raise ConflictError(_settled(project, release_id, index))
    try:
        took_back = until_undisturbed(settle, attempts=40)
    except ConflictError as error:
        raise StoreBusy(f"others move the pointer of {project!r} all the time; look, then ask again") from error
    if isinstance(took_back, settling.CannotTakeBack):
        raise took_back
    # A decision that was written when a newer release had taken the slot already moves nothing.
    superseded = record.row(index, project, release_id)["state"] == "superseded"
    if not took_back and (superseded or _decision(objects, project, release_id) != fact):
        raise ConflictError(_settled(project, release_id, index))


def _decision(objects: ObjectStore, project: str, release_id: str) -> dict[str, Any] | None:
    try:
        return record.read(objects, project, release_id, record.DECISION)
    except RecordNotFound:
        return None


def _settled(project: str, release_id: str, index: Index) -> str:
    release, pointer = record.row(index, project, release_id), live.read(index, project)
    when = datetime.fromisoformat(release["decided_at"]).isoformat(timespec="seconds")
    return (
        f"release {release_id!r} is {release['state']} already, by {release.get('by')} at {when} "
        f"({release.get('reason')}): the first decision stands; {live.told(pointer)}"
    )
