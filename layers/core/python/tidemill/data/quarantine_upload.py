"""Put an upload into quarantine: write why, and keep everything downstream from it.

State `QuarantineUpload` of the data machine. Writes `quarantine/<project>/<upload id>/reason.json` and the
upload's row, counts `QuarantinedUploads`. The bytes stay where they are; the reason names their object version.
"""

import json
from typing import Any

from tidemill import canonical, names
from tidemill.data import uploads
from tidemill.errors import ConflictError
from tidemill.observability import count
from tidemill.ports import Clock, Index, ObjectStore

ACTOR = "QuarantineUpload"


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

    Raises RecordNotFound for an unknown upload, ConflictError for one that was accepted or settled otherwise.
    """
    key = f"{names.quarantine(project, upload_id)}reason.json"
    answer = {"project": project, "upload_id": upload_id, "reason_key": key}
    upload = uploads.read(index, project, upload_id)
    if upload["state"] == uploads.QUARANTINED:
        return answer
    if upload["state"] in uploads.SETTLED:
        raise ConflictError(f"upload {upload_id} is {upload['state']} already; it cannot be quarantined")
    at = clock()
    fact = {
        "project": project,
        "upload_id": upload_id,
        "code": code,
        "reason": reason,
        "key": upload["key"],
        "version_id": upload["version_id"],
        "validation_key": validation_key,
        "at": at.isoformat(),
    }
    if not objects.put_new(key, canonical.dumps(fact), content_type="application/json"):
        fact = json.loads(objects.get(key))
    count(names.METRIC_QUARANTINED, 1, project=project)
    changes = {"state": uploads.QUARANTINED, "code": fact["code"], "reason": fact["reason"]}
    index.transact(uploads.move(upload, changes, at=at, by=ACTOR))
    return answer
