"""State `PrepareData` of `training`: opens the run, and prepares the rows of its dataset version.

Called first. Writes the run's row, `runs/<project>/<run id>/prepared/*.npz` and `prepared.json`.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.settings import settings
from tidemill.training.plan import Options
from tidemill.training.prepare_data import prepare_data


class Event(BaseModel, frozen=True):
    project: str
    dataset_version: int
    run_id: str
    reason: str
    trigger: str
    by: str | None = None
    options: Options = Options()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return prepare_data(
        project=projects.load(request.project),
        dataset_version=request.dataset_version,
        run_id=request.run_id,
        reason=request.reason,
        trigger=request.trigger,
        by=request.by,
        options=request.options,
        rehearsal=settings().rehearsal,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
