"""Put an upload into quarantine: write why, and keep everything downstream from it.

State `QuarantineUpload` of the data machine. Writes `quarantine/<project>/<upload id>/reason.json` and the
upload's row, counts `QuarantinedUploads`. The bytes stay where they are; the reason names their object version.
"""

from typing import Any

from tidemill import canonical, names
from tidemill.data import uploads
from tidemill.errors import ConflictError
from tidemill.observability import count
from tidemill.ports import Clock, Index, ObjectStore

ACTOR = "QuarantineUpload"
_FACT = ("project", "upload_id", "key", "version_id", "code", "reason", "validation_key")


def quarantine_upload(
    *,
    project: str,
    upload_id: str,
    code: str,
    reason: str,
    validation_key: str | None,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
) -> dict[str, Any]:
    """Record the refusal, once: a second call changes nothing, whatever it says. Counted at least once.

    The row is moved first, so that an upload that another process accepts meanwhile gets no reason file.
    Raises RecordNotFound for an unknown upload, ConflictError for one that was accepted or settled otherwise.
    """
    upload = uploads.read(index, project, upload_id)
    if upload["state"] != uploads.QUARANTINED:
        if upload["state"] in uploads.SETTLED:
            raise ConflictError(f"upload {upload_id} is {upload['state']} already; it cannot be quarantined")
        count(names.METRIC_QUARANTINED, 1, project=project)
        at = clock()
        refusal = {"code": code, "reason": reason, "validation_key": validation_key, "ended_at": at.isoformat()}
        changes = {"state": uploads.QUARANTINED, **refusal}
        index.transact(uploads.move(upload, changes, at=at, by=ACTOR))
        upload |= changes
    key = f"{names.quarantine(project, upload_id)}reason.json"
    fact = {name: upload[name] for name in _FACT} | {"at": upload["ended_at"]}
    objects.put_new(key, canonical.dumps(fact), content_type="application/json")
    return {"project": project, "upload_id": upload_id, "reason_key": key}
