"""What the story ends with, for people. The same facts are printed as JSON by `tidemill demo --json`."""

from typing import Any

from rich.console import Group
from rich.panel import Panel

from cli import show
from cli.commands.release import interval

MODELS: list[show.Column] = [
    ("model", lambda row: row["model"]),
    ("run", lambda row: row["run_id"]),
    ("trials", lambda row: row["trials"]),
    ("algorithm", lambda row: row["algorithm"]),
    ("metric", lambda row: row["metric"]),
    ("model's", lambda row: row["candidate"]),
    ("champion's", lambda row: row["champion"]),
    ("baseline's", lambda row: row["baseline"]),
]
DATASETS: list[show.Column] = [
    ("version", lambda row: f"v{row['version']}"),
    ("parent", lambda row: f"v{row['parent']}" if row["parent"] else None),
    ("rows", lambda row: f"{row['rows']:,}"),
    ("identity", lambda row: row["identity"][:12]),
]


def summary(facts: dict[str, Any]) -> Panel:
    """The whole story on one page."""
    models = [*facts["models"], {**facts["diamonds"], "champion": None}]
    return Panel(
        Group(
            show.table("Dataset versions of flights", facts["datasets"], DATASETS, empty="none"),
            "",
            show.table("Models, on the held-out rows", models, MODELS, empty="none"),
            "",
            show.facts("May's experiment, model 2 against model 1", _experiment(facts["experiment"])),
            "",
            show.facts("The spoiled challenger", _experiment(facts["spoiled"])),
            "",
            show.facts("July's storms", _drift(facts)),
            "",
            show.facts("Where", _where(facts)),
        ),
        title="Tidemill: the story",
        subtitle=f"{facts['seconds_total']:.0f} s",
    )


def _experiment(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    arms = facts["arms"]
    told = [
        f"{arm}: {arms[arm]['sample']['mean']:.4f} over {arms[arm]['sample']['units']} requests"
        for arm in ("challenger", "champion")
    ]
    return [
        ("decision", facts["decision"]),
        ("why", facts["reason"]),
        ("mean log loss", "; ".join(told)),
        ("difference", interval(facts["difference"])),
        ("looks", f"{facts['looks']}, the last at {facts['weight']:.0%}"),
        (
            "replayed",
            f"{facts['rows']:,} departures in {facts['requests']:,} requests, {facts['outcomes']:,} outcomes",
        ),
    ]


def _drift(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    drift = facts["drift"]
    return [
        ("window", f"{drift['window_id']}, {drift['rows']:,} predictions, started by {drift['trigger']}"),
        ("shifted", ", ".join(drift["features"])),
        ("retraining", drift["retraining_run"]),
        ("its end", facts["retraining"]["reason"]),
        ("held back", facts["held_back"].get("reason")),
        ("report", drift["report"]),
    ]


def _where(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    lines = [("API", facts["api_url"]), ("data", f"s3://{facts['data_bucket']}")]
    if facts["endpoint"]:
        lines += [("embedded cloud", facts["endpoint"]), ("stop it", "tidemill down")]
    return [
        *lines,
        ("look around", "tidemill status, tidemill release status flights, tidemill monitor report flights"),
    ]
