"""State `SettleRelease`, last of `release`, and what a person's promotion or rollback invokes.

Writes the decision, the pointer, the release's row, the models' states, an audit entry, the alias `live`, and
removes the alarms on the challenger.
"""

from typing import Any, Literal

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.settle_release import settle_release


class Event(BaseModel, frozen=True):
    project: str
    release_id: str | None = None
    verdict: Literal["promote", "roll_back"]
    reason: str
    by: str | None = None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return settle_release(
        project=request.project,
        release_id=request.release_id,
        verdict=request.verdict,
        reason=request.reason,
        by=request.by,
        objects=wiring.objects(),
        index=wiring.index(),
        endpoints=wiring.endpoints(),
        guards=wiring.guards(),
        clock=now,
    )
