"""Dataset versions as people name and see them: references on the command line, history with its tags, as it is or
as it was. Read from the ports as plain JSON objects; called by the commands of `tidemill data`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from cli import reading
from cli.deployment import Deployment
from cli.errors import NotFound, Usage
from tidemill import names
from tidemill.data import references, tags
from tidemill.dataset import Dataset
from tidemill.errors import RecordNotFound, RequestInvalid
from tidemill.ports import Index, ObjectStore

Facts = dict[str, Any]
_UPLOAD = re.compile(r"[0-9a-f]{8,20}")


def of(deployment: Deployment, project: str, reference: str | None = None) -> Dataset:
    """The version that `flights@train`, or `flights` and `train`, mean. Raises NotFound, Usage, RecordNotFound."""
    project, reference = both(project, reference)
    deployment.require_project(project)
    with as_usage():
        return deployment.datasets.dataset(project, reference)


def both(project: str, reference: str | None) -> tuple[str, str]:
    """Project and reference, written as one word or as two. Raises Usage if there are two references."""
    if reference is not None and "@" in project:
        raise Usage(f"{project!r} names a version already; leave out {reference!r}")
    return references.split(project, default=reference or references.LATEST)


@contextmanager
def as_usage() -> Iterator[None]:
    """What is written wrongly on the command line ends it as wrong usage."""
    try:
        yield
    except RequestInvalid as error:
        raise Usage(error.reason) from error


def log(index: Index, objects: ObjectStore, project: str, *, at: datetime | None = None) -> Facts:
    """Versions with their tags, and uploads, the newest first; with `at` those that were recorded by then, and the
    tags where they pointed then. `current` is the newest version of these, None before the first."""
    facts = reading.log(index, project)
    versions, uploads = facts["versions"], facts["uploads"]
    if at is not None:
        current = references.current_at(reversed(versions), at)
        versions = [row for row in versions if current and row["version"] <= current["version"]]
        uploads = [row for row in uploads if datetime.fromisoformat(row["at"]) <= at]
    pointing = tags.listing(index, project) if at is None else _tags_at(index, objects, project, at)
    tagged = {row["version"]: [m["tag"] for m in pointing if m["version"] == row["version"]] for row in versions}
    return {
        "project": project,
        "at": references.show(at) if at else None,
        "current": versions[0]["version"] if versions else None,
        "tags": {row["tag"]: row["version"] for row in pointing},
        "versions": [{**row, "tags": tagged[row["version"]]} for row in versions],
        "uploads": uploads,
    }


def one(deployment: Deployment, project: str, what: str | None) -> Facts:
    """The version that is meant (with a `manifest`), or the upload whose id, or its beginning, was given. Raises
    NotFound, Usage."""
    project, what = both(project, what)
    deployment.require_project(project)
    index, objects = deployment.index, deployment.objects
    upload = _UPLOAD.fullmatch(what)
    found = index.query(names.pk(project), names.sk_upload(what), limit=2) if upload else []
    if len(found) == 1:
        return reading.upload(index, objects, project, found[0]["upload_id"])
    try:
        number = of(deployment, project, what).version
    except RecordNotFound as error:
        raise NotFound(f"{error}; nor is there an upload {what}" if upload else str(error)) from error
    pointing = [row["tag"] for row in tags.listing(index, project) if row["version"] == number]
    return {**reading.version(index, objects, project, number), "tags": pointing}


def _tags_at(index: Index, objects: ObjectStore, project: str, at: datetime) -> list[Facts]:
    """The last move that each tag had made by then, of those that pointed to a version."""
    found = []
    for row in index.query(names.pk(project), names.TAGS):
        move = references.current_at(tags.history(project, row["tag"], objects=objects, index=index), at)
        if move is not None and move["version"]:
            found.append(dict(move))
    return found
