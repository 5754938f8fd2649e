"""`tidemill demo`: the story on real data, from an empty cloud to a drift report."""

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cli import deploying, overview, show
from cli.connection import LOCAL, local_cloud, state_directory
from cli.deployment import Deployment
from cli.options import STAGE, Json, Stage
from local.cloud import Cloud


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command(
        epilog="Examples:  tidemill demo   ·   tidemill demo --keep   ·   tidemill demo --stage dev --json"
    )(demo)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Play on the cloud as it is; it must hold no flights or diamonds yet.")
    ] = False,
    stage: Stage = STAGE,
    as_json: Json = False,
) -> None:
    """Play the story: two data sets, three models, an experiment, a storm. Ends with exit code 1, naming the
    step, if anything in it did not really happen.

    On stage local it starts from an empty embedded cloud, so that it can be played again and again; what the
    cloud held is moved aside to .tidemill/local.previous. On AWS (or with --keep) it plays on what is deployed.
    """
    # Only the story needs pandas; no other command should wait for its import.
    from cli.story.play import play, require_empty
    from cli.story.scene import Scene
    from cli.story.summary import summary

    begun = time.monotonic()
    console = show.note()
    facts: dict[str, Any] = {}
    if stage == LOCAL:
        facts["set_up"] = _set_up(console, keep=keep)
    deployment = Deployment.of(stage)
    home = state_directory() / stage
    scene = Scene(deployment, folder=home / "story", reports=home / "reports", say=lambda _: None)
    require_empty(scene)
    facts |= play(scene, console)
    facts |= overview.of(deployment) | {"seconds_total": round(time.monotonic() - begun, 1)}
    show.emit(facts, as_json=as_json, people=summary)


def _set_up(console: Console, *, keep: bool) -> dict[str, Any]:
    """Start the embedded cloud, empty unless `keep`, and deploy to it. What it took."""
    cloud, begun = local_cloud(), time.monotonic()
    if not keep:
        _put_aside(cloud, console)
    with console.status("starting the embedded cloud") as status:
        facts = deploying.to_embedded_cloud(cloud, lambda text: status.update(escape(text.strip()[:90]) or "…"))
    facts["seconds"]["total"] = round(time.monotonic() - begun, 1)
    console.print(f"[green]✓[/green] embedded cloud deployed [dim]{facts['seconds']['total']:.1f} s[/dim]")
    return {"seconds": facts["seconds"]}


def _put_aside(cloud: Cloud, console: Console) -> Path | None:
    """Stop the cloud and move its state away. One earlier state is kept: it may hold someone's work."""
    cloud.stop()
    if not cloud.state_dir.exists():
        return None
    previous = cloud.state_dir.with_name(cloud.state_dir.name + ".previous")
    shutil.rmtree(previous, ignore_errors=True)
    cloud.state_dir.rename(previous)
    console.print(f"[dim]the embedded cloud's earlier state is now {escape(str(previous))}[/dim]")
    return previous
