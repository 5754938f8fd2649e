"""State `RunTrial` of `training`: a slot's next trial, fitted and measured.

Called by the Map over slots, again and again until there is no more, and with `error` when it was killed. Writes
`trials/NNNN.json` of the run, and the rows of its study.
"""

import json
import os
from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import left_of, log_of, logger, now
from tidemill.training.run_trial import record_loss, run_trial
from tidemill.training.threads import limited
from tidemill.training.worker import Worker


class Caught(BaseModel, frozen=True):
    """What the state machine caught. The cause of a job of SageMaker is its whole description, as JSON."""

    Error: str
    Cause: str = ""

    @property
    def reason(self) -> str:
        try:
            described = json.loads(self.Cause)
        except ValueError:
            described = None
        told = described.get("FailureReason") if isinstance(described, dict) else None
        return f"{self.Error}: {told or self.Cause}"


class Event(BaseModel, frozen=True):
    """`loss` names the loss that `error` was, so that it counts once."""

    project: str
    run_id: str
    slot: int
    error: Caught | None = None
    loss: str = ""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = Event.model_validate(event)
    slot = {"project": request.project, "run_id": request.run_id, "slot": request.slot}
    ports: dict[str, Any] = {"objects": wiring.objects(), "studies": wiring.studies(request.project)}
    if request.error is not None:
        return record_loss(**slot, loss=request.loss, reason=request.error.reason, **ports)
    with limited(os.environ):
        worker = Worker(int(context.memory_limit_in_mb), log_of(context), left=left_of(context))
        return run_trial(**slot, worker=worker, index=wiring.index(), clock=now, **ports)
