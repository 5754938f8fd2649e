"""State `QuarantineUpload`: records why an upload or a batch is refused, and takes its bytes out of the way.

The data machine calls it; it writes the reason, the rows and a metric, and moves the bytes to `quarantine/`.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.data.quarantine_upload import quarantine_upload
from tidemill.observability import logger, now


class Event(BaseModel, frozen=True):
    project: str
    batch_id: str
    upload_id: str | None = None
    code: str
    reason: str
    validation_key: str | None = None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return quarantine_upload(
        project=request.project,
        batch_id=request.batch_id,
        upload_id=request.upload_id,
        code=request.code,
        reason=request.reason,
        validation_key=request.validation_key,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
