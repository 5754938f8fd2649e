"""State `RecordFailure`: writes down that an upload could not be taken in, through no fault of its own.

The data machine calls it before it fails; it writes the upload's row and a metric.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.data.record_failure import record_failure
from tidemill.observability import logger, now


class Event(BaseModel, frozen=True):
    key: str
    version_id: str
    sequencer: str
    error: str
    cause: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    failure = Event.model_validate(event)
    objects = wiring.objects()
    return record_failure(
        bucket=objects.bucket,
        key=failure.key,
        version_id=failure.version_id,
        sequencer=failure.sequencer,
        error=failure.error,
        cause=failure.cause,
        objects=objects,
        index=wiring.index(),
        clock=now,
    )
