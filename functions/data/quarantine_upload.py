"""State `QuarantineUpload`: records why an upload is refused.

The data machine calls it; it writes the reason, the upload's row and a metric.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.data.quarantine_upload import quarantine_upload
from tidemill.observability import logger, now


class Event(BaseModel, frozen=True):
    project: str
    upload_id: str
    code: str
    reason: str
    validation_key: str | None = None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return quarantine_upload(
        project=request.project,
        upload_id=request.upload_id,
        code=request.code,
        reason=request.reason,
        validation_key=request.validation_key,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
