"""`tidemill predict` and `tidemill outcomes`: the HTTP API from the command line."""

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import show
from cli.deployment import Deployment
from cli.errors import Usage
from cli.instances import read_instances, read_table
from cli.options import STAGE, Json, ProjectName, Stage, Token
from cli.project_file import read_project

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
    app.command(epilog="Example:  tidemill outcomes flights what-happened.csv")(outcomes)


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
        str, typer.Argument(metavar="FILE|-", help="CSV or JSON: prediction_id, outcome, and reward where known.")
    ],
    token: Token = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Hand in what really happened, each with the id of the prediction it belongs to: a number, or the name of the
    class."""
    deployment = Deployment.of(stage, token)
    deployment.require_project(project)
    text = _text(source)
    found = _outcomes(read_table(text) if source.lower().endswith(".csv") else _json(text))
    # A table has text alone; whether it stands for numbers, the deployed project says.
    textual = any(isinstance(each["outcome"], str) for each in found)
    if not (textual and deployment.api.project(project).get("classes")):
        found = [_numeric(each) for each in found]
    answer = deployment.api.send_outcomes(project, found)
    show.emit(answer, as_json=as_json, people=lambda facts: f"{facts['accepted']} outcomes accepted")


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


def _outcomes(rows: Any) -> list[dict[str, Any]]:
    rows = rows.get("outcomes", rows) if isinstance(rows, dict) else rows
    try:
        return [
            {"prediction_id": str(row["prediction_id"]), "outcome": row["outcome"], **_reward(row)} for row in rows
        ]
    except (KeyError, TypeError, csv.Error) as error:
        raise Usage(f"each outcome needs a prediction_id and an outcome ({error})") from error


def _reward(row: dict[str, Any]) -> dict[str, float]:
    """What the answer was worth, where the row says it."""
    if row.get("reward") in (None, ""):
        return {}
    try:
        return {"reward": float(row["reward"])}
    except (TypeError, ValueError) as error:
        raise Usage(f"a reward must be a number, not {row['reward']!r}") from error


def _numeric(row: dict[str, Any]) -> dict[str, Any]:
    try:
        return {**row, "outcome": float(row["outcome"])}
    except (TypeError, ValueError) as error:
        raise Usage(f"each outcome needs a prediction_id and a number as outcome ({error})") from error
