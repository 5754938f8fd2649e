"""`tidemill monitor`: drift windows, checks on request, reports."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import checking, reading, show
from cli.connection import state_directory
from cli.deployment import Deployment
from cli.following import Pace
from cli.options import STAGE, Json, Limit, ProjectName, Stage

app = typer.Typer(no_args_is_help=True, help="Monitoring: has the world changed since the model was trained?")

WINDOWS: list[show.Column] = [
    ("window", lambda row: row["window_id"]),
    ("state", lambda row: row["state"]),
    ("rows", lambda row: f"{row['rows']:,}"),
    ("drifted", lambda row: row.get("drifted")),
    ("features", lambda row: names_of(row.get("features"))),
    ("trigger", lambda row: row.get("trigger")),
    ("to (UTC)", lambda row: show.when(row["to"])),
]
FEATURES: list[show.Column] = [
    ("feature", lambda row: row["feature"]),
    ("PSI", lambda row: row["psi"]),
    ("test", lambda row: row["statistic_name"]),
    ("statistic", lambda row: row["statistic"]),
    ("adjusted p", lambda row: row["q_value"]),
    ("drifted", lambda row: row["drifted"]),
]


@app.command(
    epilog="Examples:  tidemill monitor report flights   ·   tidemill monitor report flights --output drift.html"
)
def report(
    project: ProjectName,
    window: Annotated[str | None, typer.Argument(help="A window's id; default: the latest checked one.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to put the HTML report.")] = None,
    limit: Limit = 10,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """The drift report of a window; its HTML page is downloaded to be opened in a browser."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = reading.window(deployment.index, deployment.objects, project, window)
    target = output or state_directory() / stage / "reports" / f"{project}-{facts['window_id']}.html"
    facts["html"] = str(checking.download_report(deployment.objects, project, facts["window_id"], target))
    facts["windows"] = reading.windows(deployment.index, project, limit=limit)
    show.emit(facts, as_json=as_json, people=_report)


@app.command(epilog="Example:  tidemill monitor run flights")
def run(
    project: ProjectName,
    minutes: Annotated[float, typer.Option(min=0.1, help="Give up after so many minutes.")] = 15,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Check for drift now, instead of at the next scheduled time."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = checking.check_now(deployment, project, Pace(at_most=minutes * 60))
    show.emit(facts, as_json=as_json, people=checking.line)


def names_of(features: Any) -> str | None:
    """The drifted features in one line."""
    return ", ".join(str(feature) for feature in features) if features else None


def _report(facts: dict[str, Any]) -> Group:
    found = facts["findings"] or {}
    title = f"Window {facts['window_id']}: {facts['rows']:,} predictions, " + (
        "[red]drifted[/red]" if facts.get("drifted") else "[green]no drift[/green]"
    )
    return Group(
        show.table(title, found.get("columns", []), FEATURES, empty="no feature was compared"),
        "",
        show.table("Windows", facts["windows"], WINDOWS, empty="none"),
        f"report: {facts['html']}",
    )
