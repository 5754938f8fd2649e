"""State `EvaluateCandidate` of `training`: the final model on the holdout, beside a constant and the champion.

Called after FitFinal. Writes `evaluation.json` of the run.
"""

import os
from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.training.evaluate_candidate import evaluate_candidate
from tidemill.training.threads import limited


class Event(BaseModel, frozen=True):
    project: str
    run_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    with limited(os.environ):
        return evaluate_candidate(
            project=request.project, run_id=request.run_id, objects=wiring.objects(), index=wiring.index()
        )
