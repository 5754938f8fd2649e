"""What a stage has: URLs, projects, live models. Shown by `up`, `status` and at the end of the story."""

from typing import Any

from rich.console import Group

from cli import reading, show
from cli.connection import LOCAL, local_cloud
from cli.deployment import Deployment
from tidemill import names

PROJECTS: list[show.Column] = [
    ("project", lambda row: row["project"]),
    ("data", lambda row: f"v{row['dataset_version']}" if row["dataset_version"] else None),
    ("champion", lambda row: f"model {row['champion']}" if row["champion"] else None),
    ("challenger", lambda row: f"model {row['challenger']} at {row['weight']:.0%}" if row["challenger"] else None),
    ("last run", lambda row: row["run"]),
    ("state", lambda row: row["run_state"]),
    ("endpoint", lambda row: row["function"]),
]


def of(deployment: Deployment) -> dict[str, Any]:
    """The stage as it is now. `iam` says whether the embedded cloud enforces IAM; None on AWS, which always
    does."""
    cloud = local_cloud().status() if deployment.stage == LOCAL else None
    return {
        "stage": deployment.stage,
        "running": True,
        "endpoint": cloud.endpoint if cloud else None,
        "iam": cloud.iam if cloud else None,
        "api_url": deployment.parameter("api-url"),
        "data_bucket": deployment.bucket,
        "projects": [project(deployment, name) for name in deployment.projects()],
    }


def project(deployment: Deployment, name: str) -> dict[str, Any]:
    """One project: its newest data, what is live, its latest run."""
    live = reading.live(deployment.index, name)
    version = reading.rows(deployment.index, name, names.DATASETS, newest_first=True, limit=1)
    run = reading.runs(deployment.index, name, limit=1)
    return {
        "project": name,
        "function": deployment.parameter(f"endpoint/{name}"),
        "dataset_version": version[0]["version"] if version else None,
        "champion": live["champion"]["model"] if live["champion"] else None,
        "challenger": live["challenger"]["model"] if live["challenger"] else None,
        "weight": float(live["weight"]),
        "run": run[0]["run_id"] if run else None,
        "run_state": run[0]["state"] if run else None,
    }


def panel(facts: dict[str, Any]) -> Group:
    """The stage for people."""
    cloud = facts["endpoint"]
    pairs = [("stage", facts["stage"]), ("API", facts["api_url"]), ("data", f"s3://{facts['data_bucket']}")]
    if cloud:
        pairs.append(("embedded cloud", cloud + (", IAM enforced" if facts["iam"] else ", IAM not enforced")))
    hint = "no project is deployed; add projects/<name>.yaml and deploy again"
    return Group(
        show.facts("Tidemill", pairs), "", show.table("Projects", facts["projects"], PROJECTS, empty=hint)
    )
