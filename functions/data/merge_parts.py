"""State `MergeParts`: merges what was read in the parts of a large upload, and goes on as RegisterVersion does.

The data machine calls it after the parts; it writes objects, manifests and the upload's row.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.data.divisions import SPLIT_BYTES
from tidemill.data.merge_parts import merge_parts
from tidemill.observability import logger, now
from tidemill.settings import settings


class Event(BaseModel, frozen=True):
    key: str
    version_id: str
    sequencer: str
    requester: str = ""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    upload = Event.model_validate(event)
    objects = wiring.objects()
    return merge_parts(
        bucket=objects.bucket,
        key=upload.key,
        version_id=upload.version_id,
        sequencer=upload.sequencer,
        requester=upload.requester,
        load_project=projects.load,
        objects=objects,
        index=wiring.index(),
        clock=now,
        split_bytes=settings().split_bytes or SPLIT_BYTES,
    )
