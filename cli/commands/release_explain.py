"""`tidemill release explain`: a release's verdicts made again from its record, as a table, JSON or a page."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from cli import reading, show
from cli.deployment import Deployment
from cli.errors import Refused
from cli.options import STAGE, Json, ProjectName, Stage
from tidemill import names

Facts = dict[str, Any]
LOOKS: list[show.Column] = [
    ("look", lambda look: look["look"]),
    ("at (UTC)", lambda look: show.minute(look["at"])),
    ("weight", lambda look: show.share(look["weight"], look.get("plan"))),
    ("challenger", lambda look: _arm(look, "challenger")),
    ("champion", lambda look: _arm(look, "champion")),
    ("difference", lambda look: _bounds(look["difference"])),
    ("p of ratio", lambda look: look["sample_ratio"]["p"]),
    ("verdict", lambda look: look["verdict"]),
    ("made again", lambda look: "same" if look["same"] else f"{look['again']['verdict']}: {_odd(look)}"),
]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill release`."""
    app.command(
        epilog="Examples:  tidemill release explain flights   ·   "
        "tidemill release explain flights flights-v00002 --html release.html"
    )(explain)


def explain(
    project: ProjectName,
    release: Annotated[str | None, typer.Argument(help="A release's id; default: the latest.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with the interval over time.")
    ] = None,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Why a release was decided as it was: every verdict, made again from the record alone.

    Each look recorded how many units both arms had, their mean losses and variances, and what was requested and
    answered. From these and the rules that the release began with, the interval and the verdict are computed again
    and compared with what was recorded. Exits with 1 if a verdict is not the same.
    """
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    from cli.explain_page import holds

    facts = explained(deployment, project, release)
    show.emit(facts, as_json=as_json, people=_tables)
    if html is not None:
        _write(html, facts)
    if not holds(facts):
        raise Refused(f"the record of release {facts['release_id']} does not hold; see the looks above")


def explained(deployment: Deployment, project: str, release_id: str | None) -> Facts:
    """What `tidemill.release.explain` makes of a release's record. Raises NotFound."""
    # Not at the top: what computes and draws is needed by this command alone.
    from tidemill.release.explain import explain as make_again

    found = reading.release(deployment.index, deployment.objects, project, release_id)
    folder = names.release(project, found["release"]["release_id"])
    plan = reading.document(deployment.objects, folder + "plan.json")
    if plan is None:
        raise Refused(f"{folder}plan.json is not there: without the rules no verdict can be made again")
    return make_again(plan, found["looks"], found["decision"])


def _write(file: Path, facts: Facts) -> None:
    from cli.explain_page import page

    show.write_page(file, page(facts))


def _tables(facts: Facts) -> Group:
    from cli.explain_page import goal, verified

    pairs = [
        ("release", facts["release_id"]),
        ("model", facts["model"]),
        ("compares", f"{facts['metric']} per {facts['unit']}"),
        ("adjusted by", facts["covariate"]),
        ("goal", f"{goal(facts)}, alpha {facts['alpha']}"),
        ("record", verified(facts)),
    ]
    heading = "Looks: mean loss (units/all requests since the step began)"
    return Group(show.facts("Release", pairs), show.table(heading, facts["looks"], LOOKS, empty="no look yet"))


def _arm(look: Facts, side: str) -> str:
    arm = look["arms"][side]
    return f"{arm['sample']['mean']:.4f} ({arm['sample']['units']}/{arm['requests']})"


def _bounds(found: dict[str, float] | None) -> str | None:
    if not found:
        return None
    return f"{found['difference']:+.4f} [{found['lower']:+.4f}, {found['upper']:+.4f}]"


def _odd(look: Facts) -> str:
    return ", ".join(look["differs"])
