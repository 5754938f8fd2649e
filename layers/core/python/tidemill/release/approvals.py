"""The record of an approval: what is asked, until when, of whom not, and the one decision that stands.

`approval.json` and `approval-decision.json` are the facts, each written once; the row `APPROVAL#<release id>` is
the view of them, and holds the token of the execution that waits. The token is shown to nobody: who has it could
answer without being asked who they are.
"""

from datetime import datetime
from typing import Any, Literal

from tidemill import names
from tidemill.errors import RecordNotFound
from tidemill.governance import audit
from tidemill.ports import Index, ObjectStore, Put, Row
from tidemill.release import record

Word = Literal["approve", "refuse", "expire"]

REQUEST = "approval.json"
DECISION = "approval-decision.json"
PENDING = "pending"
STATES: dict[str, str] = {"approve": "approved", "refuse": "refused", "expire": "expired"}
HIDDEN = ("pk", "sk", "token")


def row(index: Index, project: str, release_id: str) -> Row:
    """The approval's row. Raises RecordNotFound."""
    found = index.get(names.pk(project), names.sk_approval(release_id))
    if found is None:
        raise RecordNotFound(
            f"release {release_id!r} of project {project!r} asked for no approval; list those that do: "
            f"`tidemill approvals {project}`"
        )
    return found


def shown(approval: Row) -> Row:
    """What may be told of it."""
    return {name: value for name, value in approval.items() if name not in HIDDEN}


def all_of(index: Index, project: str) -> list[Row]:
    """Every approval that was asked for, the newest first, without tokens."""
    found = index.query(names.pk(project), names.APPROVALS)
    return sorted(map(shown, found), key=lambda each: str(each["at"]), reverse=True)


def decision(objects: ObjectStore, project: str, release_id: str) -> dict[str, Any] | None:
    """The decision that stands, if there is one."""
    try:
        return record.read(objects, project, release_id, DECISION)
    except RecordNotFound:
        return None


def answer(approval: Row) -> dict[str, Any]:
    """What the execution that waits goes on with."""
    return {"model_version": approval["model"], "decision": approval["decision"]}


def attempt(*, project: str, release_id: str, at: datetime, by: str, outcome: str, word: str, reason: str) -> Put:
    """The audit entry of a decision that does not stand, or stands already."""
    return audit.entry(
        project=project,
        action="release.decision_attempted",
        subject=f"release {release_id}",
        at=at,
        by=by,
        outcome=outcome,
        decision=word,
        reason=reason,
    )
