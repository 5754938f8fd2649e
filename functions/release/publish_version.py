"""State `PublishVersion`, second of `release`: makes a function version of a model version.

Writes the model layer, the endpoint's function version, the release's plan and row, the pointer, an audit entry.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.publish_version import publish_version
from tidemill.release.soundness import counted
from tidemill.settings import settings


class Event(BaseModel, frozen=True):
    project: str
    model_version: int
    release_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    with counted(request.project, stage=settings().stage, clock=now, write=print):
        return publish_version(
            problem=projects.load(request.project),
            model_version=request.model_version,
            release_id=request.release_id,
            objects=wiring.objects(),
            index=wiring.index(),
            endpoints=wiring.endpoints(),
            guards=wiring.guards(),
            room=settings().model_room,
            clock=now,
        )
