"""SettleRelease: promote the challenger or roll it back, by the machine's verdict or by a person's word.

Writes `decision.json` first (the first decision stands, whoever comes second carries it out), then in one
transaction the pointer, the release's row and the models' states, then moves the alias, then removes the alarms on
the challenger. A person may also take
back a promotion, as long as nothing was released after it: the previous champion answers again, and
`reversal.json` says why.
"""

from datetime import datetime
from typing import Any, Literal

from tidemill import names
from tidemill.errors import ConflictError
from tidemill.governance import audit
from tidemill.ports import Clock, Endpoints, Guards, Index, ObjectStore, Put, Row, Update
from tidemill.release import guarding, record
from tidemill.release import pointer as live

Verdict = Literal["promote", "roll_back"]
STATES = {"promote": "promoted", "roll_back": "rolled_back"}


class CannotTakeBack(ConflictError):
    """There is no champion before this one, or something was released since."""


def settle_release(
    *,
    project: str,
    release_id: str | None,
    verdict: Verdict,
    reason: str,
    by: str | None,
    actor: str = "settle_release",
    objects: ObjectStore,
    index: Index,
    endpoints: Endpoints,
    guards: Guards,
    clock: Clock,
) -> Row:
    """The `state` in which the release is now, and the `reason`.

    Without a `release_id`: the running release, or else the one that made the champion. A release that never
    started has nothing to settle: `not_started`. Only a person (`by`) takes back a promotion; without one, `actor`
    is the function that decides. Raises
    ConflictError if the pointer moved meanwhile (try again), or if there is nothing to go back to.
    """
    if release_id is None:
        # The alias first: who was killed before moving it asks again, and is then talking of another release.
        release_id = _current(index, project, live.apply(index, endpoints, project))
    if index.get(names.pk(project), names.sk_release(release_id)) is None:
        return {"state": "not_started", "reason": "no such release was started, so no traffic was moved"}
    decision = fact(verdict, reason, by or actor, clock())
    carry_out(project, release_id, decision, person=by is not None, objects=objects, index=index)
    live.apply(index, endpoints, project)
    guarding.follow(index, objects, guards, project)
    release = record.row(index, project, release_id)
    return {"state": release["state"], "reason": release.get("reason", "")}


def fact(verdict: Verdict, reason: str, by: str, at: datetime) -> dict[str, Any]:
    """A decision as it is kept."""
    return {"verdict": verdict, "reason": reason, "by": by, "at": at.isoformat()}


def carry_out(
    project: str, release_id: str, fact: dict[str, Any], *, person: bool, objects: ObjectStore, index: Index
) -> bool:
    """Decide a release that runs, the first decision standing, and take back a promotion if a person says so.
    Whether this very call took one back. The alias does not follow yet. Raises ConflictError."""
    if record.row(index, project, release_id)["state"] == "running":
        decision = record.keep(objects, project, release_id, record.DECISION, fact)
        _settle(project, record.row(index, project, release_id), decision, index=index)
    release = record.row(index, project, release_id)
    if not person or fact["verdict"] != "roll_back" or release["state"] != "promoted":
        return False
    pointer = _reversible(index, project, release)
    # The first word is kept; the row and the audit entry tell whose word moved the pointer, as the first one may
    # have met a newer release and been refused.
    record.keep(objects, project, release_id, record.REVERSAL, fact)
    _reverse(project, release, pointer, fact, index=index)
    return True


def _current(index: Index, project: str, pointer: Row) -> str:
    """The release that a person means who names none. A release has the id of its model's run."""
    if pointer["champion"] is None or pointer["challenger"]:
        return pointer["release_id"] or ""
    champion = index.get(names.pk(project), names.sk_model(pointer["champion"]["model"]))
    return champion["run_id"] if champion else ""


def _settle(project: str, release: Row, decision: dict[str, Any], *, index: Index) -> None:
    pointer = live.read(index, project)
    promoted = decision["verdict"] == "promote"
    changes: list[Put | Update] = []
    if promoted:
        roles = {"champion": pointer["challenger"], "previous": pointer["champion"]}
        changes.append(_model(project, release["model"], "champion"))
        if pointer["champion"]:
            changes.append(_model(project, pointer["champion"]["model"], "retired"))
    else:
        roles = {}
        changes.append(_model(project, release["model"], "rolled_back"))
    moved = live.moved(project, pointer, **roles, challenger=None, weight=0.0)
    index.transact([*changes, moved, *_closed(project, release, decision, moved, was="running")])


def _reversible(index: Index, project: str, release: Row) -> Row:
    pointer = live.read(index, project)
    if pointer["champion"]["model"] != release["model"] or pointer["challenger"] or pointer["previous"] is None:
        raise CannotTakeBack(
            f"the promotion of model {release['model']} cannot be taken back: champion {pointer['champion']}, "
            f"challenger {pointer['challenger']}, previous {pointer['previous']}; settle the running release "
            f"first, or release the model that should answer"
        )
    return pointer


def _reverse(project: str, release: Row, pointer: Row, reversal: dict[str, Any], *, index: Index) -> None:
    moved = live.moved(project, pointer, champion=pointer["previous"], previous=None)
    changes: list[Put | Update] = [
        moved,
        _model(project, release["model"], "rolled_back"),
        _model(project, pointer["previous"]["model"], "champion"),
    ]
    index.transact(changes + _closed(project, release, reversal, moved, was="promoted"))


def _closed(project: str, release: Row, decision: dict[str, Any], moved: Put, *, was: str) -> list[Put | Update]:
    """The release's row and its audit entry; only if nobody closed it before."""
    row = {
        "state": STATES[decision["verdict"]],
        "verdict": decision["verdict"],
        "reason": decision["reason"],
        "by": decision["by"],
        "decided_at": decision["at"],
    }
    at = datetime.fromisoformat(decision["at"])
    return [
        Update(names.pk(project), names.sk_release(release["release_id"]), row, if_equal={"state": was}),
        audit.entry(
            project=project,
            action=f"release.{row['state']}",
            subject=f"release {release['release_id']}",
            at=at,
            by=decision["by"],
            model=release["model"],
            reason=decision["reason"],
            **live.after(moved),
        ),
    ]


def _model(project: str, version: int, state: str) -> Update:
    return Update(names.pk(project), names.sk_model(version), {"state": state})
