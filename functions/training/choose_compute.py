"""State `ChooseCompute` of `training`: whether the search, or the final fit, runs on Lambda or on SageMaker.

Called before and after the search, and before the final fit. Writes `compute/<step>.json` of the run.
"""

from typing import Any

from pydantic import BaseModel

from tidemill.adapters import wiring
from tidemill.observability import logger
from tidemill.settings import settings
from tidemill.training.choose_compute import Step, choose_compute
from tidemill.training.sagemaker.requests import Place


class Event(BaseModel, frozen=True):
    project: str
    run_id: str
    step: Step
    execution: str
    tried: bool = False


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return choose_compute(**dict(request), place=place(), objects=wiring.objects(), index=wiring.index())


def place() -> Place | None:
    """Where the stage's jobs run; None if it has no image for them."""
    own = settings()
    if own.training_image is None or own.training_role is None:
        return None
    return Place(
        stage=own.stage, bucket=own.bucket, table=own.table, image=own.training_image, role=own.training_role
    )
