"""`tidemill data diff`: what changed between two dataset versions, in the terminal, as JSON, or as a page."""

import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli import show
from cli import versions as named
from cli.connection import state_directory
from cli.deployment import Deployment
from cli.errors import NotFound, Usage
from cli.options import STAGE, Json, ProjectName, Stage
from cli.project_file import read_project
from tidemill.data import versions
from tidemill.data.diff import report, versions_diff, words
from tidemill.data.diff.rows_diff import Progress as Told
from tidemill.errors import RecordNotFound
from tidemill.projects import Project

LONG = 100_000  # rows from which progress is shown
WIDE = 60  # characters of a value

Version = Annotated[str, typer.Argument(metavar="BEFORE", help="The older version.")]
COLUMNS: list[show.Column] = [
    ("column", lambda row: row["feature"]),
    ("shifted", lambda row: row["drifted"]),
    ("PSI", lambda row: f"{row['psi']:.3f}"),
    ("test", lambda row: row["statistic_name"]),
    ("statistic", lambda row: row["statistic"]),
    ("adjusted p", lambda row: row["q_value"]),
    ("mean", lambda row: _arrow(row["mean_reference"], row["mean_current"])),
]
CHANGED: list[show.Column] = [
    ("key", lambda row: " · ".join(_value(part) for part in row["key"].values())),
    ("old → new", lambda row: "\n".join(_change(change) for change in row["changes"])),
    ("file", lambda row: row["path"]),
    ("row", lambda row: row["row"]),
]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill data`."""
    app.command(
        name="diff",
        epilog="Examples:  tidemill data diff flights 3 5   ·   tidemill data diff flights 5 --key flight --open",
    )(diff)


def diff(
    project: ProjectName,
    before: Version,
    after: Annotated[
        str | None,
        typer.Argument(metavar="[AFTER]", help="The newer version; without it, BEFORE with its parent."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", "-k", help="A column that names a row (again for more); default: the project's key."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the difference with plots to this page.")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    examples: Annotated[int, typer.Option(min=0, max=1000, help="Rows shown of each sort, at most.")] = 20,
    rows: Annotated[bool, typer.Option("--rows/--no-rows", help="Whether to read and compare the rows.")] = True,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when the versions differ.")] = False,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """What changed between two dataset versions: files, columns, rows by key, distributions.

    Only files that differ are read, to this machine. Values are shown as they are in the data."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    rules = _rules(project)
    with _following(quiet=as_json) as progress:
        found = versions_diff.diff(
            rules,
            *_pair(deployment, project, before, after),
            deployment.objects,
            keys=key or None,
            examples=examples,
            rows=rows,
            progress=progress,
        )
    if html or open_page:
        found["html"] = str(_write(found, html or _place(stage, found)))
    show.emit(found, as_json=as_json, people=_shown)
    if open_page:
        webbrowser.open(Path(found["html"]).resolve().as_uri())
    raise typer.Exit(1 if exit_code and not found["equal"] else 0)


def version_of(deployment: Deployment, project: str, reference: str) -> int:
    """The number of the version that `reference` names. Raises Usage, NotFound."""
    try:
        return int(named.of(deployment, project, reference).version)
    except RecordNotFound as error:
        raise NotFound(str(error)) from error


def _pair(deployment: Deployment, project: str, before: str, after: str | None) -> tuple[int, int]:
    """The two versions, both of which exist."""
    numbers = [
        version_of(deployment, project, reference) for reference in (before, after) if reference is not None
    ]
    facts = [_fact(deployment, project, number) for number in numbers]
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    if not facts[0]["parent"]:
        raise Usage(f"version {numbers[0]} of {project} is the first and has no parent; name the other version")
    return int(facts[0]["parent"]), numbers[0]


def _fact(deployment: Deployment, project: str, number: int) -> dict[str, Any]:
    try:
        return versions.read_fact(deployment.objects, project, number)
    except RecordNotFound as error:
        told = f"project {project!r} has no dataset version {number}; see `tidemill data log {project}`"
        raise NotFound(told) from error


def _rules(project: str) -> Project:
    """The project file, for the key and the thresholds of a shift."""
    try:
        return read_project(project)
    except NotFound as error:
        told = f"there is no projects/{project}.yaml here, which says what a row's key and a shift are"
        raise NotFound(f"{told}; run this in the checkout that has the project") from error


@contextmanager
def _following(*, quiet: bool) -> Iterator[Told]:
    """A bar on standard error while many rows are read."""
    columns = (TextColumn("reading rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = show.note()
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("reading rows", visible=False)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total >= LONG)

        yield told


def _place(stage: str, found: dict[str, Any]) -> Path:
    name = f"{found['project']}-v{found['before']['version']}-v{found['after']['version']}.html"
    return state_directory() / stage / "reports" / name


def _write(found: dict[str, Any], path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.render(found), encoding="utf-8")
    except OSError as error:
        raise Usage(f"{path} cannot be written ({error.strerror}); name another file with --html") from error
    return path


def _shown(found: dict[str, Any]) -> Group:
    before, after, rows = found["before"], found["after"], found["rows"]
    title = f"{found['project']} v{before['version']} → v{after['version']}"
    parts: list[Any] = [show.facts(title, [("", words.verdict(found)), *_facts(found)])]
    if rows and rows["examples"]["changed"]:
        parts += ["", show.table("Changed rows", rows["examples"]["changed"], CHANGED, empty="")]
    for what in ("added", "removed"):
        if rows and rows["examples"][what]:
            parts += ["", _whole(what, rows)]
    if found["distributions"] and not found["equal"]:
        title = "Distributions, all rows against all rows"
        parts += ["", show.table(title, found["distributions"]["columns"], COLUMNS, empty="none to compare")]
    if "html" in found:
        parts += ["", f"page: {escape(found['html'])}"]
    return Group(*parts)


def _facts(found: dict[str, Any]) -> list[tuple[str, Any]]:
    rows, schema, sides = found["rows"], found["schema"], (found["before"], found["after"])
    told = [("rows", f"{sides[0]['rows']:,} → {sides[1]['rows']:,}"), ("files", words.files_told(found["files"]))]
    told += [(f"columns {what}", ", ".join(map(_column, schema[what]))) for what in schema if schema[what]]
    if rows is None:
        return told
    told += [("a row is known by", ", ".join(rows["key"]) or "all its values")]
    told += [("columns changed", _numbers(rows["changed_columns"]))] if rows["changed"] else []
    for name, numbers in (("repeated keys", rows["repeated_keys"]), ("rows without a key", rows["without_key"])):
        pair = [number["keys"] if isinstance(number, dict) else number for number in numbers.values()]
        told += [(name, f"{pair[0]:,} → {pair[1]:,}")] if any(pair) else []
    return told + ([("note", rows["note"])] if rows["note"] else [])


def _numbers(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def _whole(what: str, rows: dict[str, Any]) -> Any:
    examples, number = rows["examples"][what], rows[what]
    names = list(examples[0]["values"])
    columns: list[show.Column] = [(escape(name), _cell_of(name)) for name in names]
    title = f"{what.title()} rows" + (
        f", the first {len(examples)} of {number:,}" if len(examples) < number else ""
    )
    return show.table(title, examples, [*columns, ("file", lambda row: row["path"])], empty="")


def _cell_of(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: _value(row["values"][name])


def _column(column: dict[str, str]) -> str:
    if "type" in column:
        return f"{column['name']} ({column['type']})"
    return f"{column['name']} ({column['before']} → {column['after']})"


def _change(change: dict[str, Any]) -> str:
    return f"{change['column']}: {_value(change['before'])} → {_value(change['after'])}"


def _value(value: Any) -> str:
    text = "missing" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDE else f"{text[: WIDE - 1]}…"


def _arrow(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else f"{before:.4g} → {after:.4g}"
