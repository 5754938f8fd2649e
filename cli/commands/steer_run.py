"""`tidemill runs stop` and `runs resume`: end a search early, and go on with a run."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli import reading, show
from cli.deployment import Deployment
from cli.errors import NotFound
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill import names
from tidemill.training.close_run import close_run
from tidemill.training.resume_run import resume_run
from tidemill.training.stop_run import stop_run

RunId = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="The run's id, as `runs list` shows it; default: the latest.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `tidemill runs`."""
    app.command("stop", epilog='Example:  tidemill runs stop flights --reason "the data is wrong"')(stop)
    app.command("resume", epilog="Example:  tidemill runs resume flights flights-v00002")(resume)


def stop(
    project: ProjectName,
    run: RunId = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the run.")] = "asked for by a person",
    at_once: Annotated[
        bool, typer.Option("--at-once", help="End the execution now; trials under way are not waited for.")
    ] = False,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Stop a run: its trials under way end, no further one begins, and nothing is released. What was found stays.

    A run whose search is over already goes on to its verdict, unless it is ended `--at-once`. `runs resume` goes
    on where it was stopped.
    """
    deployment, run_id = _found(project, run, stage)
    common: dict[str, Any] = {"project": project, "run_id": run_id, "index": deployment.index, "clock": _now}
    asked = stop_run(**common, by=deployment.caller(), reason=reason)
    if at_once:
        deployment.abort("training", execution_of(deployment, project, run_id), reason)
        close_run(**common, state="stopped", error=None, objects=deployment.objects)
    state = "stopped" if at_once else "running"
    if as_json:
        show.print_json({"project": project, "run_id": run_id, "state": state, "stop": asked})
    elif at_once:
        show.out().print(f"stopped [bold]{run_id}[/bold]; `tidemill runs resume {project} {run_id}` goes on")
    else:
        show.out().print(
            f"[bold]{run_id}[/bold] begins no further trial; watch it end with "
            f"`tidemill runs follow {project} {run_id}`"
        )


def resume(project: ProjectName, run: RunId = None, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Go on with a run that was stopped, failed, or whose execution was aborted. What is done is not done again:
    the prepared rows, the trials that ended, the final model. Trials that had begun are continued."""
    deployment, run_id = _found(project, run, stage)
    current = deployment.execution("training", execution_of(deployment, project, run_id))
    execution = resume_run(
        project=project,
        run_id=run_id,
        by=deployment.caller(),
        dead=current is None or current["status"] != "RUNNING",
        index=deployment.index,
        workflows=deployment.workflows,
        clock=_now,
    )
    if as_json:
        show.print_json({"project": project, "run_id": run_id, "execution": execution})
    else:
        show.out().print(f"resumed [bold]{run_id}[/bold]; watch it with `tidemill runs follow {project} {run_id}`")


def execution_of(deployment: Deployment, project: str, run_id: str) -> str:
    """The name of the latest execution of a run."""
    row = deployment.index.get(names.pk(project), names.sk_run(run_id)) or {}
    return str(row.get("execution") or run_id)


def latest(deployment: Deployment, project: str) -> str:
    """The id of the newest run. Raises NotFound."""
    found = reading.runs(deployment.index, project, limit=1)
    if not found:
        raise NotFound(
            f"project {project!r} has no runs yet; push data first: `tidemill data push {project} FILE`"
        )
    return str(found[0]["run_id"])


def _found(project: str, run: str | None, stage: str) -> tuple[Deployment, str]:
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    return deployment, run or latest(deployment, project)


def _now() -> datetime:
    return datetime.now(UTC)
