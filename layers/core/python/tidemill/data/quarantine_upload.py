"""Put a batch into quarantine: write why, take its bytes out of everyone's way, start nothing.

State `QuarantineUpload` of the data machine. Moves the row of the upload (of the batch, and of each upload in it),
then writes `quarantine/<project>/<upload id>/reason.json` and moves the bytes from `incoming/` to beside it: what
must not be data is nowhere but there, and expires there. Counts `QuarantinedUploads`.
"""

from typing import Any

from tidemill import canonical, names
from tidemill.data import batches, moves, uploads
from tidemill.data.batches import Batch
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.observability import count
from tidemill.ports import Clock, Index, ObjectStore, Row

ACTOR = "QuarantineUpload"
_FACT = ("project", "upload_id", "key", "version_id", "code", "reason", "validation_key")


def quarantine_upload(
    *,
    project: str,
    batch_id: str,
    upload_id: str | None = None,
    code: str,
    reason: str,
    validation_key: str | None,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> dict[str, Any]:
    """Record the refusal, once: a second call changes nothing, whatever it says. Counted at least once.

    With an `upload_id`, of that upload alone: a damaged file does not keep the others of its folder from being a
    batch. The row is moved first, so that what another process accepts meanwhile gets no reason file. Raises
    RecordNotFound for an unknown batch, ConflictError for one that was accepted or settled otherwise.
    """
    batch = batches.read(objects, index, project, upload_id or batch_id)
    if batch.row["state"] != uploads.QUARANTINED:
        if batch.settled:
            raise ConflictError(
                f"{moves.subject(batch.row)} is {batch.row['state']} already; it cannot be quarantined"
            )
        count(names.METRIC_QUARANTINED, 1, project=project)
        at = clock()
        refusal = {"code": code, "reason": reason, "validation_key": validation_key, "ended_at": at.isoformat()}
        changes = {"state": uploads.QUARANTINED, **refusal}
        row = moves.made(objects, index, moves.move(batch.row, changes, at=at, by=ACTOR))
        batch = Batch(row, batch.files)
    batches.settle_members(batch, objects=objects, index=index, at=clock(), by=ACTOR)
    rows = _uploads(batch, objects, index)
    for row in rows:
        _take_away(row, objects)
    told = {"project": project, "batch_id": batch_id, "upload_id": rows[0]["upload_id"]}
    return {**told, "reason_key": reason_key(project, told["upload_id"])}


def reason_key(project: str, upload_id: str) -> str:
    return f"{names.quarantine(project, upload_id)}reason.json"


def kept_key(upload: Row) -> str:
    """Where the bytes of a quarantined upload are: beside the reason, under the file's own name."""
    return f"{names.quarantine(upload['project'], upload['upload_id'])}file/{upload['key'].rpartition('/')[2]}"


def _uploads(batch: Batch, objects: ObjectStore, index: Index) -> list[Row]:
    if batch.alone:
        return [batch.row]
    project = batch.row["project"]
    return [uploads.read(objects, index, project, file.upload_id) for file in batch.files]


def _take_away(upload: Row, objects: ObjectStore) -> None:
    """Write the reason, then move the bytes. Every step may be done already."""
    fact = {name: upload.get(name) for name in _FACT} | {"at": upload["ended_at"]}
    key = reason_key(upload["project"], upload["upload_id"])
    objects.put_new(key, canonical.dumps(fact), content_type="application/json")
    take_bytes_away(upload, objects)


def take_bytes_away(upload: Row, objects: ObjectStore) -> None:
    """Copy the bytes of an upload to quarantine, then delete them where they came in."""
    try:
        objects.copy_new(upload["key"], kept_key(upload), version_id=upload["version_id"])
    except RecordNotFound:
        return  # its owner deleted it, or an earlier call has taken it away
    objects.delete(upload["key"], version_id=upload["version_id"])
