"""`POST /projects/{project}/release`: a person promotes, rolls back, pauses or resumes.

Writes the decision, the pointer, the release's row, the models' states, an audit entry, the alarms on the
challenger and the alias `live`. Who does so is whoever signed the request, or whose JWT or API token came with it.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.steer_release import Action, steer_release
from tidemill.serving import asked


class Steering(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    reason: str = Field(min_length=1, max_length=2000)
    epoch: int | None = Field(None, ge=0)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    return asked.answered(event, lambda: _steer(event))


def _steer(event: dict[str, Any]) -> dict[str, Any]:
    by, said = asked.client(event), asked.parsed(Steering, event)
    return steer_release(
        project=asked.project(event),
        action=said.action,
        reason=said.reason,
        by=by,
        epoch=said.epoch,
        objects=wiring.objects(),
        index=wiring.index(),
        endpoints=wiring.endpoints(),
        guards=wiring.guards(),
        clock=now,
    )
