"""State `PlanTrials` of `training`: pins what the run depends on, and opens the study of its trials.

Called after `PrepareData`. Writes `runs/<project>/<run id>/plan.json`, and the study's row.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.training.plan import Options
from tidemill.training.plan_trials import plan_trials


class Event(BaseModel, frozen=True):
    project: str
    run_id: str
    options: Options = Options()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return plan_trials(
        project_name=request.project,
        run_id=request.run_id,
        options=request.options,
        objects=wiring.objects(),
        index=wiring.index(),
        studies=wiring.studies(request.project),
    )
