"""State `RegisterModel`, first of `release`: makes a model version of a run's final artifacts.

Writes the folder of the model version, the model counter, its row and an audit entry.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.register_model import register_model
from tidemill.release.soundness import counted
from tidemill.settings import settings


class Event(BaseModel, frozen=True):
    project: str
    run_id: str
    release_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    with counted(request.project, stage=settings().stage, clock=now, write=print):
        return register_model(
            problem=projects.load(request.project),
            run_id=request.run_id,
            objects=wiring.objects(),
            index=wiring.index(),
            clock=now,
        )
