"""`tidemill train`: a training run on this machine, with the project's recipe, in the form of any other run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import connection, experiment, show
from cli.commands import runs
from cli.errors import Usage
from cli.options import Json, ProjectName
from cli.project_file import read_project
from infra.source import source
from tidemill.adapters.directory import DirectoryObjects
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.data import local_store
from tidemill.data.local_store import Store
from tidemill.projects import Project


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill`."""
    app.command(
        epilog="Examples:  tidemill train flights --local data/flights   ·   "
        "tidemill data pull flights@3 -o flights && tidemill train flights --local flights"
    )(train)


def train(
    project: ProjectName,
    data: Annotated[
        Path,
        typer.Option(
            "--local", metavar="FOLDER", exists=True, file_okay=False, help="The files of a dataset version."
        ),
    ],
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Go on with this run; default: a new one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Another seed than the project's.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Other trials than the project's.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Where runs are kept; default: .tidemill/train.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train on this machine, without a deployment: the same recipe, search, evaluation and gates, one trial after
    the other. The run's files have the form of any run: plan, trials, study, evaluation, model.

    FOLDER holds the files of one dataset version, as `tidemill data pull` writes them. Stopped at any point, it
    goes on with --run. Nothing is released; champion and release belong to a stage.
    """
    wanted = read_project(project)
    if trials is not None:
        wanted = wanted.model_copy(update={"search": wanted.search.model_copy(update={"trials": trials})})
    facts = _trained(wanted, data, out or connection.state_directory() / "train", run, seed)
    show.emit(facts, as_json=as_json, people=runs.as_tables)
    show.note().print(f"its files: {escape(facts['folder'])}", soft_wrap=True)
    raise typer.Exit(0 if facts["state"] == "passed" else 1)


def _trained(project: Project, data: Path, folder: Path, run: str | None, seed: int | None) -> dict[str, Any]:
    """What is known of the run, and its `folder`."""
    # Not at the top: scikit-learn takes a second to import, which every other command would wait for.
    from tidemill.training.plan import Options
    from tidemill.training.run_here import Here, run_here

    objects, index = DirectoryObjects(folder), SqliteIndex(folder / "index.sqlite")
    say = show.note()
    with say.status("the files become a version"):
        store = Store(project.name, objects, index, folder / "cache")
        version, _ = local_store.commit(data, store, clock=_now)
    run_id = _run_id(project.name, version, run)
    with say.status("the rows are prepared") as status:
        here = Here(
            objects, index, _now, source(), lambda state, answer: _tell(say, status, project, state, answer)
        )
        options = Options() if seed is None else Options(seed=seed)
        run_here(project=project, dataset_version=version, run_id=run_id, options=options, here=here)
    facts = experiment.of(index, objects, project.name, run_id)
    # Nobody is billed for this machine.
    return {**facts, "cost": None, "folder": str(folder / "runs" / project.name / run_id)}


def _run_id(project: str, version: int, run: str | None) -> str:
    of_version = f"{project}-v{version:05d}"
    if run is not None and not run.startswith(of_version):
        raise Usage(f"run {run!r} is not of these files, which are version {version}; leave out --run")
    return run or f"{of_version}-local-{_now():%Y%m%d%H%M%S}"


def _tell(say: Any, status: Any, project: Project, state: str, answer: dict[str, Any]) -> None:
    trials = project.search.trials
    if state == "RunTrial":
        value = "" if answer["value"] is None else f"  {answer['value']:.5g}"
        say.print(f"trial {answer['trial']}  {answer['state']}{value}")
    after = {
        "PlanTrials": f"trial 0 of {trials}",
        "SelectBest": "the best point is fitted on all rows but the holdout",
        "FitFinal": "the model is judged on the holdout",
    }
    if state == "RunTrial":
        status.update(f"trial {answer['trial'] + 1} of {trials}")
    elif state in after:
        status.update(after[state])


def _now() -> datetime:
    return datetime.now(UTC)
