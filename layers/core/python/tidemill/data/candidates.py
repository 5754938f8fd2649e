"""The candidate: what the next dataset version would be if a batch were accepted now.

RegisterVersion builds it to see whether there is anything to validate; AcceptVersion builds it again, because
the parent may have moved while the batch was validated. Both give the same answer for the same head of the
history.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidemill import names
from tidemill.data import moves, uploads, versions
from tidemill.data.batches import Batch
from tidemill.data.manifests import File, Manifest
from tidemill.ports import Index, ObjectStore, Row
from tidemill.projects import Project


@dataclass(frozen=True)
class Candidate:
    """`outcome` says what accepting the batch would mean; `manifest` is the resulting version; `head` the version
    it follows, 0 for none; `equal` the version that holds the same already, when unchanged; `seen` the latest
    uploads of its files so far, by path; `new` what the batch adds."""

    outcome: Literal["new", "unchanged", "superseded"]
    manifest: Manifest
    head: int
    seen: dict[str, Row]
    new: tuple[File, ...] = ()
    equal: int | None = None


def build(batch: Batch, *, project: Project, objects: ObjectStore, index: Index) -> Candidate:
    """The candidate of `batch` on the present head. The head is read first: whatever changes it afterwards also
    changes its epoch, on which the acceptance is conditional."""
    head = versions.head(index, project.name)
    seen = _seen(index, project.name, batch.files)
    parent = versions.manifest(head, project=project.name, objects=objects, index=index)
    noted = {file.path: file.sequencer for file in parent.files}
    latest = _latest_of_each_path(batch.files)
    current = [file for file in latest if not _superseded(file, seen.get(file.path), noted.get(file.path))]
    if not current:
        return Candidate("superseded", parent, head, seen)
    kept = parent.files if project.mode == "append" else ()
    new = tuple(_distinct(current, {file.sha256 for file in kept}))
    manifest = Manifest.of(project.name, [*kept, *new])
    if not new or manifest.content == parent.content:
        return Candidate("unchanged", manifest, head, seen, equal=head)
    if project.mode == "replace" and manifest.contents == parent.contents:
        return Candidate("unchanged", manifest, head, seen, equal=head)
    equal = index.get(names.pk(project.name), names.sk_content(manifest.content))
    if equal is not None:
        return Candidate("unchanged", manifest, head, seen, equal=equal["dataset_version"])
    return Candidate("new", manifest, head, seen, new)


def _seen(index: Index, project: str, files: tuple[File, ...]) -> dict[str, Row]:
    """The rows `FILE#<path>` of these files."""
    pk = names.pk(project)
    if len(files) > _ONE_BY_ONE:
        wanted = {file.path for file in files}
        return {row["path"]: row for row in index.query(pk, names.FILES) if row["path"] in wanted}
    rows = {file.path: index.get(pk, names.sk_file(file.path)) for file in files}
    return {path: row for path, row in rows.items() if row is not None}


def _latest_of_each_path(files: tuple[File, ...]) -> list[File]:
    latest: dict[str, File] = {}
    for file in files:
        if file.path not in latest or uploads.is_later(file.sequencer, than=latest[file.path].sequencer):
            latest[file.path] = file
    return list(latest.values())


def _superseded(file: File, seen: Row | None, noted: str | None) -> bool:
    """Whether a later upload of the path was taken in. The version may know of one whose row is still to be
    written: a batch notes its files after it was accepted."""
    known = [sequencer for sequencer in (seen and seen["sequencer"], noted) if sequencer]
    return any(uploads.is_later(sequencer, than=file.sequencer) for sequencer in known)


def _distinct(files: Iterable[File], held: set[str]) -> Iterable[File]:
    """The files whose content is not held yet, each content once: rows shall not count twice."""
    for file in sorted(files, key=lambda file: file.path):
        if file.sha256 not in held:
            held.add(file.sha256)
            yield file


_ONE_BY_ONE = 20


def close(batch: Batch, candidate: Candidate, *, objects: ObjectStore, index: Index, at: datetime, by: str) -> Row:
    """Settle a batch that makes no new version; give its row as it is then. An unchanged upload is noted as the
    latest of its file, else an earlier one that comes after it would be taken for news. Raises ConflictError."""
    changes: Row = {"ended_at": at.isoformat()}
    noted = uploads.NOT_NOTED
    if candidate.outcome == "superseded":
        newer = candidate.seen.get(batch.files[0].path, {}).get("upload_id", "of a later batch")
        what = "the same file" if batch.alone else "the same files"
        changes |= {"state": uploads.SUPERSEDED, "reason": f"upload {newer} of {what} is later"}
    else:
        changes |= {"state": uploads.UNCHANGED, "dataset_version": candidate.equal}
        if batch.alone:
            noted = uploads.latest(batch.row, candidate.seen.get(batch.files[0].path))
    moved = moves.move(batch.row, {**changes, **noted.mark}, at=at, by=by)
    return moves.made(objects, index, moved, *noted.changes)
