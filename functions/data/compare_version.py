"""State `CompareVersion`: compares a dataset version with its parent, column by column.

The data machine calls it; it writes the comparison beside the version's fact.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.data.compare_version import compare_version
from tidemill.observability import logger


class Event(BaseModel, frozen=True):
    project: str
    dataset_version: int


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return compare_version(
        project=projects.load(request.project),
        dataset_version=request.dataset_version,
        objects=wiring.objects(),
    )
