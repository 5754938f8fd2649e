"""The candidate: what the next dataset version would be if an upload were accepted now.

RegisterVersion builds it to see whether there is anything to validate; AcceptVersion builds it again, because
the parent may have moved while the upload was validated. Both give the same answer for the same head of the
history.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from tidemill import names
from tidemill.data import uploads, versions
from tidemill.data.manifests import Manifest
from tidemill.errors import ConflictError
from tidemill.ports import Index, ObjectStore, Row
from tidemill.projects import Project

ATTEMPTS = 10
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """`outcome` says what accepting the upload would mean; `manifest` is the resulting version; `head` the
    version it follows, 0 for none; `equal` the version that holds the same already, when unchanged; `seen` the
    latest upload of this file so far."""

    outcome: Literal["new", "unchanged", "superseded"]
    manifest: Manifest
    head: int
    seen: Row | None
    equal: int | None = None


def build(upload: Row, *, project: Project, objects: ObjectStore, index: Index) -> Candidate:
    """The candidate of `upload` on the present head. The head is read first: whatever changes it afterwards also
    changes its epoch, on which the acceptance is conditional."""
    pk, file = names.pk(project.name), uploads.file_of(upload)
    head = versions.head(index, project.name)
    seen = index.get(pk, names.sk_file(file.path))
    parent = versions.manifest(head, project=project.name, objects=objects, index=index)
    kept = parent.files if project.mode == "append" else ()
    manifest = Manifest.of(project.name, [*kept, file])
    if seen is not None and uploads.is_later(seen["sequencer"], than=upload["sequencer"]):
        return Candidate("superseded", manifest, head, seen)
    nothing_new = file.sha256 in parent.contents if project.mode == "append" else parent.contents == {file.sha256}
    if nothing_new:
        return Candidate("unchanged", manifest, head, seen, head)
    equal = index.get(pk, names.sk_content(manifest.identity))
    if equal is not None:
        return Candidate("unchanged", manifest, head, seen, equal["dataset_version"])
    return Candidate("new", manifest, head, seen)


def close(upload: Row, candidate: Candidate, *, index: Index, at: datetime, by: str) -> Row:
    """Settle an upload that makes no new version; give its row as it is then. An unchanged upload is noted as the
    latest of its file, else an earlier one that comes after it would be taken for news. Raises ConflictError."""
    changes: Row = {"ended_at": at.isoformat()}
    if candidate.outcome == "superseded":
        newer = candidate.seen["upload_id"] if candidate.seen else ""
        changes |= {"state": uploads.SUPERSEDED, "reason": f"upload {newer} of the same file is later"}
        index.transact(uploads.move(upload, changes, at=at, by=by))
    else:
        changes |= {"state": uploads.UNCHANGED, "dataset_version": candidate.equal}
        moved = uploads.move(upload, changes, at=at, by=by)
        index.transact([*moved, uploads.latest(upload, candidate.seen)])
    return {**upload, **changes}


def until_undisturbed(attempt: Callable[[], T]) -> T:
    """Make an attempt again, from reading on, while others win the race for the same rows. Raises ConflictError
    after ATTEMPTS; the state machine then waits a random while and starts afresh."""
    for _ in range(ATTEMPTS - 1):
        try:
            return attempt()
        except ConflictError:
            continue
    return attempt()
