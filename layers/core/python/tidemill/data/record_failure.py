"""Write down that Tidemill itself failed to take an upload in.

State `RecordFailure` of the data machine, the last one before it fails. The upload is not refused: its row says
`failed` and why, and the same event delivered again, or a redrive of the execution, tries it again.
"""

from typing import Any

from tidemill import names
from tidemill.data import moves, uploads
from tidemill.observability import count, logger
from tidemill.ports import Clock, Index, ObjectStore

ACTOR = "RecordFailure"
LONGEST = 2000  # characters of a cause that are kept


def record_failure(
    *,
    bucket: str,
    key: str,
    version_id: str,
    sequencer: str,
    error: str,
    cause: str,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> dict[str, Any]:
    """Set the upload's row to `failed`, or write it if the upload was not even registered. What is settled stays
    so: the failure came after it. Raises ConflictError when the row changes meanwhile."""
    place = uploads.place_of(key)
    project = place.project if place else None
    logger.error("upload failed", extra={"key": key, "project": project, "error": error, "cause": cause[:LONGEST]})
    if place is None:
        return {"project": None, "upload_id": None, "state": None}
    identifier = uploads.upload_id(bucket=bucket, key=key, version_id=version_id)
    at, told = clock(), f"{error}: {cause}"[:LONGEST]
    row = index.get(names.pk(place.project), names.sk_upload(identifier))
    if row is None:
        arrived = {
            "project": place.project,
            "upload_id": identifier,
            "key": key,
            "version_id": version_id,
            "sequencer": sequencer,
            "state": uploads.FAILED,
            "error": told,
        }
        row = moves.made(objects, index, moves.first(arrived, at=at, by=ACTOR, error=told))
    else:
        moves.keep(objects, row)
        state = row["state"] if row["state"] in uploads.SETTLED else uploads.FAILED
        if (row["state"], row.get("error")) != (state, told):
            changes = {"state": state, "error": told}
            row = moves.made(objects, index, moves.move(row, changes, at=at, by=ACTOR))
    count(names.METRIC_FAILED, 1, project=place.project)
    return {"project": place.project, "upload_id": identifier, "state": row["state"]}
