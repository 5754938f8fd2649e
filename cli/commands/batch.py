"""`tidemill batch`: score files with a model version."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cli import following, progress, scoring, show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.following import Pace
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.serving.request_scoring import request_scoring
from tidemill.serving.scoring import PART_BYTES, Place, found

MIB = 1 << 20


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(
        epilog="Examples:  tidemill batch flights june.csv -o scored   ·   tidemill batch flights june/ --model 3 "
        "--keep flight   ·   tidemill batch flights s3://BUCKET/incoming/flights/june/ --no-wait   ·   "
        "tidemill batch flights --run score-4f0c…"
    )(batch)


def batch(
    project: ProjectName,
    source: Annotated[
        str | None,
        typer.Argument(help="A file, a folder, or s3://DATA-BUCKET/incoming/PROJECT/… (or …/unscored/…)."),
    ] = None,
    model: Annotated[int | None, typer.Option(min=1, help="The model version; default: the champion.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A column that the output repeats, such as a key. Several times: several."),
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with that scoring, or see it again.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
    download: Annotated[
        Path | None, typer.Option("--download", "--out", "-o", metavar="DIR", help="Fetch the output into DIR.")
    ] = None,
    part_mb: Annotated[
        float, typer.Option(min=0.01, max=1024, help="MiB of a file that one worker takes, about.")
    ] = PART_BYTES / MIB,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait at most; it goes on all the same.")
    ] = 86400,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Score every row of files with a model version, by many workers beside each other.

    Files are CSV, JSON Lines or Parquet, as they are uploaded for training; gzip and zstd are read by one worker
    each. The output is Parquet: for each row of the input one row, with prediction id, file, line, prediction and
    model version; a row that cannot be scored has its error instead. The same files and model are the same
    scoring: stopped or failed, the same command goes on with what is left.
    """
    if (source is None) == (run is None):
        raise Usage("name what is to be scored (a file, a folder, s3://…), or a scoring to go on with: --run ID")
    if download is not None and not wait:
        raise Usage("--download waits for the output; leave out --no-wait, or fetch it later by --run ID")
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    if run is not None:
        request = scoring.request_of(deployment, Place(project, run))
    else:
        request = _asked(deployment, project, str(source), model, keep or [], part_mb, quiet=as_json)
    place = Place(project, request["scoring_id"])
    facts = _outcome(deployment, place, request, wait, timeout, quiet=as_json)
    if download is not None:
        facts |= _fetched(deployment, place, download, facts["bytes"], quiet=as_json)
    show.emit(facts, as_json=as_json, people=_said)


def _outcome(
    deployment: Deployment, place: Place, request: dict[str, Any], wait: bool, seconds: float, *, quiet: bool
) -> dict[str, Any]:
    """What became of the scoring, which is started or resumed unless it has its result."""
    facts = {"project": place.project, "scoring_id": place.scoring_id}
    where = {"model": request["model"], "output": f"s3://{deployment.bucket}/{place.outputs}"}
    result = found(deployment.objects, place.result)
    if result is None:
        facts["execution"] = scoring.start(deployment, place)
        if wait:
            result = _followed(deployment, place, facts["execution"], seconds, quiet=quiet)
    return {**facts, **(result or {}), **where}


def _fetched(deployment: Deployment, place: Place, folder: Path, size: int, *, quiet: bool) -> dict[str, Any]:
    with progress.bytes_of("fetching", size, quiet=quiet) as arrived:
        files = scoring.download(deployment, place, folder, arrived)
    return {"folder": str(folder), "fetched": len(files)}


def _asked(
    deployment: Deployment,
    project: str,
    source: str,
    model: int | None,
    keep: list[str],
    part_mb: float,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """The request for these files, which go up if they are here."""
    with progress.bytes_of("uploading", scoring.size_of(source), quiet=quiet) as uploaded:
        files = scoring.inputs(deployment, project, source, uploaded)
    return request_scoring(
        project=project,
        model=model,
        files=files,
        keep=keep,
        part_bytes=int(part_mb * MIB),
        by=deployment.caller(),
        objects=deployment.objects,
        index=deployment.index,
        clock=lambda: datetime.now(UTC),
    )


def _followed(
    deployment: Deployment, place: Place, execution: str, seconds: float, *, quiet: bool
) -> dict[str, Any]:
    """The result, once it is there; a bar over the parts meanwhile."""
    views = scoring.follow(deployment, place, execution, Pace(at_most=seconds))
    with _bar(quiet) as seen:
        view: scoring.Progress = following.last(views, seen)
    return view.result or {}


@contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[scoring.Progress], None]]:
    say = show.note()
    if quiet or not say.is_terminal:
        yield lambda view: None if quiet else say.print(_line(view), soft_wrap=True)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say, transient=True) as bar:
        task = bar.add_task("planning", total=None)
        yield lambda view: bar.update(task, description=_line(view), total=view.parts, completed=view.done)


def _line(view: scoring.Progress) -> str:
    if view.parts is None:
        return "planning"
    errors = f", {view.errors:,} with errors" if view.errors else ""
    return f"{view.done} of {view.parts} parts, {view.rows:,} rows{errors}"


def _said(facts: dict[str, Any]) -> list[str]:
    scoring_id, project = facts["scoring_id"], facts["project"]
    if "rows" not in facts:
        again = f"`tidemill batch {project} --run {scoring_id}` follows it"
        return [
            f"model {facts['model']} scores as [bold]{scoring_id}[/bold]; {again}",
            f"output: {facts['output']}",
        ]
    errors = f"[yellow]{facts['errors']:,} with errors[/yellow]" if facts["errors"] else "none with errors"
    took = f"{facts['seconds']:,.0f} s of functions ({facts['gb_seconds']:,.1f} GB-seconds)"
    lines = [
        f"[green]✓[/green] {facts['rows']:,} rows scored by model {facts['model']}, {errors}"
        f" ({facts['files']:,} files, {facts['parts']:,} parts) as [bold]{scoring_id}[/bold]",
        f"cost: ${facts['dollars']:.4f} at list prices ({facts['prices']}), {took}",
        f"output: {facts['output']}",
    ]
    if "folder" in facts:
        lines.append(f"fetched {facts['fetched']:,} files into {escape(facts['folder'])}")
    return lines
