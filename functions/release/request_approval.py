"""State `RequestApproval`, after `RegisterModel` where the project asks for approval: the execution waits for it.

Writes the approval's fact and row, an audit entry; tells the stage's topic.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.request_approval import request_approval


class Event(BaseModel, frozen=True):
    project: str
    run_id: str
    release_id: str
    model_version: int
    token: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return request_approval(
        problem=projects.load(request.project),
        release_id=request.release_id,
        run_id=request.run_id,
        model_version=request.model_version,
        token=request.token,
        objects=wiring.objects(),
        index=wiring.index(),
        callbacks=wiring.callbacks(),
        notices=wiring.notices(),
        clock=now,
    )
