"""`tidemill release`: the experiment between champion and challenger, and a person's word on it."""

from typing import Annotated, Any, Literal

import typer
from rich.console import Group
from rich.markup import escape

from cli import reading, show
from cli.commands import release_explain, release_plan
from cli.deployment import Deployment
from cli.errors import NotFound, Refused
from cli.options import STAGE, Json, ProjectName, Stage

app = typer.Typer(no_args_is_help=True, help="Releases: champion against challenger, step by step.")

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept with your name in the audit trail.")]
LOOKS: list[show.Column] = [
    ("look", lambda look: look["look"]),
    ("step", lambda look: look["step"] + 1),
    ("weight", lambda look: show.share(look.get("weight"), look.get("plan"))),
    ("challenger", lambda look: _arm(look, "challenger")),
    ("champion", lambda look: _arm(look, "champion")),
    ("difference of loss", lambda look: interval(look.get("difference"))),
    ("verdict", lambda look: look["verdict"]),
]
SHOWN_LOOKS = 12


@app.command(
    epilog="Examples:  tidemill release status flights   ·   tidemill release status flights flights-v00002 --json"
)
def status(
    project: ProjectName,
    release: Annotated[str | None, typer.Argument(help="A release's id; default: the latest.")] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Champion, challenger, weight, and every look of the experiment with its interval."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    facts = reading.release(deployment.index, deployment.objects, project, release)
    show.emit(facts, as_json=as_json, people=_status)


@app.command(epilog='Example:  tidemill release promote flights --reason "agreed with the risk board"')
def promote(project: ProjectName, reason: Reason, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Give the challenger of the running release all requests now, without waiting for the experiment."""
    _settle(project, "promote", reason, stage, as_json)


@app.command(epilog='Example:  tidemill release rollback flights --reason "complaints from the field"')
def rollback(project: ProjectName, reason: Reason, stage: Stage = STAGE, as_json: Json = False) -> None:
    """End the running release in favour of the champion; without one, take back the latest promotion."""
    _settle(project, "roll_back", reason, stage, as_json)


release_plan.register(app)
release_explain.register(app)


def _settle(
    project: str, verdict: Literal["promote", "roll_back"], reason: str, stage: str, as_json: bool
) -> None:
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    pointer = reading.live(deployment.index, project)
    if pointer["champion"] is None:
        raise NotFound(f"project {project!r} has released nothing yet; there is nothing to settle")
    if verdict == "promote" and pointer["challenger"] is None:
        raise Refused(f"project {project!r} has no challenger to promote; `tidemill release status {project}`")
    request = {"project": project, "verdict": verdict, "reason": reason, "by": deployment.caller()}
    if pointer["challenger"]:
        request["release_id"] = pointer["release_id"]
    answer = deployment.invoke("settle_release", request)
    facts = {**answer, "live": reading.live(deployment.index, project)}
    champion = facts["live"]["champion"]["model"]
    line = f"{project}: {show.cell(answer['state'])}; model {champion} answers all requests"
    show.emit(facts, as_json=as_json, people=lambda _: line)
    if answer["state"] != ("promoted" if verdict == "promote" else "rolled_back"):
        raise Refused(
            f"the release is {answer['state']} already ({answer.get('reason')}): the first decision stands"
        )


def interval(difference: dict[str, float] | None) -> str | None:
    """A difference with its always-valid interval."""
    if not difference:
        return None
    return f"{difference['difference']:+.4f} [{difference['lower']:+.4f}, {difference['upper']:+.4f}]"


def _arm(look: dict[str, Any], arm: str) -> str | None:
    found = (look.get("arms") or {}).get(arm)
    if not found:
        return None
    sample = found["sample"]
    return f"{sample['mean']:.4f} ({sample['units']}/{found['requests']})"


def _side(side: dict[str, Any] | None, share: float) -> str | None:
    return f"model {side['model']} (function version {side['function_version']}), {share:.0%}" if side else None


def _status(facts: dict[str, Any]) -> Group:
    live, release = facts["live"], facts["release"]
    weight = float(live["weight"]) if live["challenger"] else 0.0
    running = live["release_id"] == release["release_id"] and release["state"] == "running"
    pairs = [
        ("champion", _side(live["champion"], 1 - weight)),
        ("challenger", _side(live["challenger"], weight)),
        ("release", release["release_id"]),
        ("state", release["state"]),
        ("reason", release.get("reason")),
        ("by", release.get("by")),
        ("now" if running else "decided (UTC)", show.when(release.get("decided_at")) or "in progress"),
    ]
    looks = facts["looks"][-SHOWN_LOOKS:]
    heading = "Looks: mean loss (requests with outcomes/all requests since the step began)"
    return Group(
        show.facts("Release", pairs),
        show.table(heading, looks, LOOKS, empty="no look yet"),
        *([f"[dim]{escape(str(looks[-1].get('reason', '')))}[/dim]"] if looks else []),
    )
