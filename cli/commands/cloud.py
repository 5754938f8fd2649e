"""`tidemill up down status deploy synth`: the embedded cloud, and what is deployed where."""

import shutil
from typing import Annotated, Any

import typer
from rich.markup import escape

from cli import deploying, overview, show
from cli.connection import LOCAL, local_cloud
from cli.deployment import Deployment
from cli.errors import Refused, Usage
from cli.options import STAGE, Json, Stage

LINE_WIDTH = 100


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(epilog="Example:  TIDEMILL_PORT=4577 tidemill up")(up)
    app.command(epilog="Example:  tidemill down --wipe")(down)
    app.command(epilog="Examples:  tidemill status   ·   tidemill status --stage dev --json")(status)
    app.command(epilog="Examples:  tidemill deploy --stage dev   ·   tidemill deploy --stage prod --yes")(deploy)
    app.command(epilog="Example:  tidemill synth --stage prod")(synth)


def up(as_json: Json = False) -> None:
    """Start the embedded cloud and deploy Tidemill to it, with IAM enforced. State is found again after `down`."""
    cloud = local_cloud()
    with show.note().status("starting the embedded cloud") as line:
        facts = deploying.to_embedded_cloud(cloud, lambda text: line.update(_short(text)))
    facts |= overview.of(Deployment.of(LOCAL))
    show.emit(facts, as_json=as_json, people=overview.panel)


def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove everything the cloud holds.")] = False,
    as_json: Json = False,
) -> None:
    """Stop the embedded cloud. Its state stays, and `up` finds it again."""
    cloud = local_cloud()
    stopped = cloud.stop()
    if wipe and cloud.state_dir.exists():
        shutil.rmtree(cloud.state_dir)
    facts = {"stopped": stopped, "wiped": wipe, "state": str(cloud.state_dir)}
    line = "the embedded cloud is stopped" if stopped else "the embedded cloud did not run"
    show.emit(facts, as_json=as_json, people=lambda _: line + (", its state removed" if wipe else ""))


def status(stage: Stage = STAGE, as_json: Json = False) -> None:
    """Whether the cloud runs, the URLs, the projects and the models that are live."""
    if stage == LOCAL and not (cloud := local_cloud()).status().running:
        facts: dict[str, Any] = {"stage": stage, "running": False, "endpoint": cloud.endpoint, "projects": []}
        show.emit(
            facts, as_json=as_json, people=lambda _: "the embedded cloud does not run; start it with `tidemill up`"
        )
        return
    show.emit(overview.of(Deployment.of(stage)), as_json=as_json, people=overview.panel)


def deploy(
    stage: Stage = STAGE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before IAM changes.")] = False,
    alarm_email: Annotated[str | None, typer.Option(help="Who hears of alarms (AWS stages).")] = None,
) -> None:
    """Deploy the CDK app to a stage. Models that serve go on serving: a deployment moves no traffic."""
    if stage == LOCAL:
        if alarm_email:
            raise Usage("the embedded cloud sends no mail; --alarm-email is for stages on AWS")
        up()
        return
    arguments = ["--require-approval", "never"] if yes else []
    arguments += ["-c", f"alarm_email={alarm_email}"] if alarm_email else []
    deploying.to_account(stage, arguments)
    found = overview.of(Deployment.of(stage))
    if not found["projects"]:
        raise Refused(f"stage {stage!r} is deployed, but no project is; add one as projects/<name>.yaml")
    show.emit(found, as_json=False, people=overview.panel)


def synth(stage: Stage = STAGE) -> None:
    """Write the CloudFormation templates of a stage with every guard: layer sizes, idle cost, cdk-nag."""
    show.out().print(f"templates: {escape(str(deploying.synthesize(stage)))}")


def _short(text: str) -> str:
    return escape(text.strip()[:LINE_WIDTH]) or "…"
