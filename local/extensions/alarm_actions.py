"""A change of an alarm's state becomes an EventBridge event, and invokes the Lambda functions among its actions.

MiniStack only tells SNS. Shapes:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html (the event),
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html (the invocation).
"""

import json
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, eventbridge, lambda_svc

from local.extensions.service_permissions import service_may_invoke

Alarm = dict[str, Any]

logger = logging.getLogger(__name__)

ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def moment(at: float) -> str:
    """The form of timestamps within the detail: `2019-10-02T17:04:40.989+0000`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def configuration(alarm: Alarm) -> dict[str, Any]:
    """What the alarm watches, as in the event's detail."""
    described = {"description": alarm["AlarmDescription"]} if alarm.get("AlarmDescription") else {}
    if "AlarmRule" in alarm:
        return {**described, "alarmRule": alarm["AlarmRule"]}
    if alarm.get("Metrics"):
        return {**described, "metrics": [query(each) for each in alarm["Metrics"]]}
    metric = {
        "namespace": alarm["Namespace"],
        "name": alarm["MetricName"],
        "dimensions": cloudwatch._dims_from_list(alarm.get("Dimensions") or []),
    }
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    stat = {"metric": metric, "period": alarm["Period"], "stat": statistic}
    identity = uuid.uuid5(uuid.NAMESPACE_URL, alarm["AlarmArn"])
    return {**described, "metrics": [{"id": str(identity), "metricStat": stat, "returnData": True}]}


def query(asked: Alarm) -> dict[str, Any]:
    """One of the metrics, or the expression, of an alarm on metric math."""
    found: dict[str, Any] = {"id": asked["Id"], "returnData": asked.get("ReturnData", True)}
    if label := asked.get("Label"):
        found["label"] = label
    if "Expression" in asked:
        return {**found, "expression": asked["Expression"]}
    stat, metric = asked["MetricStat"], asked["MetricStat"]["Metric"]
    of = {
        "namespace": metric["Namespace"],
        "name": metric["MetricName"],
        "dimensions": cloudwatch._dims_from_list(metric.get("Dimensions") or []),
    }
    return {**found, "metricStat": {"metric": of, "period": stat["Period"], "stat": stat["Stat"]}}


def previous_state(alarm: Alarm, value: str, history: list[dict[str, Any]]) -> dict[str, Any]:
    """The state before the newest entry of the alarm's history."""
    entries = [
        e for e in history if e["AlarmName"] == alarm["AlarmName"] and e["HistoryItemType"] == "StateUpdate"
    ]
    if len(entries) < 2:
        return {"value": value}
    at = datetime.fromisoformat(entries[-2]["Timestamp"]).timestamp()
    state = json.loads(entries[-2]["HistoryData"])["newState"]
    return {"value": value, "reason": state["stateReason"], "timestamp": moment(at)}


def detail(alarm: Alarm, old: str, new: str, reason: str, *, at: float) -> dict[str, Any]:
    """The event's detail, which is also the invocation's `alarmData`."""
    data = {"reasonData": alarm["StateReasonData"]} if alarm.get("StateReasonData") else {}
    return {
        "alarmName": alarm["AlarmName"],
        "state": {"value": new, "reason": reason, "timestamp": moment(at), **data},
        "previousState": previous_state(alarm, old, cloudwatch._history_entries()),
        "configuration": configuration(alarm),
    }


def publish(alarm: Alarm, change: dict[str, Any]) -> None:
    """Put the event on the default bus. Sent whether or not the alarm's actions are enabled."""
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Detail": json.dumps(change),
        "Resources": [alarm["AlarmArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def invoke(function: str, alarm: Alarm, change: dict[str, Any]) -> None:
    """Invoke the function asynchronously: two retries, then its dead-letter queue."""
    record, config, name = lambda_svc._get_func_record_for_ref(function)
    if record is None or config is None:
        logger.warning("alarm %s: the function %s of its actions does not exist", alarm["AlarmName"], name)
        return
    if not service_may_invoke("lambda.alarms.cloudwatch.amazonaws.com", alarm["AlarmArn"], function):
        return
    event = {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": get_account_id(),
        "time": change["state"]["timestamp"],
        "region": get_region(),
        "alarmData": change,
    }
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(record, config), event)


def install() -> None:
    """Add both to what MiniStack does at a change of state."""
    notify: Callable[[Alarm, str, str, str], None] = cloudwatch._dispatch_alarm_actions

    def act(alarm: Alarm, old: str, new: str, reason: str) -> None:
        notify(alarm, old, new, reason)
        change = detail(alarm, old, new, reason, at=time.time())
        publish(alarm, change)
        if alarm.get("ActionsEnabled", True):
            for action in alarm.get(ACTIONS[new]) or []:
                if action.startswith("arn:aws:lambda:"):
                    invoke(action, alarm, change)

    cloudwatch._dispatch_alarm_actions = act
