"""State `AcceptVersion`: makes a validated batch the next dataset version.

The data machine calls it; it writes the version's rows in one transaction, then its fact.
"""

from typing import Any

from pydantic import BaseModel

from tidemill import projects
from tidemill.adapters import wiring
from tidemill.data.accept_version import accept_version
from tidemill.observability import logger, now


class Event(BaseModel, frozen=True):
    project: str
    batch_id: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    request = Event.model_validate(event)
    return accept_version(
        project=projects.load(request.project),
        batch_id=request.batch_id,
        objects=wiring.objects(),
        index=wiring.index(),
        clock=now,
        store=f"s3://{wiring.objects().bucket}",
    )
