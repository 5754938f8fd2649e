"""`tidemill data subjects`: the rows of one person or thing, wherever the data sets have them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import Progress

from cli import project_file, show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill.data import subjects
from tidemill.data.subjects import Subject
from tidemill.errors import RequestInvalid
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
    rows = [{"version": version["version"], **file} for version in facts["versions"] for file in version["files"]]
    gone = f"  ({len(facts['gone'])} were erased before)" if facts["gone"] else ""
    told = f"{facts['rows']:,} rows in {facts['contents']:,} contents read{gone}"
    parts: list[Any] = [show.table(told, rows, FOUND, empty=f"no row has this value; {told}"), ""]
    return [*parts, show.table("Learned from them", facts["models"], MODELS, empty="no model learned from them")]
