"""`tidemill doctor`: what this machine or account lacks, and how to mend it."""

from dataclasses import asdict
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from cli import checkup, show
from cli.options import STAGE, Json, Stage

MARKS = {True: "[green]✓[/green]", None: "[yellow]![/yellow]", False: "[red]✗[/red]"}


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(epilog="Examples:  tidemill doctor   ·   tidemill doctor --stage dev --json")(doctor)


def doctor(stage: Stage = STAGE, as_json: Json = False) -> None:
    """Check this machine and the way to a stage. Exit code 1 when something must be mended."""
    checks = [asdict(check) for check in checkup.examine(stage)]
    show.emit(checks, as_json=as_json, people=_lines)
    if any(check["ok"] is False for check in checks):
        raise typer.Exit(1)


def _lines(checks: list[dict[str, Any]]) -> Table:
    grid = Table(
        title="Doctor", title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for heading in ("", "check", "found", "to mend it"):
        grid.add_column(heading, overflow="fold")
    for check in checks:
        mend = "" if check["ok"] else check["mend"]
        grid.add_row(MARKS[check["ok"]], *(escape(text) for text in (check["name"], check["found"], mend)))
    return grid
