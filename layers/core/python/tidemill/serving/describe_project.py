"""What a project's state is, at a glance. Called by the API; reads views only."""

from collections.abc import Mapping
from typing import Any

from tidemill import names
from tidemill.ports import Index, Row
from tidemill.projects import Project

_NEWEST = 10


def describe_project(*, problem: Project, index: Index) -> dict[str, Any]:
    """Who answers with which share of the requests, the newest dataset versions, the last release and window; of
    named classes which they are."""
    pk = names.pk(problem.name)
    pointer = index.get(pk, names.POINTER_LIVE) or {}
    release = index.get(pk, names.sk_release(pointer["release_id"])) if pointer.get("release_id") else None
    windows = index.query(pk, names.WINDOWS, newest_first=True, limit=1)
    datasets = index.query(pk, names.DATASETS, newest_first=True, limit=_NEWEST)
    return {
        "project": problem.name,
        "description": problem.description,
        "task": problem.task,
        **({"classes": list(problem.classes)} if problem.classes else {}),
        "champion": pointer.get("champion"),
        "challenger": pointer.get("challenger"),
        "weight": pointer.get("weight", 0),
        "dataset_versions": [_plain(dataset) for dataset in datasets],
        "release": _plain(release) if release else None,
        "window": _plain(windows[0]) if windows else None,
    }


def _plain(row: Mapping[str, Any]) -> Row:
    """The row without its keys."""
    return {name: value for name, value in row.items() if name not in ("pk", "sk")}
