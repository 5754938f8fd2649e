"""`tidemill rebuild-index`: make the data rows of the table again from the facts in S3."""

from typing import Annotated, Any

import typer

from cli import show
from cli.deployment import Deployment
from cli.options import STAGE, Json, Stage
from tidemill.data import rebuild_index

KINDS = ("missing", "changed", "strange")


def register(app: typer.Typer) -> None:
    app.command(
        "rebuild-index",
        epilog="Examples:  tidemill rebuild-index --check   ·   tidemill rebuild-index flights --stage prod",
    )(rebuild)


def rebuild(
    project: Annotated[str | None, typer.Argument(metavar="[PROJECT]", help="One project; default: all.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit with 1 where they differ.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also replace rows that say something else than the facts.")
    ] = False,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Recreate what the table knows of data from S3, which holds the facts: after a table was lost or restored.

    Rows that are missing are written; rows that differ are told, and replaced with --overwrite; rows that S3 knows
    nothing of are told and left alone. Let no upload come in meanwhile.
    """
    deployment = Deployment.of(stage)
    wanted = [project] if project else deployment.projects()
    for name in wanted:
        deployment.require_project(name)
    facts = {name: _rebuild(deployment, name, check=check, overwrite=overwrite) for name in wanted}
    show.emit(facts, as_json=as_json, people=_table)
    differs = any(found["changed"] or found["strange"] or (check and found["missing"]) for found in facts.values())
    raise typer.Exit(1 if differs and (check or not overwrite) else 0)


def _rebuild(deployment: Deployment, project: str, *, check: bool, overwrite: bool) -> dict[str, Any]:
    expected = rebuild_index.rows_of(deployment.objects, project)
    found = rebuild_index.difference(expected, deployment.index, project)
    wanted = [] if check else [*found.missing, *(found.changed if overwrite else ())]
    written = rebuild_index.rebuild(expected, wanted, index=deployment.index, project=project)
    differences = {kind: getattr(found, kind) for kind in KINDS}
    return {"rows": len(expected), "written": written, **differences}


def _table(facts: dict[str, Any]) -> list[Any]:
    columns: list[show.Column] = [
        ("project", lambda row: row["project"]),
        ("rows by the facts", lambda row: row["rows"]),
        ("written", lambda row: row["written"]),
        *((kind, lambda row, kind=kind: len(row[kind])) for kind in KINDS),
    ]
    rows = [{"project": name, **found} for name, found in facts.items()]
    odd = [f"{row['project']} {kind}: {sk}" for row in rows for kind in KINDS[1:] for sk in row[kind][:10]]
    return [show.table("The table against the facts in S3", rows, columns, empty="no project"), *odd]
