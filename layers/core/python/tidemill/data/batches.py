"""A batch: what becomes one dataset version together, or is refused together.

A file directly below `incoming/<project>/` is a batch by itself, under its upload id. The files of a folder are
gathered (`GATHERING#<folder>` says which batch is open) until CloseBatch finds them complete; their batch then has
a row `BATCH#<batch id>` and the fact `members.json` with its files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tidemill import canonical, names
from tidemill.data import moves, uploads, versions
from tidemill.data.manifests import File
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.ports import Index, ObjectStore, Put, Row, Update

OPEN, CLOSED = "open", "closed"
_PREFIX = "batch-"
_ATTEMPTS = 10
_REFUSAL = ("code", "reason", "validation_key")


@dataclass(frozen=True)
class Batch:
    """`row` is the upload's, where a file is a batch by itself, else the batch's own; `files` what it brings."""

    row: Row
    files: tuple[File, ...]

    @property
    def id(self) -> str:
        return str(self.row["upload_id"] if self.alone else self.row["batch_id"])

    @property
    def alone(self) -> bool:
        """Whether it is a single upload."""
        return "upload_id" in self.row

    @property
    def settled(self) -> bool:
        return self.row["state"] in uploads.SETTLED


def batch_id_of(*, project: str, folder: str, generation: int) -> str:
    """The id of the n-th batch that is gathered in a folder; told from an upload's by its beginning."""
    return _PREFIX + canonical.identity([project, folder, generation])[:20]


def read(objects: ObjectStore, index: Index, project: str, identifier: str) -> Batch:
    """The batch (or the upload) of that id, the fact of its last move written. Raises RecordNotFound."""
    if not identifier.startswith(_PREFIX):
        row = uploads.read(objects, index, project, identifier)
        return Batch(row, (uploads.file_of(row),) if row.get("file") else ())
    found = index.get(names.pk(project), names.sk_batch(identifier))
    if found is None:
        raise RecordNotFound(f"project {project!r} has no batch {identifier!r}; CloseBatch writes it first")
    return Batch(moves.keep(objects, found), read_members(objects, project, identifier))


def read_members(objects: ObjectStore, project: str, batch_id: str) -> tuple[File, ...]:
    """The files of a closed batch. Raises RecordNotFound."""
    members = json.loads(objects.get(members_key(project, batch_id)))
    return tuple(File.model_validate(file) for file in members["files"])


def members_key(project: str, batch_id: str) -> str:
    return names.batch(project, batch_id) + "members.json"


def write_members(objects: ObjectStore, project: str, batch_id: str, files: Sequence[File]) -> None:
    """Write the files of a batch before it is closed. Only the closing transaction makes them the batch's, so that
    a later attempt may still write more."""
    listed = [file.model_dump(mode="json") for file in sorted(files, key=lambda file: (file.path, file.sequencer))]
    document = {"project": project, "batch_id": batch_id, "files": listed}
    objects.put(members_key(project, batch_id), canonical.dumps(document), content_type="application/json")


def gathering(index: Index, project: str, folder: str) -> Row | None:
    """What is being gathered in a folder: `folder`, `epoch` (the generation), `batch_id`, `state`, `latest` (the
    upload that came last), `members` (how many came), `complete` (whether a `_SUCCESS` did); None before the
    first file."""
    return index.get(names.pk(project), names.sk_gathering(folder))


