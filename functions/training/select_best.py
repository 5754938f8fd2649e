"""State `SelectBest` of `training`: the best of the completed trials that keep the constraints.

Called after the search. Writes `best.json` of the run, and ends its study.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.training.select_best import select_best


class Event(BaseModel, frozen=True):
    project: str
    run_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return select_best(
        project=request.project,
        run_id=request.run_id,
        objects=wiring.objects(),
        studies=wiring.studies(request.project),
    )
