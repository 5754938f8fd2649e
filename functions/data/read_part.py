"""State `ReadPart`: reads one part of a large upload.

The data machine's Map calls it; it writes what the part holds.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.data.read_part import read_part
from tidemill.observability import logger


class Event(BaseModel, frozen=True):
    project: str
    upload_id: str
    part: int


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return read_part(
        project=projects.load(request.project),
        upload_id=request.upload_id,
        part=request.part,
        objects=wiring.objects(),
    )
