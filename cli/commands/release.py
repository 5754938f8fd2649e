"""`tidemill release`: the experiment between champion and challenger, and a person's word on it."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape

from cli import reading, show
from cli.commands import release_explain, release_history, release_plan, steer_release
from cli.deployment import Deployment
from cli.options import STAGE, Json, ProjectName, Stage

app = typer.Typer(no_args_is_help=True, help="Releases: champion against challenger, step by step.")

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


steer_release.register(app, within="release")
release_plan.register(app)
release_history.register(app)
release_explain.register(app)


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


def _state(release: dict[str, Any]) -> str:
    if release["state"] == "running" and release.get("paused_at"):
        since = show.minute(release["paused_at"])
        return f"paused since {since} by {release['paused_by']}: {release['paused_reason']}"
    return str(release["state"])


def _status(facts: dict[str, Any]) -> Group:
    live, release = facts["live"], facts["release"]
    weight = float(live["weight"]) if live["challenger"] else 0.0
    running = live["release_id"] == release["release_id"] and release["state"] == "running"
    pairs = [
        ("champion", _side(live["champion"], 1 - weight)),
        ("challenger", _side(live["challenger"], weight)),
        ("release", release["release_id"]),
        ("state", _state(release)),
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
