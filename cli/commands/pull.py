"""`tidemill data pull`: a dataset version as files in a folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cli import show, versions
from cli.deployment import Deployment
from cli.errors import Refused
from cli.options import STAGE, Json, Stage
from tidemill.data.pull import JOBS, Pulled
from tidemill.dataset import Dataset

SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill data`."""
    app.command(
        epilog="Examples:  tidemill data pull flights   ·   tidemill data pull flights@train -o data   ·   "
        "tidemill data pull flights@{2026-03-01T12:00} -o then   ·   tidemill data pull flights@3 --force"
    )(pull)


def pull(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PROJECT[@VERSION]",
            help="flights@3, flights@train, flights@2026-03-01, flights@9f3ab2c4; without @: the latest.",
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to; default: a folder named as PROJECT."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=16, help="Files at a time.")] = JOBS,
    force: Annotated[bool, typer.Option("--force", help="Replace files that were changed here.")] = False,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Download a dataset version, every byte verified. Stopped at any point, it goes on when it is run again.

    Files that an earlier pull brought are brought up to date; what was changed here is replaced only with --force;
    nothing is ever removed. `.tidemill-version.json` says what the folder holds, and is there only when all is.
    """
    deployment = Deployment.of(stage)
    dataset = versions.of(deployment, what)
    target = folder or Path(dataset.project)
    try:
        with _progress(quiet=as_json) as progress:
            done = dataset.download(target, force=force, jobs=jobs, progress=progress)
    except OSError as error:
        place = error.filename or target
        raise Refused(f"{place}: {error.strerror or error}; what is there stays, run it again to go on") from error
    except KeyboardInterrupt:
        show.note().print("stopped; what is there stays, run it again to go on")
        raise
    show.emit(_facts(dataset, done), as_json=as_json, people=lambda facts: _said(facts, done))


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while bytes come, where there is a terminal."""
    say = show.note()
    columns = (TextColumn("pulling"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say, disable=quiet or not say.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _facts(dataset: Dataset, done: Pulled) -> dict[str, Any]:
    names = {"project": dataset.project, "version": dataset.version, "identity": dataset.identity}
    return {**names, **asdict(done), "folder": str(done.folder)}


def _said(facts: dict[str, Any], done: Pulled) -> str:
    """What was done, on standard output; what one might not expect, on standard error."""
    say = show.note()
    for group in done.collisions:
        say.print(f"[yellow]![/yellow] one file where case does not count: {_listed(group)}", soft_wrap=True)
    if done.extra:
        say.print(
            f"[yellow]![/yellow] not of this version, left as they are: {_listed(done.extra)}", soft_wrap=True
        )
    files = len(done.fetched) + len(done.present)
    parts = [f"{len(done.fetched)} fetched ({_size(done.received)})"] if done.fetched else []
    parts += [f"{len(done.replaced)} of them replaced"] if done.replaced else []
    parts += [f"{len(done.present)} there already"] if done.present else []
    return (
        f"[bold]{escape(facts['project'])} v{facts['version']}[/bold] is in {escape(str(done.folder))}: "
        f"{files} {'file' if files == 1 else 'files'}, {_size(done.size)}"
        + (f"; {', '.join(parts)}" if parts else "")
    )


def _listed(paths: tuple[str, ...]) -> str:
    rest = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return escape(", ".join(show.plain(path) for path in paths[:SHOWN]) + rest)


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
