"""`POST /projects/{project}/releases/{release}/decision`, and state `DecideRelease` when nobody decided in time.

Writes the decision, the approval's row, an audit entry; answers the execution that waits. Who decides is whoever
signed the request: invoked without API Gateway, it can only find that the deadline has passed.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release.approvals import Word
from tidemill.release.decide_release import MACHINE, decide_release
from tidemill.serving import asked, http
from tidemill.settings import settings


class Event(BaseModel, frozen=True):
    project: str
    release_id: str


class Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["approve", "refuse"]
    reason: str = Field(min_length=1, max_length=2000)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    if http.is_http(event):
        return asked.answered(event, lambda: _person(event))
    request = Event.model_validate(event)
    approval = _decide(request.project, request.release_id, "expire", "nobody decided in time", MACHINE)
    return {"decision": approval["decision"], "model_version": approval["model"]}


def _person(event: dict[str, Any]) -> dict[str, Any]:
    by, said = asked.person(event), asked.parsed(Decision, event)
    release_id = event["pathParameters"]["release"]
    return _decide(asked.project(event), release_id, said.decision, said.reason, by)


def _decide(project: str, release_id: str, word: Word, reason: str, by: str) -> dict[str, Any]:
    return decide_release(
        project=project,
        release_id=release_id,
        word=word,
        reason=reason,
        by=by,
        self_approval=settings().self_approval,
        objects=wiring.objects(),
        index=wiring.index(),
        callbacks=wiring.callbacks(),
        clock=now,
    )
