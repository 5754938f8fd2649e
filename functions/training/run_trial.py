"""State `RunTrial` of `training`: fits one point of the search and measures it.

Called by the Map, once per trial, and again with `error` when it was killed. Writes `trials/NNNN.json` of the run.
"""

import os
from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.training.run_trial import record_failure, run_trial
from tidemill.training.threads import limited


class Caught(BaseModel, frozen=True):
    """What the state machine caught."""

    Error: str
    Cause: str = ""


class Event(BaseModel, frozen=True):
    project: str
    run_id: str
    trial: int
    error: Caught | None = None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    trial = {"project": request.project, "run_id": request.run_id, "trial": request.trial}
    if request.error is not None:
        reason = f"{request.error.Error}: {request.error.Cause}"
        return record_failure(**trial, reason=reason, objects=wiring.objects())
    with limited(os.environ):
        return run_trial(**trial, objects=wiring.objects())
