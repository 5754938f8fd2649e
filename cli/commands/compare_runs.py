"""`tidemill runs compare`: two or more runs side by side, in the terminal, as JSON, or as a page with plots."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from cli import show
from cli.comparing import compare, is_gain
from cli.deployment import Deployment
from cli.errors import Usage
from cli.experiment import duration, price, short
from cli.options import STAGE, Json, ProjectName, Stage

Facts = dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill runs`."""
    app.command(
        name="compare",
        epilog="Examples:  tidemill runs compare flights flights-v00001 flights-v00002   ·   "
        "tidemill runs compare flights flights-v00001 flights-v00002 --html runs.html",
    )(compare_runs)


def compare_runs(
    project: ProjectName,
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN…", help="Runs' ids; differences are told to the first one.")
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with plots of the trials.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Runs side by side: parameters, metrics, gates, time, cost, and what they were made with.

    With --html a page of one file: optimisation history, parallel coordinates, parameter importance, slices. One
    run alone may be drawn as well.
    """
    if len(set(runs)) < len(runs):
        raise Usage(f"the runs {runs} are not all different; `tidemill runs list {project}` lists them")
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = compare(deployment.index, deployment.objects, project, runs)
    show.emit(facts, as_json=as_json, people=_tables)
    if html is not None:
        _write(html, facts)


def _write(file: Path, facts: Facts) -> None:
    # Not at the top: what draws is needed by this option alone.
    from cli.comparison_page import page

    show.write_page(file, page(facts))


def _tables(facts: Facts) -> Group:
    ids = [run["run_id"] for run in facts["runs"]]
    odd = [row for row in facts["made_with"] if not row["same"]]
    parts: list[Any] = [_table(f"Runs of {facts['project']}", ids, _summary(facts["runs"]))]
    parts.append(_table("Metrics on the held-out rows", ids, [_metric(row) for row in facts["metrics"]]))
    parts.append(_table("Parameters of the best trial", ids, [_values(row) for row in facts["parameters"]]))
    parts.append(_table("Gates", ids, [_values(row) for row in facts["gates"]]))
    parts.append(_table("Made with another", ids, [_values(row) for row in odd]))
    if facts["made_with"] and not odd:
        parts.append("made with the same seeds, code, locks and libraries")
    parts += [f"[yellow]![/yellow] {escape(note)}" for note in facts["notes"]]
    return Group(*[part for part in parts if part != ""])


Line = tuple[str, list[str]]


def _table(title: str, ids: list[str], lines: list[Line]) -> Table | str:
    if not lines:
        return ""
    grid = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    grid.add_column("", style="dim")
    for name in ids:
        grid.add_column(escape(name), overflow="fold")
    for what, cells in lines:
        grid.add_row(escape(what), *cells)
    return grid


def _summary(runs: list[Facts]) -> list[Line]:
    values: dict[str, list[Any]] = {
        "state": [run["state"] for run in runs],
        "data": [f"v{run['dataset_version']}" for run in runs],
        "model": [f"v{run['model_version']}" if run["model_version"] else None for run in runs],
        "algorithm": [run["algorithm"] for run in runs],
        "trials": [
            ", ".join(f"{count} {state}" for state, count in run["counts"].items() if count) for run in runs
        ],
        "best trial": [run["trial"] for run in runs],
        "its value": [None if run["value"] is None else f"{run['metric']} {run['value']:.5g}" for run in runs],
        "at (UTC)": [show.when(run["at"]) for run in runs],
        "duration": [duration(run["seconds"]) for run in runs],
        "cost": [price(run["cost"]) for run in runs],
    }
    return [(what, [show.cell(value) for value in cells]) for what, cells in values.items()]


def _metric(row: Facts) -> Line:
    cells = []
    for run, value in enumerate(row["values"]):
        words = show.cell(value)
        difference = row["differences"][run]
        if run and difference:
            colour = {True: "green", False: "red", None: "dim"}[is_gain(row, run)]
            words += f" [{colour}]{difference:+.3g}[/]"
        cells.append(words)
    return row["what"], cells


def _values(row: Facts) -> Line:
    mark = "" if row["same"] else " ≠"
    return f"{row['what']}{mark}", [show.cell(short(value)) for value in row["values"]]
