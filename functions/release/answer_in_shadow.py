"""State `AnswerInShadow` of `release`: asks the challenger what the champion was asked, for no caller to see.

Invokes the challenger's function version. Writes its answers under `shadowed/`.
"""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.answer_in_shadow import answer_in_shadow


class Event(BaseModel, frozen=True):
    project: str
    release_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = Event.model_validate(event)
    return answer_in_shadow(
        project=request.project,
        release_id=request.release_id,
        objects=wiring.objects(),
        index=wiring.index(),
        endpoints=wiring.endpoints(),
        clock=now,
        left=lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
    )
