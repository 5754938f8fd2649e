"""State `CloseBatch`: finds the files of a folder complete, after a wait.

The data machine calls it; it writes the batch's members and its row.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.data.close_batch import close_batch
from tidemill.observability import logger, now


class Event(BaseModel, frozen=True):
    project: str
    folder: str
    batch_id: str
    upload_id: str
    looks: int = 0


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    objects = wiring.objects()
    return close_batch(
        bucket=objects.bucket,
        project=request.project,
        folder=request.folder,
        batch_id=request.batch_id,
        upload_id=request.upload_id,
        looks=request.looks,
        objects=objects,
        index=wiring.index(),
        clock=now,
    )
