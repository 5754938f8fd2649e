"""DecideRelease: a person approves or refuses a release, or the machine says that nobody did in time.

Writes `approval-decision.json` first (the first decision stands), then in one transaction the approval's row, an
audit entry and, unless it is approved, the release's row, then answers the execution that waits, then notes that
it did. Whoever comes second carries out what was decided, so that a kill between any two calls is mended by the
next one. The deadline is kept here: clocks of state machines are a net below it.
"""

from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.errors import ConflictError, NotAllowed, TooLate
from tidemill.governance import audit
from tidemill.ports import Callbacks, Clock, Index, ObjectStore, Put, Row, Update
from tidemill.release import approvals, record

MACHINE = "decide_release"


def decide_release(
    *,
    project: str,
    release_id: str,
    word: approvals.Word,
    reason: str,
    by: str,
    self_approval: bool,
    objects: ObjectStore,
    index: Index,
    callbacks: Callbacks,
    clock: Clock,
) -> Row:
    """The approval as people see it, with the decision that was made now, or was made before by the same person in
    the same word.

    Every attempt that changes nothing is in the audit trail with its outcome. Raises RecordNotFound (nobody was
    asked), NotAllowed (one's own work), TooLate (after the deadline; that ends the release), ConflictError (it was
    decided otherwise, or by someone else).
    """
    now, approval = clock(), approvals.row(index, project, release_id)
    asked = {"decision": word, "reason": reason, "by": by, "at": now.isoformat()}
    tried: dict[str, Any] = {
        "project": project,
        "release_id": release_id,
        "at": now,
        "by": by,
        "word": word,
        "reason": reason,
    }
    if word == "approve" and by in approval["submitted_by"] and not self_approval:
        index.transact([approvals.attempt(**tried, outcome="own work")])
        raise NotAllowed(f"{by} submitted release {release_id!r} and cannot approve it; ask someone else")
    kept = approvals.decision(objects, project, release_id)
    if kept is None:
        kept = record.keep(objects, project, release_id, approvals.DECISION, _timely(asked, approval, now))
    finished = approval["told"]
    approval = _carry_out(project, approval, kept, index=index, callbacks=callbacks)
    if kept == asked or by == MACHINE:
        return approvals.shown(approval)
    if (kept["decision"], kept["by"]) == (word, by):
        if finished:
            index.transact([approvals.attempt(**tried, outcome="repeated")])
        return approvals.shown(approval)
    raise _refused(approval, tried, index)


def _timely(asked: dict[str, Any], approval: Row, now: datetime) -> dict[str, Any]:
    """What is to be decided: what was asked for, or after the deadline that nobody decided. Raises ConflictError
    if the machine says so before it."""
    late = now >= datetime.fromisoformat(approval["deadline"])
    if asked["by"] == MACHINE and not late:
        raise ConflictError(
            f"release {approval['release_id']!r} may be decided until {approval['deadline']}; wait"
        )
    if not late:
        return asked
    reason = f"nobody decided until {approval['deadline']}"
    return {"decision": "expire", "reason": reason, "by": MACHINE, "at": asked["at"]}


def _carry_out(project: str, approval: Row, kept: dict[str, Any], *, index: Index, callbacks: Callbacks) -> Row:
    """Bring the decision into the table, and to the execution that waits; the row as it is then."""
    release_id, sk = approval["release_id"], names.sk_approval(approval["release_id"])
    if approval["state"] == approvals.PENDING:
        try:
            index.transact(_changes(project, approval, kept))
        except ConflictError:  # someone else carried it out, or the table is at fault, which the next line tells
            if approvals.row(index, project, release_id)["state"] == approvals.PENDING:
                raise
        # Only now: a token is renewed as long as nothing is decided, and the last one is to be answered.
        approval = approvals.row(index, project, release_id)
    if not approval["told"]:
        callbacks.complete(approval["token"], approvals.answer(approval))
        index.transact([Update(names.pk(project), sk, {"told": True})])
    return approvals.row(index, project, release_id)


def _changes(project: str, approval: Row, kept: dict[str, Any]) -> list[Put | Update]:
    pk, state = names.pk(project), approvals.STATES[kept["decision"]]
    decided = {"by": kept["by"], "reason": kept["reason"], "decided_at": kept["at"]}
    row = {"state": state, "decision": kept["decision"], **decided}
    changes: list[Put | Update] = [
        Update(pk, names.sk_approval(approval["release_id"]), row, if_equal={"state": approvals.PENDING}),
        audit.entry(
            project=project,
            action=f"release.{state}",
            subject=f"release {approval['release_id']}",
            at=datetime.fromisoformat(kept["at"]),
            by=kept["by"],
            model=approval["model"],
            reason=kept["reason"],
        ),
    ]
    if state != "approved":  # it ends here; PublishVersion leaves alone what has a row
        release = {
            "release_id": approval["release_id"],
            "model": approval["model"],
            "function_version": None,
            "champion": None,
            "state": state,
            "verdict": state,
            "step": -1,
            "looks": 0,
            "at": approval["at"],
            **decided,
        }
        changes.append(Put(pk, names.sk_release(approval["release_id"]), release, if_absent=True))
    return changes


def _refused(approval: Row, tried: dict[str, Any], index: Index) -> ConflictError:
    """The error for whoever came second, or too late, once it is in the audit trail."""
    release_id, state = approval["release_id"], approval["state"]
    late = state == "expired"
    index.transact([approvals.attempt(**tried, outcome="late" if late else "already decided")])
    if late:
        return TooLate(
            f"release {release_id!r} could be decided until {approval['deadline']}, and has expired; "
            f"train again, or release another model"
        )
    return ConflictError(
        f"release {release_id!r} was {state} already by {approval['by']} at {approval['decided_at']} "
        f"({approval['reason']}): the first decision stands"
    )
