"""State `BuildWindow` of the machine `monitoring`: puts the captured predictions that wait into the next window.
Writes the window's objects, its row and the cursor."""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.monitoring.build_window import build_window
from tidemill.observability import logger, now


class Event(BaseModel, frozen=True):
    project: str
    trigger: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return build_window(
        project=projects.load(request.project),
        trigger=request.trigger,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
