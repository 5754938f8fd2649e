"""`tidemill models`: registered model versions."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markdown import Markdown

from cli import reading, show
from cli.deployment import Deployment
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.release import card_page

app = typer.Typer(no_args_is_help=True, help="Model versions: what serves, and its evidence.")

MODELS: list[show.Column] = [
    ("model", lambda row: f"v{row['version']}"),
    ("state", lambda row: row["state"]),
    ("requests", lambda row: show.percent(row["share"]) if row.get("share") else None),
    ("data", lambda row: f"v{row['dataset_version']}"),
    ("run", lambda row: row["run_id"]),
    ("metrics", lambda row: show.main_metrics(row.get("metrics"))),
    ("function", lambda row: row.get("function_version")),
    ("at (UTC)", lambda row: show.when(row["at"])),
]


@app.command(name="list", epilog="Example:  tidemill models list flights")
def list_models(project: ProjectName, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Model versions, the newest first, with the share of requests each answers now."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    hint = "no models yet; a run that passes its gates registers one: `tidemill runs list`"
    show.emit(
        reading.models(deployment.index, project),
        as_json=as_json,
        people=lambda rows: show.table(f"Models of {project}", rows, MODELS, empty=hint),
    )


@app.command(
    name="show",
    epilog="Examples:  tidemill models show flights 2   ·   tidemill models show flights 2 --html card.html",
)
def show_model(
    project: ProjectName,
    version: Annotated[int, typer.Argument(min=1, help="The model version's number.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the card as a page into this file, too.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """One model version: what it was trained on, how good it is, and its card."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = reading.model(deployment.index, deployment.objects, project, version)
    if html is not None:
        show.write_page(html, card_page.page(facts["card"]))
    show.emit(facts, as_json=as_json, people=_model)


def _model(facts: dict[str, Any]) -> Group:
    shown = [(heading, value(facts)) for heading, value in MODELS if heading != "requests"]
    parts: list[Any] = [show.facts(f"Model {facts['version']}", [*shown, ("identity", facts.get("identity"))])]
    if facts["card"]:
        parts += ["", Markdown(facts["card"])]
    return Group(*parts)
