"""Ask a run to end its search: what is under way is finished, no further trial begins.

Called by the CLI. The slots find the request in the run's row; the run then ends as `stopped`, and can be resumed.
"""

from tidemill import names
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.governance import audit
from tidemill.ports import Clock, Index, Row, Update


def stop_run(*, project: str, run_id: str, by: str, reason: str, index: Index, clock: Clock) -> Row:
    """The request as it stands (`by`, `at`, `reason`): the first one. Raises RecordNotFound, ConflictError (the
    run has ended)."""
    pk, sk, now = names.pk(project), names.sk_run(run_id), clock()
    row = index.get(pk, sk)
    if row is None:
        raise RecordNotFound(f"project {project!r} has no run {run_id!r}; `tidemill runs list {project}` has them")
    if row["state"] != "running":
        raise ConflictError(f"run {run_id!r} has ended as {row['state']!r}; there is nothing to stop")
    if row.get("stop"):
        stands: Row = row["stop"]
        return stands
    asked = {"by": by, "at": now.isoformat(), "reason": reason}
    entry = audit.entry(
        project=project, action="training.stop_asked", subject=f"run {run_id}", at=now, by=by, reason=reason
    )
    index.transact(
        [Update(pk, sk, {"stop": asked}, if_equal={"state": "running", "stop": row.get("stop")}), entry]
    )
    return asked
