"""Function `request_retraining`: the target of the rule on the drift alarms' change to ALARM; also invoked by hand
with `{"project", "reason"}`. Writes the lock and the audit row, and starts the machine `training`."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.monitoring.request_retraining import Request, request_retraining
from tidemill.observability import logger, now
from tidemill.settings import settings


class AlarmState(BaseModel, frozen=True):
    value: str
    reason: str = ""


class Alarm(BaseModel, frozen=True):
    name: str = Field(alias="alarmName")
    state: AlarmState


class AlarmEvent(BaseModel, frozen=True):
    """EventBridge's "CloudWatch Alarm State Change"."""

    id: str
    time: datetime
    detail: Alarm


class Direct(BaseModel, frozen=True):
    project: str
    reason: str


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if "detail" in event:
        alarm = AlarmEvent.model_validate(event)
        if alarm.detail.state.value != "ALARM":
            return {"outcome": "ignored", "reason": f"the alarm is {alarm.detail.state.value}"}
        project = alarm.detail.name.removeprefix(names.drift_alarm(settings().stage, ""))
        request = Request(id=alarm.id, reason=alarm.detail.state.reason, at=alarm.time)
    else:
        direct = Direct.model_validate(event)
        project = direct.project
        request = Request(id=context.aws_request_id, reason=direct.reason, at=now())
    return request_retraining(
        project=projects.load(project),
        request=request,
        cool_down_seconds=settings().cool_down_seconds,
        index=wiring.index(),
        workflows=wiring.workflows(),
        clock=now,
    )
