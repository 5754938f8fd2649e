"""`tidemill data subjects`: the rows of one person or thing, wherever the data sets have them."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress

from cli import project_file, show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.data import erase as erasing
from tidemill.data import subjects
from tidemill.data.subjects import Subject
from tidemill.errors import RequestInvalid
from tidemill.observability import now
from tidemill.projects import Project

app = typer.Typer(
    no_args_is_help=True,
    help="The rows of one subject (a person, a customer, a machine), wherever they are.",
    epilog="Example:  tidemill data subjects find flights --value N14228",
)
Value = Annotated[str, typer.Option("--value", help="What the column holds in the subject's rows, exactly.")]
ColumnName = Annotated[
    str | None, typer.Option("--column", help="The column; default: the project's entity, or its key.")
]
FOUND: list[show.Column] = [
    ("version", lambda row: f"v{row['version']}"),
    ("file", lambda row: row["path"]),
    ("rows", lambda row: f"{row['rows']:,}"),
    ("content", lambda row: row["sha256"][:12]),
]
MODELS: list[show.Column] = [
    ("model", lambda row: f"v{row['version']}"),
    ("state", lambda row: row["state"]),
    ("data", lambda row: f"v{row['dataset_version']}"),
    ("run", lambda row: row["run_id"]),
]


def register(data: typer.Typer) -> None:
    """Add the group to `tidemill data`."""
    data.add_typer(app, name="subjects")


@app.command(
    name="find",
    epilog="Examples:  tidemill data subjects find flights --value N14228   ·   "
    "tidemill data subjects find flights --column carrier --value UA --json",
)
def find(
    project: ProjectName,
    value: Value,
    column: ColumnName = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Which versions and files hold a subject's rows, how many, and which runs and models learned from them."""
    deployment, problem, subject = asked(stage, project, value, column)
    with progress(quiet=as_json) as told:
        facts = subjects.find(problem, subject, objects=deployment.objects, index=deployment.index, progress=told)
    show.emit(facts, as_json=as_json, people=_found)


@app.command(
    name="erase",
    epilog='Examples:  tidemill data subjects erase flights --value N14228 --reason "request 12" --dry-run   ·   '
    'tidemill data subjects erase flights --value N14228 --reason "request 12" --yes',
)
def erase(
    project: ProjectName,
    value: Value,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded. Do not name the subject in it.")],
    column: ColumnName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be erased; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Erase a subject's rows for good: new versions without them, the old ones marked, all copies removed, those
    in batch scores as well.

    What the store does not let go (a lock) is told with its end; ask again then. Killed half way, ask again too.
    The exit code is 1 while something is kept.
    """
    deployment, problem, subject = asked(stage, project, value, column)
    if value in reason:
        raise Usage("the reason names the subject, and would be kept for good; word it otherwise (--reason)")
    ports = erasing.Ports(deployment.objects, deployment.index, now, f"s3://{deployment.bucket}")
    request = erasing.Request(subject, reason, deployment.caller(), secrets.token_hex(16))
    if not (dry_run or yes):
        typer.confirm(f"Erase the rows of this subject from {project} for good?", abort=True, err=True)
    with progress(quiet=as_json) as told:
        facts = erasing.erase(problem, request, ports=ports, dry_run=dry_run, progress=told)
    show.emit(facts, as_json=as_json, people=_erased)
    raise typer.Exit(1 if any(each["kept"] for each in facts["erasures"]) else 0)


def asked(stage: str, project: str, value: str, column: str | None) -> tuple[Deployment, Project, Subject]:
    """What the command line names. Raises NotFound, Usage."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    problem = project_file.read_project(project)
    try:
        return deployment, problem, subjects.subject_of(problem, value, column)
    except RequestInvalid as error:
        raise Usage(error.reason) from error


@contextmanager
def progress(*, quiet: bool) -> Iterator[subjects.Progress]:
    """A bar on standard error, of the contents that were read."""
    console = show.note()
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda read, of: bar.update(task, completed=read, total=of)


def _found(facts: dict[str, Any]) -> list[Any]:
    gone = f"  ({len(facts['gone'])} were erased before)" if facts["gone"] else ""
    told = f"{facts['rows']:,} rows in {facts['contents']:,} contents read{gone}"
    parts: list[Any] = [show.table(told, _flat(facts), FOUND, empty=f"no row has this value; {told}"), ""]
    return [*parts, show.table("Learned from them", facts["models"], MODELS, empty="no model learned from them")]


def _erased(facts: dict[str, Any]) -> list[Any]:
    if facts["dry_run"]:
        found = facts["found"]
        scored = f"{sum(found['scorings'].values()):,} scored rows"
        told = [
            f"would be erased: {found['rows']:,} rows, copies of {len(found['uploads'])} uploads, {scored}",
            "",
        ]
        if facts["unfinished"]:
            told.insert(1, f"unfinished: {', '.join(facts['unfinished'])}; they would be finished first")
        return [*told, show.table("In", _flat(found), FOUND, empty="no version holds the subject")]
    parts: list[Any] = []
    for erasure in facts["erasures"]:
        made = (
            ", ".join(f"v{each['version']} instead of v{each['of']}" for each in erasure["made"]) or "none needed"
        )
        models = ", ".join(f"v{number}" for number in erasure["models"]) or "none"
        parts.append(show.table(f"Erasure {erasure['id']}", _flat(erasure), FOUND, empty="no version held it"))
        pairs = [("new versions", made), ("models that learned from it", models)]
        pairs += [
            (f"rows of scoring {scoring_id}", f"{rows:,}") for scoring_id, rows in erasure["scorings"].items()
        ]
        pairs += [("tag moved", f"{row['tag']} to v{row['version']}") for row in erasure["tags"]]
        parts.append(show.facts("", pairs))
        if erasure["unsearched"]:
            parts.append(f"[yellow]not searched[/yellow] (inputs gone): {', '.join(erasure['unsearched'])}")
        parts += [f"[yellow]kept[/yellow] {escape(key)}: {escape(why)}" for key, why in erasure["kept"].items()]
    return parts or ["nothing holds this subject"]


def _flat(facts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"version": version["version"], **file} for version in facts["versions"] for file in version["files"]]
