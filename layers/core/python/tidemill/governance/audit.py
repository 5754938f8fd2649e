"""The audit row: who did what to which thing, when and why. It is part of the same transaction as the change."""

from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.ports import Put


def entry(*, project: str, action: str, subject: str, at: datetime, by: str, **details: Any) -> Put:
    """The row to put into the transaction of the change.

    `action` is a past participle with its stage (`data.accepted`), `subject` the thing (`dataset v00002`), `by`
    the actor (a function, or a person's ARN). The id starts with the time, so that a query is a history; it is
    deterministic, so that a retried transaction writes the same row.
    """
    record = {"action": action, "subject": subject, "at": at.isoformat(), "by": by, "details": details}
    event_id = f"{at.isoformat()}#{canonical.identity(record)[:12]}"
    return Put(names.pk(project), names.sk_audit(event_id), {"project": project, **record})
