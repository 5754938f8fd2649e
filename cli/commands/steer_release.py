"""`tidemill promote`, `rollback`, `pause`, `resume`: a person's word on the release that runs.

`tidemill release promote|rollback` are the same commands.
"""

from typing import Annotated

import typer

from cli import reading, show
from cli.deployment import Deployment
from cli.errors import NotFound, Refused
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.release import pointer
from tidemill.release.steer_release import Action

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with your name in the audit trail.")]


def register(app: typer.Typer, *, within: str = "") -> None:
    """Add the commands to `tidemill`, or `within` a group of it those that were there before."""
    at = f"tidemill {within} ".replace("  ", " ")
    app.command(epilog=f'Example:  {at}promote flights --reason "agreed with the risk board"')(promote)
    app.command(epilog=f'Example:  {at}rollback flights --reason "complaints from the field"')(rollback)
    if not within:
        app.command(epilog='Example:  tidemill pause flights --reason "a storm: nothing is as usual"')(pause)
        app.command(epilog='Example:  tidemill resume flights --reason "the storm is over"')(resume)


def promote(project: ProjectName, reason: Reason, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Give the challenger of the running release all requests now, without waiting for the experiment."""
    _steer(project, "promote", reason, stage, as_json)


def rollback(project: ProjectName, reason: Reason, stage: Stage = STAGE, as_json: Json = False) -> None:
    """End the running release in favour of the champion; without one, take back the latest promotion.

    Nothing is built: the versions are there, and the alias is moved.
    """
    _steer(project, "rollback", reason, stage, as_json)


def pause(project: ProjectName, reason: Reason, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Let the champion answer all requests, without ending the release: no look is taken, no day counts."""
    _steer(project, "pause", reason, stage, as_json)


def resume(project: ProjectName, reason: Reason, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Go on with a paused release: its step starts anew, with the requests from now on."""
    _steer(project, "resume", reason, stage, as_json)


def _steer(project: str, action: Action, reason: str, stage: str, as_json: bool) -> None:
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    seen = reading.live(deployment.index, project)
    if seen["champion"] is None and seen["challenger"] is None:
        raise NotFound(f"project {project!r} has released nothing yet; there is nothing to {action}")
    if action != "rollback" and seen["challenger"] is None:
        raise Refused(
            f"project {project!r} has no challenger to {action}: {pointer.told(seen)}; "
            f"`tidemill release status {project}`"
        )
    answer = deployment.api.steer(project, action, reason, epoch=seen["epoch"])
    state = {"pause": "paused", "resume": "resumed"}.get(action, answer["state"])
    line = f"{project}: {show.cell(state)}; {pointer.told(answer['live'])}"
    show.emit(answer, as_json=as_json, people=lambda _: line)
