"""State `PlanScoring` of `serving`: what is to be scored by which model, in which parts.

The serving machine calls it until no part is left; writes `files/…` and `plan.json` of the scoring.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import left_of, logger, now
from tidemill.serving.plan_scoring import plan_scoring


class Event(BaseModel, frozen=True):
    project: str
    scoring_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = Event.model_validate(event)
    return plan_scoring(
        project=request.project,
        scoring_id=request.scoring_id,
        memory_mb=int(context.memory_limit_in_mb),
        left=left_of(context),
        objects=wiring.objects(),
        clock=now,
    )
