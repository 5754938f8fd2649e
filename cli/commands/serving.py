"""`tidemill predict` and `tidemill outcomes`: the HTTP API from the command line."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.following import Pace
from cli.instances import read_instances
from cli.options import STAGE, Json, ProjectName, Stage, Token
from cli.outcomes import is_large, uploaded
from cli.progress import bytes_of
from cli.project_file import read_project
from tidemill.serving.accept_outcomes import MAX_OUTCOMES

ANSWERS: list[show.Column] = [
    ("prediction id", lambda row: row["prediction_id"]),
    ("prediction", lambda row: row["prediction"]),
    ("probability", lambda row: row.get("probability", most_probable(row.get("probabilities", {})))),
]
SHOWN = 3
"""Of many classes, the most probable ones."""


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(
        epilog="Examples:  tidemill predict flights may.csv --limit 5   ·   "
        "echo '{\"carat\": 0.7, …}' | tidemill predict diamonds -"
    )(predict)
    app.command(
        epilog="Examples:  tidemill outcomes flights may.csv   ·   tidemill outcomes flights june.jsonl.gz   ·   "
        'echo \'[{"prediction_id": "8f5a….0", "outcome": 1}]\' | tidemill outcomes flights -'
    )(outcomes)


def predict(
    project: ProjectName,
    source: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A CSV or JSON file of instances; - reads JSON.")
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Send the first so many instances only.")] = None,
    entity: Annotated[str | None, typer.Option(help="The entity the request is about.")] = None,
    token: Token = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Ask the live model. A CSV may hold more columns than the features; the others are not sent."""
    deployment = Deployment.of(stage, token)
    deployment.require_project(project)
    instances = read_instances(_text(source), read_project(project), as_table=source.lower().endswith(".csv"))
    answer = deployment.api.predict(project, instances[:limit], entity)
    title = f"Model version {answer['model_version']} (variant {answer['variant']})"
    show.emit(
        answer,
        as_json=as_json,
        people=lambda facts: show.table(title, facts["predictions"], ANSWERS, empty="no instances"),
    )


def most_probable(probabilities: dict[str, float]) -> str | None:
    """Classes with their probabilities, the likeliest first; None if there are none."""
    ranked = sorted(probabilities.items(), key=lambda each: -each[1])[:SHOWN]
    return "  ".join(f"{name} {chance:.3f}" for name, chance in ranked) or None


def outcomes(
    project: ProjectName,
    source: Annotated[
        str, typer.Argument(metavar="FILE|-", help="A .csv, .json, .jsonl or .gz file; - reads JSON.")
    ],
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for a large file at most; it is taken all the same.")
    ] = 3600,
    token: Token = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Hand in what really happened: a number, or the name of the class.

    Each outcome has the id of its prediction (prediction_id, outcome), or says to whom it happened and when
    (entity_id, at, outcome) and belongs to the latest prediction for that entity by then; a reward may stand
    beside. Outcomes may come late, again and corrected: the one received last counts. Up to 5,000 go through the
    API, all or none. Larger files, .jsonl and .gz are uploaded: what is no outcome is kept apart, with its reason.
    """
    deployment = Deployment.of(stage, token)
    deployment.require_project(project)
    if source != "-" and is_large(path := Path(source)):
        with bytes_of("uploading", path.stat().st_size, quiet=as_json) as progress:
            answer = uploaded(deployment, project, path, Pace(at_most=timeout), progress)
    elif source.lower().endswith(".csv"):
        answer = deployment.api.send_outcome_table(project, Path(source).read_bytes())
    else:
        answer = deployment.api.send_outcomes(project, _outcomes(_json(_text(source))))
    show.emit(answer, as_json=as_json, people=_handed_in)


def _handed_in(facts: dict[str, Any]) -> list[str]:
    lines = [f"{facts['accepted']:,} outcomes accepted"]
    if facts.get("refused"):
        lines.append(f"[yellow]{facts['refused']:,} lines are no outcomes[/yellow], see {escape(facts['where'])}")
    return lines


def _text(source: str) -> str:
    if source == "-":
        return sys.stdin.read()
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{source} cannot be read: {error}") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Usage(f"the input is not JSON: {error}") from error


def _outcomes(rows: Any) -> list[Any]:
    """The outcomes in a JSON value; whether they are some, the API says."""
    rows = rows.get("outcomes", [rows]) if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        raise Usage('the input must be a list of outcomes, {"outcomes": […]}, or one outcome')
    if len(rows) > MAX_OUTCOMES:
        raise Usage(f"{len(rows):,} outcomes are too many for one request; put them into a .jsonl or .csv file")
    return rows
