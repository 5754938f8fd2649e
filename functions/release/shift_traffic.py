"""State `ShiftTraffic` of `release`: gives the challenger the share of a step.

Writes the pointer, the release's row, an audit entry, the alarms on the challenger, and the alias
`live`.
"""

from typing import Any

from pydantic import BaseModel, NonNegativeInt

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.shift_traffic import shift_traffic
from tidemill.settings import settings


class Event(BaseModel, frozen=True):
    project: str
    release_id: str
    step: NonNegativeInt


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return shift_traffic(
        project=request.project,
        release_id=request.release_id,
        step=request.step,
        look_seconds=settings().look_seconds,
        objects=wiring.objects(),
        index=wiring.index(),
        endpoints=wiring.endpoints(),
        guards=wiring.guards(),
        clock=now,
    )
