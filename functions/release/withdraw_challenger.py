"""Function `withdraw_challenger`: the target of the rule on the guards' alarms' change to ALARM. Rolls back the
release whose challenger the alarm is about, and writes what `SettleRelease` writes."""

from typing import Any

from pydantic import BaseModel, Field

from tidemill.adapters import wiring
from tidemill.observability import logger, now
from tidemill.release import guard_names
from tidemill.release.withdraw_challenger import Alarm, withdraw_challenger
from tidemill.settings import settings


class AlarmState(BaseModel, frozen=True):
    value: str
    reason: str = ""


class Metric(BaseModel, frozen=True):
    dimensions: dict[str, str] = {}


class Statistic(BaseModel, frozen=True):
    metric: Metric


class Query(BaseModel, frozen=True):
    statistic: Statistic | None = Field(None, alias="metricStat")


class Configuration(BaseModel, frozen=True):
    description: str = ""
    metrics: tuple[Query, ...] = ()

    @property
    def version(self) -> str | None:
        """The executed version that all of the alarm's metrics of Lambda are about."""
        found = {
            each.statistic.metric.dimensions.get("ExecutedVersion") for each in self.metrics if each.statistic
        }
        versions = found - {None}
        return versions.pop() if len(versions) == 1 else None


class Detail(BaseModel, frozen=True):
    name: str = Field(alias="alarmName")
    state: AlarmState
    configuration: Configuration

    def project(self, stage: str) -> str | None:
        """The project that the alarm guards; None if it is no guard's."""
        starts = (guard_names.alarm(stage, kind, "") for kind in guard_names.KINDS)
        return next((self.name.removeprefix(start) for start in starts if self.name.startswith(start)), None)


class Event(BaseModel, frozen=True):
    """EventBridge's "CloudWatch Alarm State Change"."""

    detail: Detail


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    alarm = Event.model_validate(event).detail
    project = alarm.project(settings().stage)
    if alarm.state.value != "ALARM" or project is None:
        return {"outcome": "ignored", "reason": f"alarm {alarm.name} is {alarm.state.value}"}
    found = withdraw_challenger(
        project=project,
        alarm=Alarm(alarm.name, alarm.configuration.description, alarm.configuration.version, alarm.state.reason),
        objects=wiring.objects(),
        index=wiring.index(),
        endpoints=wiring.endpoints(),
        guards=wiring.guards(),
        clock=now,
    )
    logger.info("an alarm of a guard", extra={"alarm": alarm.name, **found})
    return found
