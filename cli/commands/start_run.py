"""`tidemill runs start`: train on a dataset version because a person wants it."""

import secrets
from typing import Annotated

import typer

from cli import show, versions
from cli.deployment import Deployment
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.data.accept_version import run_id_of


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill runs`."""
    app.command(
        "start",
        epilog="Examples:  tidemill runs start flights 3   ·   tidemill runs start flights@train --reason …",
    )(start)


def start(
    project: ProjectName,
    version: Annotated[
        str | None, typer.Argument(help="The dataset version or a tag; default: the newest.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the run.")] = "asked for by a person",
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the project's.")] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Start a training run on a dataset version: after training was held back on shifted data, or to try again.

    A run of the version that never started gets the id it would have had; otherwise the new one gets its own.
    """
    deployment = Deployment.of(stage)
    dataset = versions.of(deployment, project, version)
    name, run_id = dataset.project, run_id_of(dataset.project, dataset.version)
    payload = {
        "project": name,
        "dataset_version": dataset.version,
        "run_id": run_id,
        "reason": reason,
        "trigger": "manual",
        "by": deployment.caller(),
        "options": {} if seed is None else {"seed": seed},
    }
    if seed is not None or not deployment.workflows.start("training", name=run_id, payload=payload):
        run_id = f"{run_id}-manual-{secrets.token_hex(4)}"
        deployment.workflows.start("training", name=run_id, payload={**payload, "run_id": run_id})
    if as_json:
        show.print_json({"project": name, "dataset_version": dataset.version, "run_id": run_id})
    else:
        show.out().print(f"started [bold]{run_id}[/bold]; watch it with `tidemill runs follow {name} {run_id}`")
