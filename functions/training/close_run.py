"""State `CloseRun` of `training`: the verdict, or the error, into the run's row.

Called last, whatever happened before. Writes the run's row and an audit row.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.training.close_run import State, close_run


class Event(BaseModel, frozen=True):
    project: str
    run_id: str
    state: State
    error: dict[str, Any] | None = None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return close_run(
        project=request.project,
        run_id=request.run_id,
        state=request.state,
        error=request.error,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
