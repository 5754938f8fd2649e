"""State `RegisterVersion`: registers the object version that an S3 event tells of, and keeps its content.

The data machine calls it first; it writes objects, manifests and the upload's row.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.data.divisions import SPLIT_BYTES
from tidemill.data.register_version import register_version
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
    return register_version(
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
