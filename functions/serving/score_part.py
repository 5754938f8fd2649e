"""State `ScorePart` of `serving`: scores one part of a file.

The serving machine's Map calls it; writes the part's `output/…` and `parts/…` of the scoring.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.serving.score_part import score_part


class Event(BaseModel, frozen=True):
    project: str
    scoring_id: str
    part: int


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = Event.model_validate(event)
    return score_part(
        project=request.project,
        scoring_id=request.scoring_id,
        part=request.part,
        memory_mb=int(context.memory_limit_in_mb),
        objects=wiring.objects(),
        clock=now,
    )