def join(upload: Row, folder: str, *, marker: bool, seen: Row | None) -> tuple[Row, Put | Update]:
    """The upload with its place in the batch that is open in `folder`, and the change that lets it in: it opens a
    batch if none is open. `seen` is the gathering as it was read."""
    project, latest = upload["project"], upload["upload_id"]
    pk, sk = names.pk(project), names.sk_gathering(folder)
    change: Put | Update
    if seen is not None and seen["state"] == OPEN:
        generation, place = seen["epoch"], seen["members"] + 1
        changes = {"latest": latest, "complete": marker or seen["complete"], "members": place}
        change = Update(pk, sk, changes, {"state": OPEN, "epoch": generation, "latest": seen["latest"]})
    else:
        generation, place = (seen["epoch"] if seen else 0) + 1, 1
        row = gathering_row(project, folder, generation, latest=latest, complete=marker, members=place)
        change = Put(pk, sk, row, if_epoch=generation - 1)
    batch_id = batch_id_of(project=project, folder=folder, generation=generation)
    joined = {"batch_id": batch_id, "folder": folder, "generation": generation, "place": place}
    return {**upload, **joined}, change


def gathering_row(
    project: str, folder: str, generation: int, *, latest: str, complete: bool, members: int, state: str = OPEN
) -> Row:
    """See `gathering`."""
    return {
        "folder": folder,
        "epoch": generation,
        "batch_id": batch_id_of(project=project, folder=folder, generation=generation),
        "state": state,
        "latest": latest,
        "complete": complete,
        "members": members,
    }


def member(upload: Row) -> Put:
    """The row by which a batch knows its uploads."""
    row = {name: upload[name] for name in ("batch_id", "upload_id", "key")}
    return Put(names.pk(upload["project"]), names.sk_member(upload["batch_id"], upload["upload_id"]), row)


def settle_members(batch: Batch, *, objects: ObjectStore, index: Index, at: datetime, by: str) -> None:
    """Let the uploads of a settled batch end, those that have not yet. Their fate follows from the batch's (and
    from the version that it became), so that whoever comes by may complete it."""
    if batch.alone:
        return
    held = _held(batch, objects, index)
    for file in batch.files:
        changes = {**_fate(batch.row, file, held), "ended_at": batch.row["ended_at"]}
        _settle_member(batch.row["project"], file, changes, objects=objects, index=index, at=at, by=by)


def _held(batch: Batch, objects: ObjectStore, index: Index) -> dict[str, File]:
    """The files of the version that an accepted batch became, by path."""
    if batch.row["state"] != uploads.ACCEPTED:
        return {}
    project, number = batch.row["project"], batch.row["dataset_version"]
    manifest = versions.manifest(number, project=project, objects=objects, index=index)
    return {file.path: file for file in manifest.files}


def _fate(row: Row, file: File, held: Mapping[str, File]) -> Row:
    """How one upload of the batch ends: as the batch, unless the version did not take it in."""
    if row["state"] != uploads.ACCEPTED:
        return {name: row[name] for name in ("state", "dataset_version", *_REFUSAL) if name in row}
    kept = held.get(file.path)
    if kept is not None and kept.upload_id == file.upload_id:
        return {"state": uploads.ACCEPTED, "dataset_version": row["dataset_version"]}
    if kept is not None and uploads.is_later(kept.sequencer, than=file.sequencer):
        return {"state": uploads.SUPERSEDED, "reason": f"upload {kept.upload_id} of the same file is later"}
    return {"state": uploads.UNCHANGED, "dataset_version": row["dataset_version"]}


def _settle_member(
    project: str, file: File, changes: Row, *, objects: ObjectStore, index: Index, at: datetime, by: str
) -> None:
    """Move one upload of a batch, and note it as the latest of its file if it was taken in."""
    for attempt in range(_ATTEMPTS):
        upload = uploads.read(objects, index, project, file.upload_id)
        if upload["state"] in uploads.SETTLED:
            return
        seen = index.get(names.pk(project), names.sk_file(file.path))
        newest = seen is None or uploads.is_later(upload["sequencer"], than=seen["sequencer"])
        taken = changes["state"] in (uploads.ACCEPTED, uploads.UNCHANGED)
        noted = uploads.latest(upload, seen) if taken and newest else uploads.NOT_NOTED
        try:
            moved = moves.move(upload, {**changes, **noted.mark}, at=at, by=by)
            moves.made(objects, index, moved, *noted.changes)
            return
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
