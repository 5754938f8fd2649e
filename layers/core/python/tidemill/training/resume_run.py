"""Go on with a run that failed or was stopped: another execution of the same run.

Called by the CLI. What has its file is not done again: prepared rows, finished trials, the final model. Trials
that had begun are continued by the slots that begun them.
"""

from tidemill import names
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.governance import audit
from tidemill.ports import Clock, Index, Update, Workflows

RESUMABLE = ("failed", "stopped")


def resume_run(
    *,
    project: str,
    run_id: str,
    by: str,
    dead: bool,
    index: Index,
    workflows: Workflows,
    clock: Clock,
) -> str:
    """The name of the execution that goes on with the run. `dead`: its execution is known to have ended without a
    word (aborted, out of time), so that its row still says `running`.

    Raises RecordNotFound, ConflictError (it runs, or came to a verdict, or somebody else resumes it).
    """
    pk, sk = names.pk(project), names.sk_run(run_id)
    row = index.get(pk, sk)
    if row is None:
        raise RecordNotFound(f"project {project!r} has no run {run_id!r}; `tidemill runs list {project}` has them")
    if row["state"] == "running" and not dead:
        raise ConflictError(
            f"run {run_id!r} is under way; watch it with `tidemill runs follow {project} {run_id}`"
        )
    if row["state"] not in (*RESUMABLE, "running"):
        raise ConflictError(
            f"run {run_id!r} came to its verdict ({row['state']}); start another one with `tidemill runs start`"
        )
    if "input" not in row:
        raise ConflictError(
            f"run {run_id!r} failed before it began; start it with `tidemill runs start {project}`"
        )
    number = int(row.get("resumed") or 0) + 1
    execution = f"{run_id}-r{number}"
    change = {"resumed": number, "execution": execution, "stop": None}
    entry = audit.entry(
        project=project,
        action="training.resumed",
        subject=f"run {run_id}",
        at=clock(),
        by=by,
        execution=execution,
    )
    expected = {"state": row["state"], "resumed": row.get("resumed")}
    index.transact([Update(pk, sk, change, if_equal=expected), entry])
    payload = {"project": project, "run_id": run_id, "dataset_version": row["dataset_version"], **row["input"]}
    workflows.start("training", name=execution, payload=payload)
    return execution
