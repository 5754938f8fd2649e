"""`tidemill data gc`: sweep away what nothing reaches."""

import re
from datetime import timedelta
from typing import Annotated, Any

import typer

from cli import show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.data import gc
from tidemill.errors import RequestInvalid
from tidemill.observability import now

_AGE = re.compile(r"(\d+)([dh])")
REMOVED: list[show.Column] = [
    ("kind", lambda row: row["kind"]),
    ("objects", lambda row: f"{row['count']:,}"),
    ("MB", lambda row: f"{row['bytes'] / 1e6:.1f}"),
]
KEPT: list[show.Column] = [*REMOVED, ("because of", lambda row: row["why"])]
REASONS = 30  # shown; --json has all


def register(data: typer.Typer) -> None:
    """Add the command to `tidemill data`."""
    data.command(
        name="gc",
        epilog="Examples:  tidemill data gc flights --dry-run   ·   tidemill data gc flights --older-than 30d",
    )(sweep)


def sweep(
    project: ProjectName,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go; remove nothing.")] = False,
    older_than: Annotated[
        str, typer.Option(help="How old what goes must be: 7d, 36h; a day at least.", metavar="AGE")
    ] = "7d",
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Remove what nothing reaches: contents of refused or superseded uploads, manifests that lost their race.

    Versions, models, runs, tags and uploads whose fate is open keep what they need, of this project and of every
    other one in the bucket.
    """
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    try:
        facts = gc.collect(
            project,
            objects=deployment.objects,
            index=deployment.index,
            clock=now,
            older_than=age(older_than),
            dry_run=dry_run,
        )
    except RequestInvalid as error:
        raise Usage(error.reason) from error
    show.emit(facts, as_json=as_json, people=_told)


def age(text: str) -> timedelta:
    """`7d` or `36h` as a time. Raises Usage."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise Usage(f"--older-than {text!r} is no age; write days or hours, like 7d or 36h")
    return timedelta(**{{"d": "days", "h": "hours"}[match[2]]: int(match[1])})


def _told(facts: dict[str, Any]) -> list[Any]:
    title = "Would be removed" if facts["dry_run"] else "Removed"
    kept = sorted(facts["kept"], key=lambda row: -row["bytes"])[:REASONS]
    parts: list[Any] = [
        show.table(title, facts["removed"], REMOVED, empty="nothing to remove: all that is old enough is reached"),
        "",
        show.table("Kept", kept, KEPT, empty="nothing is kept"),
    ]
    for key, until in facts["refused"].items():
        parts.append(f"the store keeps {key}" + (f" until {show.when(until)}" if until else ""))
    return parts
