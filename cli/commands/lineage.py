"""`tidemill data lineage`, `tidemill models lineage`: where a version or a model comes from, what came of it."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from cli import show
from cli.deployment import Deployment
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill import canonical
from tidemill.data import lineage, lineage_events, versions
from tidemill.errors import RecordNotFound

ANCESTORS = 10  # shown; --json has all
FILES = 40


def register(data: typer.Typer, models: typer.Typer) -> None:
    """Add the commands to the groups that they belong to."""
    data.command(
        name="lineage",
        epilog="Examples:  tidemill data lineage flights   ·   tidemill data lineage flights 2 --json   ·   "
        "tidemill data lineage flights --openlineage > events.jsonl",
    )(of_version)
    models.command(name="lineage", epilog="Example:  tidemill models lineage flights 2")(of_model)


def of_version(
    project: ProjectName,
    version: Annotated[
        int | None, typer.Argument(min=1, metavar="[VERSION]", help="A version's number; default: the newest.")
    ] = None,
    stage: Stage = STAGE,
    events: Annotated[
        bool,
        typer.Option(
            "--openlineage",
            help="Print OpenLineage events instead, one JSON object a line, for Marquez, DataHub and their like: "
            "of the whole project, or of VERSION.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """The files of a dataset version and the uploads behind them, its ancestors, and what was made of it."""
    deployment = _deployment(stage, project)
    if events:
        _print_events(deployment, project, version)
        return
    number = version or versions.head(deployment.index, project)
    if not number:
        raise RecordNotFound(
            f"project {project!r} has no dataset version yet; upload a file: `tidemill data push`"
        )
    facts = lineage.of_version(project, number, objects=deployment.objects, index=deployment.index)
    show.emit(facts, as_json=as_json, people=_version)


def of_model(
    project: ProjectName,
    model: Annotated[int, typer.Argument(min=1, help="The model version's number.")],
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """The run that made a model, the dataset version that it learned from, and the uploads behind that."""
    deployment = _deployment(stage, project)
    facts = lineage.of_model(project, model, objects=deployment.objects, index=deployment.index)
    show.emit(facts, as_json=as_json, people=_model)


def _print_events(deployment: Deployment, project: str, version: int | None) -> None:
    ports = deployment.objects, deployment.index
    store = f"s3://{deployment.bucket}"
    for event in lineage_events.of_project(
        project, objects=ports[0], index=ports[1], store=store, version=version
    ):
        show.out().print(canonical.dumps(event).decode(), markup=False)


def _deployment(stage: str, project: str) -> Deployment:
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    return deployment


def _version(facts: dict[str, Any]) -> Tree:
    tree = Tree(_dataset(facts))
    _add_files(tree.add("[dim]files[/dim]"), facts["files"])
    if facts["ancestors"]:
        before = tree.add("[dim]made after[/dim]")
        for row in facts["ancestors"][:ANCESTORS]:
            before.add(_dataset(row))
        _more(before, len(facts["ancestors"]) - ANCESTORS, "version")
    after = tree.add("[dim]learned from it[/dim]")
    for run in facts["runs"]:
        branch = after.add(_run(run))
        for model in facts["models"]:
            if model["run_id"] == run["run_id"]:
                _add_releases(branch.add(_of_model(model)), facts["releases"], model["version"])
    if not facts["runs"]:
        after.add("[dim]nothing yet[/dim]")
    return tree


def _model(facts: dict[str, Any]) -> Tree:
    tree = Tree(_of_model(facts["model"]))
    dataset = tree.add(_run(facts["run"])).add(_dataset(facts["dataset"]))
    _add_files(dataset, facts["files"])
    _add_releases(tree, facts["releases"], facts["model"]["version"])
    return tree


def _add_files(branch: Tree, files: list[dict[str, Any]]) -> None:
    for file in files[:FILES]:
        left_out = f", {file['rows_left_out']:,} left out" if file["rows_left_out"] else ""
        leaf = branch.add(
            f"{escape(file['path'])}  [dim]{file['rows']:,} rows{left_out}, {file['sha256'][:12]}[/dim]"
        )
        upload = file["upload"]
        if upload:
            who = f" by {escape(upload['author'])}" if upload.get("author") else ""
            why = f": {escape(upload['reason_given'])}" if upload.get("reason_given") else ""
            leaf.add(
                f"[dim]upload[/dim] {upload['upload_id']}{who}, {show.when(upload['at'])}{why}  "
                f"[dim]{escape(upload['key'])} (version {escape(upload['version_id'])})[/dim]"
            )
    _more(branch, len(files) - FILES, "file")


def _more(branch: Tree, count: int, what: str) -> None:
    if count > 0:
        branch.add(f"[dim]and {count} more {what}s; see --json[/dim]")


def _add_releases(branch: Tree, releases: list[dict[str, Any]], model: int) -> None:
    for release in releases:
        if release["model"] == model:
            branch.add(f"release {escape(release['release_id'])}  {show.cell(release['state'])}")


def _dataset(row: dict[str, Any]) -> str:
    why = f"  {escape(row['reason'])} ({escape(row['author'])})" if row.get("reason") else ""
    gone = "  [red]rows erased[/red]" if row.get("erased") else ""
    return f"[bold]dataset v{row['version']}[/bold]  {row['rows']:,} rows, {show.when(row['at'])}{why}{gone}"


def _run(run: dict[str, Any]) -> str:
    return f"run {escape(run['run_id'])}  {show.cell(run.get('state'))}  {show.when(run.get('at'))}"


def _of_model(model: dict[str, Any]) -> str:
    return f"[bold]model v{model['version']}[/bold]  {show.cell(model['state'])}  {show.when(model['at'])}"
