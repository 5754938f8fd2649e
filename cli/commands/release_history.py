"""`tidemill release history`: every move of the pointer, and who answered which share from then on."""

from typing import Any

import typer

from cli import show
from cli.deployment import Deployment
from cli.options import STAGE, Json, Limit, ProjectName, Stage
from tidemill.release import history

COLUMNS: list[show.Column] = [
    ("epoch", lambda move: move["epoch"]),
    ("at (UTC)", lambda move: show.minute(move["at"])),
    ("what", lambda move: move["action"]),
    ("release", lambda move: move["release_id"]),
    ("champion", lambda move: _side(move["champion"], 1 - _share(move))),
    ("challenger", lambda move: _side(move["challenger"], _share(move))),
    ("by", lambda move: move["by"]),
    ("reason", lambda move: move["reason"]),
]


def register(app: typer.Typer) -> None:
    """Add the command to `tidemill release`."""
    app.command(
        "history",
        epilog="Examples:  tidemill release history flights   ·   "
        "tidemill release history flights --json | jq '.[-1].champion.model'",
    )(listed)


def listed(project: ProjectName, limit: Limit = 20, stage: Stage = STAGE, as_json: Json = False) -> None:
    """Who answered which share of the requests since when, by whose word, the newest move last."""
    deployment = Deployment.of(stage)
    deployment.require_project(project)
    found = history.moves(deployment.index, project)[-limit:]
    show.emit(
        found,
        as_json=as_json,
        people=lambda moves: show.table(f"Moves of {project}", moves, COLUMNS, empty="nothing was released yet"),
    )


def _share(move: dict[str, Any]) -> float:
    return float(move["weight"]) if move["challenger"] else 0.0


def _side(side: dict[str, Any] | None, share: float) -> str | None:
    return f"model {side['model']}, {share:.0%}" if side else None
