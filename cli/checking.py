"""Drift checks on request: start the monitoring machine, wait for it, fetch its report."""

import json
import uuid
from pathlib import Path
from typing import Any

from cli import following
from cli.deployment import Deployment
from cli.errors import NotFound, Refused
from cli.following import Pace
from tidemill import names
from tidemill.ports import ObjectStore

RUNNING = "RUNNING"


def check_now(deployment: Deployment, project: str, pace: Pace) -> dict[str, Any]:
    """Start a check and wait for its end: the window's outcome, and whether it drifted. Raises Refused."""
    name = f"{project}-manual-{uuid.uuid4().hex[:12]}"
    deployment.workflows.start("monitoring", name=name, payload={"project": project, "trigger": "manual"})
    views = following.until(
        lambda: (deployment.execution("monitoring", name) or {}).get("status"),
        lambda status: status not in (None, RUNNING),
        f"drift check {name} to end",
        pace,
    )
    status = following.last(views)
    execution = deployment.execution("monitoring", name) or {}
    if status != "SUCCEEDED":
        why = execution.get("cause") or execution.get("error") or "see its history in the console"
        raise Refused(f"drift check {name} ended as {status}: {why}")
    return dict(json.loads(execution.get("output") or "{}"))


def line(facts: dict[str, Any]) -> str:
    """What a check found, in one sentence."""
    if facts.get("outcome") == "too_small":
        return f"not checked: {facts.get('rows', 0)} new predictions are fewer than the project's drift.min_rows"
    if facts.get("outcome") == "no_model":
        return "not checked: no model is live, so there is nothing to compare with"
    features = ", ".join(facts.get("features") or [])
    return f"window {facts.get('window_id')}: " + (f"drifted ({features})" if facts.get("drifted") else "no drift")


def download_report(objects: ObjectStore, project: str, window_id: str, target: Path) -> Path:
    """Fetch a window's HTML report. Raises NotFound when there is none."""
    key = names.window(project, window_id) + "report.html"
    if not objects.exists(key):
        raise NotFound(f"window {window_id} has no report at {key}; run `tidemill monitor run {project}` again")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(objects.get(key))
    return target
