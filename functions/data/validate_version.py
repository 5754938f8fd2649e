"""State `ValidateVersion`: holds a registered batch against the rules of its project file.

The data machine calls it; it writes the validation report.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.data.validate_version import validate_version
from tidemill.observability import logger


class Event(BaseModel, frozen=True):
    project: str
    batch_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return validate_version(
        project=projects.load(request.project),
        batch_id=request.batch_id,
        objects=wiring.objects(),
        index=wiring.index(),
    )
