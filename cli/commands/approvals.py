"""`tidemill approve`, `refuse`, `approvals`: a person's word on a release that waits for one."""

from typing import Annotated, Any, Literal

import typer

from cli import show
from cli.deployment import Deployment
from cli.errors import NotFound, Usage
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.release import approvals

Release = Annotated[
    str | None, typer.Argument(metavar="[RELEASE]", help="The release's id; default: the one that waits.")
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with your name in the audit trail.")]
COLUMNS: list[show.Column] = [
    ("release", lambda row: row["release_id"]),
    ("model", lambda row: f"v{row['model']}"),
    ("state", lambda row: row["state"]),
    ("submitted by", lambda row: ", ".join(row["submitted_by"])),
    ("asked (UTC)", lambda row: show.minute(row["at"])),
    ("deadline (UTC)", lambda row: show.minute(row["deadline"])),
    ("by", lambda row: row.get("by")),
    ("reason", lambda row: row.get("reason")),
]


def register(app: typer.Typer) -> None:
    app.command(epilog='Example:  tidemill approve flights --reason "agreed with the risk board"')(approve)
    app.command(epilog='Example:  tidemill refuse flights flights-v00002 -r "worse for night flights"')(refuse)
    app.command(
        "approvals",
        epilog="Examples:  tidemill approvals flights   ·   tidemill approvals flights --json | jq '.[0].state'",
    )(listed)


def approve(
    project: ProjectName, reason: Reason, release: Release = None, stage: Stage = STAGE, as_json: Json = False
) -> None:
    """Approve the model of a release that waits: the release begins.

    Needed where the project file says `rollout: {approval: required}`. Who submitted the run cannot approve it,
    unless the stage allows it. One decision stands; all attempts are in the audit trail.
    """
    _decide(project, release, "approve", reason, stage, as_json)


def refuse(
    project: ProjectName, reason: Reason, release: Release = None, stage: Stage = STAGE, as_json: Json = False
) -> None:
    """Refuse the model of a release that waits: the release ends, the champion stays."""
    _decide(project, release, "refuse", reason, stage, as_json)


def listed(project: ProjectName, stage: Stage = STAGE, as_json: Json = False) -> None:
    """What people were asked to approve, and what they said, the newest first."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    found = approvals.all_of(deployment.index, project)
    empty = "none was asked for; `rollout: {approval: required}` in the project file asks for them"
    show.emit(
        found,
        as_json=as_json,
        people=lambda rows: show.table(f"Approvals of {project}", rows, COLUMNS, empty=empty),
    )


def _decide(
    project: str,
    release: str | None,
    decision: Literal["approve", "refuse"],
    reason: str,
    stage: str,
    as_json: bool,
) -> None:
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    answer = deployment.api.decide(project, release or _waiting(deployment, project), decision, reason)
    show.emit(answer, as_json=as_json, people=_said)


def _waiting(deployment: Deployment, project: str) -> str:
    """The one release that waits."""
    rows = approvals.all_of(deployment.index, project)
    waiting = [row["release_id"] for row in rows if row["state"] == approvals.PENDING]
    if not waiting:
        raise NotFound(f"no release of project {project!r} waits for approval; `tidemill approvals {project}`")
    if len(waiting) > 1:
        raise Usage(f"{len(waiting)} releases wait: {', '.join(waiting)}; name the one that you mean")
    return str(waiting[0])


def _said(answer: dict[str, Any]) -> str:
    after = "the release begins" if answer["state"] == "approved" else "the release has ended"
    return f"release {answer['release_id']} of model v{answer['model']} is {answer['state']}: {after}"
