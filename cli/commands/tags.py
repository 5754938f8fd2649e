"""`tidemill data tag tags untag`: movable names of dataset versions."""

from types import EllipsisType
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import show, versions
from cli.deployment import Deployment
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.data import tags as tagging

NONE = "none"
TagName = Annotated[str, typer.Argument(metavar="TAG", help="The tag: a-z, 0-9, '.', '_', '-', from a letter.")]
Expect = Annotated[
    str | None,
    typer.Option(
        "--expect",
        "-e",
        metavar="VERSION",
        help="Only if it points there now; `none`: only if there is no such tag. Else nothing is moved.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the move and in the audit trail.")]
TAGS: list[show.Column] = [
    ("tag", lambda row: row["tag"]),
    ("version", lambda row: f"v{row['version']}"),
    ("before", lambda row: _place(row["previous"])),
    ("moves", lambda row: row["epoch"]),
    ("at (UTC)", lambda row: show.when(row["at"])),
    ("by", lambda row: _who(row["by"])),
    ("reason", lambda row: row["reason"]),
]
MOVES: list[show.Column] = [
    ("move", lambda row: row["epoch"]),
    ("from", lambda row: _place(row["previous"])),
    ("to", lambda row: _place(row["version"]) or "removed"),
    *TAGS[4:],
]


def register(app: typer.Typer) -> None:
    """Add the commands to `tidemill data`."""
    app.command(
        epilog="Examples:  tidemill data tag flights train 3 --expect 2 --reason 'June is complete'   ·   "
        "tidemill data tag flights prod train   ·   tidemill data tag flights train latest --expect none"
    )(tag)
    app.command(
        name="tags",
        epilog="Examples:  tidemill data tags flights   ·   tidemill data tags flights --history train",
    )(tags)
    app.command(epilog="Example:  tidemill data untag flights train --expect 3 --reason 'not used any more'")(
        untag
    )


def tag(
    project: ProjectName,
    name: TagName,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A number, latest, another tag, a time, an identity.")
    ],
    expect: Expect = None,
    reason: Reason = "",
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Point a tag to a dataset version, or move it there. Each move is kept.

    With --expect a tag that somebody else has moved in the meantime is not moved: the command ends with exit code
    1 and says where it points.
    """
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    before = tagging.read(deployment.index, project, name)
    with versions.as_usage():
        moved = deployment.datasets.tag(project, name, version, expected=_expected(expect), reason=reason)
    show.emit({"project": project, **moved}, as_json=as_json, people=lambda facts: _said(facts, before))


def tags(
    project: ProjectName,
    history: Annotated[
        str | None, typer.Option("--history", metavar="TAG", help="Every move of this tag, the newest first.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Where the tags of a project's datasets point."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    if history is None:
        rows = tagging.listing(deployment.index, project)
        facts: dict[str, Any] = {"tags": rows}
        title, columns = f"Tags of {project}", TAGS
    else:
        rows = deployment.datasets.tag_history(project, history)[::-1]
        facts = {"tag": history, "moves": rows}
        title, columns = f"Moves of {history} of {project}", MOVES
    hint = f"no tags; name a version with `tidemill data tag {project} train latest`"
    show.emit(
        {"project": project, **facts},
        as_json=as_json,
        people=lambda _: show.table(title, rows, columns, empty=hint),
    )


def untag(
    project: ProjectName,
    name: TagName,
    expect: Expect = None,
    reason: Reason = "",
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Remove a tag. The version stays, and so does the tag's history: it may be set again."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    before = tagging.read(deployment.index, project, name)
    with versions.as_usage():
        moved = deployment.datasets.untag(project, name, expected=_expected(expect), reason=reason)
    show.emit({"project": project, **moved}, as_json=as_json, people=lambda facts: _said(facts, before))


def _expected(text: str | None) -> str | EllipsisType | None:
    return ... if text is None else None if text == NONE else text


def _said(facts: dict[str, Any], before: dict[str, Any]) -> str:
    """One line: what the move did."""
    name = f"tag [bold]{escape(facts['tag'])}[/bold] of {facts['project']}"
    already = " already" if facts["epoch"] == before["epoch"] else ""
    if not facts["version"]:
        return f"{name} is removed{already}; it pointed to v{facts['previous']}"
    if already:
        return f"{name} points to v{facts['version']} already"
    was = f" (before: v{facts['previous']})" if facts["previous"] else " (new)"
    return f"{name} points to [bold]v{facts['version']}[/bold]{was}"


def _place(version: int) -> str | None:
    return f"v{version}" if version else None


def _who(by: str) -> str:
    """The end of an ARN, which tells people apart; anything else as it is."""
    return by.rsplit("/", 1)[-1] if by.startswith("arn:") else by
