"""State `JudgeExperiment` of `release`: one look at the arms of a running release.

Writes the look, and the number of looks into the release's row.
"""

from typing import Any

from pydantic import BaseModel, PositiveInt

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.judge_experiment import judge_experiment
from tidemill.settings import settings


class Event(BaseModel, frozen=True):
    project: str
    release_id: str
    look: PositiveInt | None = None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return judge_experiment(
        project=request.project,
        release_id=request.release_id,
        look=request.look,
        look_seconds=settings().look_seconds,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
    )
