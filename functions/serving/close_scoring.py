"""State `CloseScoring` of `serving`: counts rows in against rows out.

The serving machine calls it when no part is left; writes `result.json` of the scoring
and an audit row.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.serving.close_scoring import close_scoring


class Event(BaseModel, frozen=True):
    project: str
    scoring_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = Event.model_validate(event)
    return close_scoring(
        project=request.project,
        scoring_id=request.scoring_id,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
