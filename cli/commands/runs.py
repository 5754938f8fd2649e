"""`tidemill runs`: training runs and their trials."""

from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import experiment, reading, show
from cli.commands import compare_runs, start_run, steer_run, waiting
from cli.commands.steer_run import RunId
from cli.deployment import Deployment
from cli.following import Pace
from cli.options import STAGE, Json, Limit, ProjectName, Stage

app = typer.Typer(no_args_is_help=True, help="Training runs: what was tried, what came of it, and why.")

start_run.register(app)
steer_run.register(app)
compare_runs.register(app)

RUNS: list[show.Column] = [
    ("run", lambda row: row["run_id"]),
    ("state", lambda row: row["state"]),
    ("data", lambda row: f"v{row['dataset_version']}"),
    ("trials", lambda row: row.get("trials")),
    ("metrics", lambda row: show.main_metrics(row.get("metrics"))),
    ("trigger", lambda row: row.get("trigger")),
    ("at (UTC)", lambda row: show.when(row["at"])),
]
GATES: list[show.Column] = [
    ("gate", lambda gate: gate["gate"]),
    ("verdict", lambda gate: gate.get("verdict")),
    ("value", lambda gate: gate.get("value")),
    ("surely", lambda gate: gate.get("lower")),
    ("threshold", lambda gate: gate.get("threshold")),
    ("reason", lambda gate: gate.get("reason")),
]


@app.command(name="list", epilog="Example:  tidemill runs list flights -n 5")
def list_runs(project: ProjectName, limit: Limit = 20, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Training runs, the newest first."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    hint = f"no runs yet; a new dataset version starts one: `tidemill data push {project} FILE`"
    show.emit(
        reading.runs(deployment.index, project, limit=limit),
        as_json=as_json,
        people=lambda rows: show.table(f"Runs of {project}", rows, RUNS, empty=hint),
    )


@app.command(name="show", epilog="Example:  tidemill runs show flights flights-v00002 --json")
def show_run(project: ProjectName, run: RunId = None, stage: Stage = STAGE, as_json: Json = False) -> None:
    """One run: its trials, its evaluation on the held-out rows, each gate's verdict, how long it took, what it
    cost at list prices, and what it was made with."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = experiment.of(
        deployment.index, deployment.objects, project, run or steer_run.latest(deployment, project)
    )
    show.emit(facts, as_json=as_json, people=as_tables)


@app.command(epilog="Example:  tidemill runs follow flights")
def follow(
    project: ProjectName,
    run: RunId = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Give up after so many minutes.")] = 60,
    stage: Stage = STAGE,
) -> None:
    """Watch a run: what runs, each trial as it ends, the best so far, and how the run ends. Exit code 1 unless it
    passes."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    run_id = run or steer_run.latest(deployment, project)
    view = waiting.follow_run(deployment, project, run_id, Pace(at_most=minutes * 60), show.note())
    raise typer.Exit(0 if view.row and view.row["state"] == "passed" else 1)


def as_tables(facts: dict[str, Any]) -> Group:
    """A run for people: its facts, trials, gates, and what it was made with."""
    evaluation = facts["evaluation"] or {}
    pairs = [(heading, value(facts)) for heading, value in RUNS]
    if computed := experiment.where(facts["compute"]):
        pairs.append(("compute", computed))
    pairs += [("duration", experiment.duration(facts["seconds"])), ("cost", experiment.price(facts["cost"]))]
    pairs += [("reason", facts.get("reason")), ("error", facts.get("error")), ("release", facts.get("release_id"))]
    parts: list[Any] = [
        show.facts(f"Run {facts['run_id']}", pairs),
        show.table("Trials", facts["trials_done"], waiting.TRIALS, empty="no trial has ended yet"),
    ]
    if evaluation:
        parts.append(show.table("Gates", evaluation["gates"], GATES, empty="no gates"))
    if "confusion" in evaluation:
        parts.append(_confusion(evaluation["confusion"]))
    if facts["made_with"]:
        made = [(name, experiment.short(value)) for name, value in facts["made_with"].items()]
        parts.append(show.facts("Made with", made))
    return Group(*parts)


def _confusion(found: dict[str, Any]) -> Any:
    """How many of the held-out rows of each class were taken for which."""
    rows = [{"name": name, "counts": counts} for name, counts in zip(found["classes"], found["rows"], strict=True)]
    columns: list[show.Column] = [("it was", lambda row: row["name"])]
    columns += [(f"taken for {name}", partial(_count, place)) for place, name in enumerate(found["classes"])]
    return show.table("Which class is taken for which", rows, columns, empty="no rows")


def _count(place: int, row: dict[str, Any]) -> int:
    return int(row["counts"][place])
