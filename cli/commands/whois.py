"""`tidemill whois`: which model gave an answer, trained on what, approved by whom, beside whom."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import show
from cli.deployment import Deployment
from cli.errors import NotFound, Usage
from cli.options import STAGE, Json, Stage
from tidemill.release import whois as searching


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(
        epilog="Examples:  tidemill whois 8f5a2c….0   ·   "
        "tidemill whois 8f5a2c….0 --project flights --day 2026-05-04"
    )(whois)


def whois(
    prediction_id: Annotated[str, typer.Argument(help="As it came with the answer: <request id>.<row>.")],
    project: Annotated[str | None, typer.Option(help="Search this project only; default: all.")] = None,
    day: Annotated[str | None, typer.Option(help="The day of the request (UTC), YYYY-MM-DD.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How many days back from there to search.")] = 90,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Who gave this answer: model, data, run, approver, and who else answered at that moment.

    An id holds no time, so captured requests are read day by day, the latest first; --day and --project make it
    quick. A prediction that was not captured (serving.capture.share), or whose capture has expired, is not found.
    """
    deployment = Deployment.of(stage)
    if project is not None:
        deployment.require_project(project)
    last = _day(day)
    for name in [project] if project else deployment.projects():
        found = searching.captured(deployment.objects, name, prediction_id, last=last, days=days)
        if found is not None:
            facts = _facts(deployment, name, prediction_id, *found)
            show.emit(facts, as_json=as_json, people=_shown)
            return
    raise NotFound(
        f"no captured request of {project or 'any project'} has {prediction_id!r} in the {days} days up to {last};"
        " give another --day, or more --days"
    )


def _facts(
    deployment: Deployment, project: str, prediction_id: str, key: str, line: dict[str, Any]
) -> dict[str, Any]:
    answer = next(item for item in line["instances"] if item.get("prediction_id") == prediction_id)
    told = ("at", "request_id", "entity_id", "variant")
    return {
        "project": project,
        "prediction_id": prediction_id,
        **{name: line.get(name) for name in told},
        "answer": answer,
        "captured": key,
        **searching.origin(deployment.index, project, line),
    }


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Usage(f"--day {text!r} is no date; write it as 2026-05-04") from error


def _shown(facts: dict[str, Any]) -> Group:
    model, release, then = facts["model"], facts["release"], facts["then"]
    answer = {name: value for name, value in facts["answer"].items() if name not in ("features", "prediction_id")}
    pairs = [
        ("project", facts["project"]),
        ("asked at (UTC)", facts["at"]),
        ("about", facts["entity_id"]),
        ("answer", ", ".join(f"{name} {value}" for name, value in answer.items())),
        ("model", f"version {model['version']} ({model['identity'][:12]}), function version {facts['variant']}"),
        ("trained by run", model["run_id"]),
        ("on dataset version", model["dataset_version"]),
        ("release", f"{release['release_id']}, now {release['state'] or 'unknown'}"),
        ("approved by", release["approved_by"] or "nobody was asked"),
        ("captured in", facts["captured"]),
    ]
    return Group(
        show.facts(facts["prediction_id"], pairs), show.facts("At that moment", _moment(facts["role"], then))
    )


def _moment(role: str | None, then: dict[str, Any] | None) -> list[tuple[str, Any]]:
    if then is None:
        return [("who answered which share", "not known: it is older than the moves that are kept")]
    share = float(then["weight"]) if then["challenger"] else 0.0
    sides = [(name, then[name], part) for name, part in (("champion", 1 - share), ("challenger", share))]
    return [
        ("answered as", role),
        *((name, f"model {side['model']}, {part:.0%}" if side else None) for name, side, part in sides),
        ("since", f"{then['at']} ({then['action']} by {then['by']})"),
    ]
