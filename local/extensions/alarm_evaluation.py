"""CloudWatch alarms look at their own metric, period by period, once a second.

MiniStack compares every data point of the metric's name, whatever its dimensions, and only when metrics are put
through the API. Here an alarm reads the one metric of its namespace, name and dimensions, needs M of N periods
(`DatapointsToAlarm` of `EvaluationPeriods`), treats missing data as configured
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html), and is looked at
every second, so that it also returns to OK by itself. Alarms on metric math (`Metrics`) are evaluated, which
MiniStack drops; `metric_math` says what of it is understood.

Differs from CloudWatch: the periods are counted back from now and the current one is looked at while it fills,
so that an alarm follows a data point within seconds; nothing older than the evaluation periods is looked at; there
is no anomaly detection.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudwatch

from local.extensions import metric_math

Alarm = dict[str, Any]
Point = dict[str, Any]

LOOK_SECONDS = 1.0
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": float.__ge__,
    "GreaterThanThreshold": float.__gt__,
    "LessThanThreshold": float.__lt__,
    "LessThanOrEqualToThreshold": float.__le__,
}

logger = logging.getLogger(__name__)

_transition = threading.RLock()  # requests and the look of every second must not both take the same transition


def values(alarm: Alarm, points: Sequence[Point], *, now: float) -> list[float | None]:
    """The statistic of each evaluation period, the newest first; None where there is no data."""
    period = alarm["Period"]
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    unit = alarm.get("Unit")
    found: list[float | None] = []
    for index in range(alarm["EvaluationPeriods"]):
        end = now - index * period
        within = [p for p in points if end - period < p["Timestamp"] <= end and unit in (None, p["Unit"])]
        stats = cloudwatch._calc_stats(within)
        found.append(cloudwatch._stat_value(stats, statistic, within) if stats else None)
    return found


def of_metric(settings: Alarm, metric: Alarm, *, now: float) -> list[float | None]:
    """`values` of the one metric of that namespace, name and dimensions."""
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    points = cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []
    return values(settings, list(points), now=now)


def of_math(alarm: Alarm, *, now: float) -> list[float | None]:
    """`values` of the expression that the alarm returns. Raises `metric_math.Unknown`."""
    columns: dict[str, list[float | None]] = {}
    for query in alarm["Metrics"]:
        if stat := query.get("MetricStat"):
            settings = {
                "Period": stat["Period"],
                "EvaluationPeriods": alarm["EvaluationPeriods"],
                "ExtendedStatistic": stat["Stat"],
                "Unit": stat.get("Unit"),
            }
            columns[query["Id"]] = of_metric(settings, stat["Metric"], now=now)
    (returned,) = [query for query in alarm["Metrics"] if query.get("ReturnData", True)]
    if "MetricStat" in returned:
        return columns[returned["Id"]]
    tree = metric_math.parse(returned["Expression"])
    rows = range(alarm["EvaluationPeriods"])
    return [metric_math.value(tree, {name: column[row] for name, column in columns.items()}) for row in rows]


def state(alarm: Alarm, found: Sequence[float | None]) -> str:
    """The alarm's state after these periods."""
    compare = COMPARISONS[alarm["ComparisonOperator"]]
    known = [value for value in found if value is not None]
    breaching = sum(compare(float(value), float(alarm["Threshold"])) for value in known)
    missing = len(found) - len(known)
    needed: int = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    current: str = alarm["StateValue"]
    match alarm.get("TreatMissingData") or "missing":
        case "breaching":
            return "ALARM" if breaching + missing >= needed else "OK"
        case "notBreaching":
            return "ALARM" if breaching >= needed else "OK"
        case "ignore":
            decided = breaching >= needed or breaching + missing < needed
            return current if not decided else "ALARM" if breaching >= needed else "OK"
    if not known:
        return "INSUFFICIENT_DATA"
    return "ALARM" if breaching >= min(needed, len(known)) else "OK"


def reason(alarm: Alarm, found: Sequence[float | None], new: str) -> str:
    """Why the alarm is in this state, in CloudWatch's words."""
    known = [value for value in found if value is not None]
    if not known:
        return f"Insufficient Data: {len(found)} datapoints were unknown."
    verb = "was" if len(known) == 1 else "were"
    words = {
        "GreaterThanOrEqualToThreshold": "greater than or equal to",
        "GreaterThanThreshold": "greater than",
        "LessThanThreshold": "less than",
        "LessThanOrEqualToThreshold": "less than or equal to",
    }
    comparison = ("" if new == "ALARM" else "not ") + words[alarm["ComparisonOperator"]]
    return (
        f"Threshold Crossed: {len(known)} out of the last {len(found)} datapoints {known} {verb} {comparison} "
        f"the threshold ({float(alarm['Threshold'])})."
    )


def evaluate(alarm: Alarm) -> None:
    """Look at the alarm's metric now; on a change of state record it, run the actions, tell composite alarms."""
    watched = alarm.get("Metrics") or (alarm.get("Namespace") and alarm.get("MetricName"))
    if not watched or alarm.get("ComparisonOperator") not in COMPARISONS:
        return
    now = time.time()
    with _transition:
        if cloudwatch._alarms.get(alarm["AlarmName"]) is not alarm:
            return  # deleted, or put anew, since the look began
        found = of_math(alarm, now=now) if alarm.get("Metrics") else of_metric(alarm, alarm, now=now)
        old, new = alarm["StateValue"], state(alarm, found)
        if new == old:
            return
        why = reason(alarm, found, new)
        alarm.update(StateValue=new, StateReason=why, StateUpdatedTimestamp=int(now))
        cloudwatch._record_history(alarm["AlarmName"], old, new, why)
        cloudwatch._dispatch_alarm_actions(alarm, old, new, why)
        cloudwatch._evaluate_parent_alarms(alarm)


def look() -> None:
    """Evaluate every alarm of every account and region."""
    for (account, region, name), alarm in list(cloudwatch._alarms._data.items()):
        set_request_account_id(account)
        set_request_region(region)
        try:
            cloudwatch._evaluate_alarm(alarm)
        except Exception:  # one alarm that cannot be evaluated must not keep the others from it
            logger.exception("the alarm %s could not be evaluated", name)


def install() -> None:
    put: Callable[..., Any] = cloudwatch._put_metric_alarm

    def put_with_math(params: Any, body: Any, is_cbor: bool, is_json: bool = False) -> Any:
        """boto3 sends JSON; metrics of the old query protocol are dropped as before."""
        if not body.get("Metrics"):
            return put(params, body, is_cbor, is_json)
        alarm = {"Period": 60, **body, "StateValue": "OK"}
        try:
            of_math(alarm, now=time.time())
        except ValueError as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        with _transition:
            answer = put(params, body, is_cbor, is_json)
            if kept := cloudwatch._alarms.get(body["AlarmName"]):
                kept["Metrics"] = body["Metrics"]
                evaluate(kept)
        return answer

    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._put_metric_alarm = put_with_math
