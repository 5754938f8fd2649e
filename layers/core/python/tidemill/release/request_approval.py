"""RequestApproval: ask a person whether a model may be released, and let the execution wait for the answer.

Writes `approval.json`, the approval's row with the token of the execution, and an audit entry, and tells the
stage's topic. Step Functions tries a task again under a new token: it takes the place of the old one, as long as
nothing is decided; if something is, the execution hears it at once.
"""

from datetime import datetime, timedelta
from typing import Any

from tidemill import names
from tidemill.data.accept_version import UNKNOWN
from tidemill.errors import RecordNotFound
from tidemill.governance import audit
from tidemill.ports import Callbacks, Clock, Index, Notices, ObjectStore, Put, Row, Update
from tidemill.projects import Project
from tidemill.release import approvals, record


def request_approval(
    *,
    problem: Project,
    release_id: str,
    run_id: str,
    model_version: int,
    token: str,
    objects: ObjectStore,
    index: Index,
    callbacks: Callbacks,
    notices: Notices,
    clock: Clock,
) -> Row:
    """The approval as people see it.

    Raises RecordNotFound (no such run), ConflictError if it was decided meanwhile (try again).
    """
    project, sk = problem.name, names.sk_approval(release_id)
    approval = index.get(names.pk(project), sk)
    if approval is None:
        asked = _asked(problem, release_id, run_id, model_version, index=index, now=clock())
        asked = record.keep(objects, project, release_id, approvals.REQUEST, asked)
        index.transact(_opened(project, asked, token))
    elif approval["state"] == approvals.PENDING and approval["token"] != token:
        renewed = Update(names.pk(project), sk, {"token": token}, if_equal={"state": approvals.PENDING})
        index.transact([renewed])
    approval = approvals.row(index, project, release_id)
    if approval["state"] == approvals.PENDING:
        notices.tell(*_notice(project, approval))
    else:
        callbacks.complete(token, approvals.answer(approval))
    return approvals.shown(approval)


def _asked(
    problem: Project,
    release_id: str,
    run_id: str,
    model_version: int,
    *,
    index: Index,
    now: datetime,
) -> dict[str, Any]:
    run = index.get(names.pk(problem.name), names.sk_run(run_id))
    if run is None:
        raise RecordNotFound(f"run {run_id!r} of project {problem.name!r} does not exist; list the project's runs")
    return {
        "release_id": release_id,
        "run_id": run_id,
        "model": model_version,
        "dataset_version": run["dataset_version"],
        "submitted_by": _submitters(problem.name, run, index),
        "at": now.isoformat(),
        "deadline": (now + timedelta(hours=problem.rollout.approval_hours)).isoformat(),
    }


def _submitters(project: str, run: Row, index: Index) -> list[str]:
    """Who brought this about: who started the run, and who uploaded the data that started it."""
    found = {run.get("submitted_by")}
    if run.get("trigger") in (None, "data"):
        found.add((index.get(names.pk(project), names.sk_dataset(run["dataset_version"])) or {}).get("author"))
    return sorted(who for who in found if who and who != UNKNOWN)


def _opened(project: str, asked: dict[str, Any], token: str) -> list[Put | Update]:
    row = {**asked, "state": approvals.PENDING, "token": token, "told": False}
    return [
        Put(names.pk(project), names.sk_approval(asked["release_id"]), row, if_absent=True),
        audit.entry(
            project=project,
            action="release.approval_requested",
            subject=f"release {asked['release_id']}",
            at=datetime.fromisoformat(asked["at"]),
            by="request_approval",
            model=asked["model"],
            deadline=asked["deadline"],
            submitted_by=asked["submitted_by"],
        ),
    ]


def _notice(project: str, approval: Row) -> tuple[str, str]:
    release_id = approval["release_id"]
    model = f"model v{int(approval['model']):05d} of {project}"
    said = [
        f"Release {release_id} of {model} (run {approval['run_id']}, dataset version"
        f" {approval['dataset_version']}) waits for a person.",
        f"Deadline: {approval['deadline']} (UTC).",
        f"Submitted by: {', '.join(approval['submitted_by']) or 'unknown'}.",
        f"Evidence: tidemill models show {project} {approval['model']}",
        f'Approve:  tidemill approve {project} {release_id} --reason "..."',
        f'Refuse:   tidemill refuse {project} {release_id} --reason "..."',
    ]
    return f"Approve {model}?", "\n".join(said)
