"""`tidemill data log`: versions with their tags, and uploads; as tables or as a graph; now or at a time."""

from typing import Annotated, Any

import typer
from rich.table import Table

from cli import graph, show, versions
from cli.deployment import Deployment
from cli.options import STAGE, Json, Limit, ProjectName, Stage
from tidemill.data import references

SHORT = 12  # digits of an upload's id: no two of a project are alike, and `data show` takes them
UPLOADS: list[show.Column] = [
    ("upload", lambda row: row["upload_id"][:SHORT]),
    ("file", lambda row: row["key"].split("/", 2)[-1]),
    ("state", lambda row: row["state"]),
    ("version", lambda row: f"v{row['dataset_version']}" if row.get("dataset_version") else None),
    ("code", lambda row: row.get("code")),
    ("at (UTC)", lambda row: show.minute(row["at"])),
]
VERSIONS: list[show.Column] = [
    ("version", lambda row: f"v{row['version']}"),
    ("tags", lambda row: ", ".join(row.get("tags", ()))),
    ("parent", lambda row: f"v{row['parent']}" if row["parent"] else None),
    ("rows", lambda row: f"{row['rows']:,}"),
    ("files", lambda row: row["files"]),
    ("MB", lambda row: f"{row['bytes'] / 1e6:.1f}"),
    ("identity", lambda row: row["identity"][:8]),
    ("at (UTC)", lambda row: show.minute(row["at"])),
]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill data`."""
    app.command(
        epilog="Examples:  tidemill data log flights --graph   ·   "
        "tidemill data log flights --at 2026-03-01T12:00   ·   "
        "tidemill data log flights --json | jq '.versions[0].rows'"
    )(log)


def log(
    project: ProjectName,
    limit: Limit = 20,
    graphic: Annotated[
        bool, typer.Option("--graph", "-g", help="Draw versions with parents, tags and uploads.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="As it was then: versions, uploads, where tags pointed (UTC)."),
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Dataset versions and uploads, the newest first.

    A version was current at a TIME if it is the newest one whose recorded time is not later.
    """
    with versions.as_usage():
        moment = references.parse_time(at) if at else None
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = versions.log(deployment.index, deployment.objects, project, at=moment)
    if graphic and not as_json:
        show.emit(facts, as_json=False, people=lambda facts: _graph(facts, limit))
        return
    shown = {**facts, "versions": facts["versions"][:limit], "uploads": facts["uploads"][:limit]}
    show.emit(shown, as_json=as_json, people=_tables)


def _tables(facts: dict[str, Any]) -> list[Any]:
    return [
        *_then(facts),
        show.table(f"Dataset versions of {facts['project']}", facts["versions"], VERSIONS, empty=_hint(facts)),
        "",
        show.table("Uploads", facts["uploads"], UPLOADS, empty="no uploads"),
    ]


def _graph(facts: dict[str, Any], limit: int) -> list[Any]:
    lines = graph.draw(facts["versions"], facts["uploads"], limit=limit)
    grid = Table.grid()
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for line in lines:
        grid.add_row(line)
    return [*_then(facts), grid if lines else f"[dim]{_hint(facts)}[/dim]"]


def _then(facts: dict[str, Any]) -> list[str]:
    """What was current at the time that was asked for."""
    if not facts["at"]:
        return []
    current = f"v{facts['current']} was current" if facts["current"] else "there was no version yet"
    return [f"At {facts['at']} [bold]{current}[/bold]", ""]


def _hint(facts: dict[str, Any]) -> str:
    return f"none yet; upload a file with `tidemill data push {facts['project']} FILE`"
