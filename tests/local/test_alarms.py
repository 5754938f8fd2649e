"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import json
import re
from datetime import datetime

import pytest

from local.extensions.alarm_evaluation import state, values

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")


@pytest.fixture
def alarm(client, unique):
    """An alarm on `Drift` of project flights, 1 of 1 minute, with further settings."""
    cloudwatch = client("cloudwatch")

    def put(**settings):
        cloudwatch.put_metric_alarm(
            **{
                "AlarmName": unique, "AlarmDescription": "drift of flights",
                "Namespace": unique, "MetricName": "Drift",
                "Dimensions": [{"Name": "project", "Value": "flights"}], "Statistic": "Maximum", "Period": 60,
                "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching", **settings,
            }
        )  # fmt: skip
        return unique

    yield put
    cloudwatch.delete_alarms(AlarmNames=[f"{unique}-parent"])
    cloudwatch.delete_alarms(AlarmNames=[unique])


@pytest.fixture
def datum(client, unique):
    def put(value, project="flights"):
        dimensions = [{"Name": "project", "Value": project}]
        client("cloudwatch").put_metric_data(
            Namespace=unique, MetricData=[{"MetricName": "Drift", "Value": value, "Dimensions": dimensions}]
        )

    return put


@pytest.fixture
def changes(client, queue, unique):
    """The state change events of alarms whose name starts with this test's name, oldest first."""
    arn, read = queue
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": [{"prefix": unique}]},
    }
    client("events").put_rule(Name=unique, EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": arn}])
    return read


def into(changes, value, suffix=""):
    """The first change of an alarm into this state."""
    return next(
        (
            c
            for c in changes()
            if c["detail"]["state"]["value"] == value and c["detail"]["alarmName"].endswith(suffix)
        ),
        None,
    )


def test_a_data_point_changes_the_state_and_the_change_is_an_event(alarm, datum, changes, eventually, unique):
    alarm()
    assert eventually(lambda: into(changes, "OK"))["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    datum(1)
    event = eventually(lambda: into(changes, "ALARM"))
    arn = f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{unique}"
    assert (event["source"], event["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert (event["account"], event["region"], event["resources"]) == ("000000000000", "us-east-1", [arn])
    detail = event["detail"]
    assert detail["alarmName"] == unique
    assert detail["state"]["value"] == "ALARM"
    assert detail["state"]["reason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [1.0]")
    assert MOMENT.fullmatch(detail["state"]["timestamp"])
    assert detail["previousState"]["value"] == "OK"
    assert detail["previousState"]["reason"].startswith("Insufficient Data: 1 datapoints were unknown.")
    assert MOMENT.fullmatch(detail["previousState"]["timestamp"])
    (metric,) = detail["configuration"]["metrics"]
    assert metric["metricStat"] == {
        "metric": {"namespace": unique, "name": "Drift", "dimensions": {"project": "flights"}},
        "period": 60,
        "stat": "Maximum",
    }
    assert (metric["returnData"], detail["configuration"]["description"]) == (True, "drift of flights")


def test_another_projects_metric_does_not_touch_the_alarm(alarm, datum, client, changes, eventually, unique):
    alarm()
    eventually(lambda: into(changes, "OK"))
    datum(1, project="diamonds")
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"{unique}-other", Namespace=unique, MetricName="Drift",
        Period=60, EvaluationPeriods=1, Threshold=1, Statistic="Maximum",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Dimensions=[{"Name": "project", "Value": "diamonds"}],
    )  # fmt: skip
    assert eventually(lambda: into(changes, "ALARM", "-other"))  # both were looked at since
    client("cloudwatch").delete_alarms(AlarmNames=[f"{unique}-other"])
    assert client("cloudwatch").describe_alarms(AlarmNames=[unique])["MetricAlarms"][0]["StateValue"] == "OK"


def test_an_embedded_metric_raises_the_alarm_without_any_other_request(
    alarm, function, invoke, changes, eventually, unique
):
    alarm()
    source = f"""
import json, time
def handler(event, context):
    directive = {{"Namespace": {unique!r}, "Dimensions": [["project"]], "Metrics": [{{"Name": "Drift"}}]}}
    metadata = {{"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}}
    print(json.dumps({{"_aws": metadata, "project": "flights", "Drift": 1}}))
"""
    invoke(function(source))
    assert eventually(lambda: into(changes, "ALARM"))


def test_a_function_among_the_actions_is_invoked(alarm, datum, client, function, eventually, messages, unique):
    name = function("import json\ndef handler(event, context):\n    print(json.dumps(event))\n")
    alarm(AlarmActions=[f"arn:aws:lambda:us-east-1:000000000000:function:{name}"])
    datum(1)
    log = eventually(lambda: [m for m in messages(f"/aws/lambda/{name}") if m.startswith("{")])
    event = json.loads(log[0])
    assert event["alarmArn"] == f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{unique}"
    assert (event["source"], event["accountId"], event["region"]) == (
        "aws.cloudwatch",
        "000000000000",
        "us-east-1",
    )
    assert MOMENT.fullmatch(event["time"])
    assert (event["alarmData"]["alarmName"], event["alarmData"]["state"]["value"]) == (unique, "ALARM")
    metric = event["alarmData"]["configuration"]["metrics"][0]["metricStat"]["metric"]
    assert metric == {"namespace": unique, "name": "Drift", "dimensions": {"project": "flights"}}


def test_disabled_actions_do_not_run_but_the_event_is_sent(alarm, datum, function, changes, eventually, messages):
    name = function("def handler(event, context):\n    pass\n")
    alarm(ActionsEnabled=False, AlarmActions=[f"arn:aws:lambda:us-east-1:000000000000:function:{name}"])
    datum(1)
    assert eventually(lambda: into(changes, "ALARM"))
    assert messages(f"/aws/lambda/{name}") == []


def test_a_composite_alarm_follows_its_child(alarm, client, datum, changes, eventually, unique):
    alarm()
    client("cloudwatch").put_composite_alarm(AlarmName=f"{unique}-parent", AlarmRule=f'ALARM("{unique}")')
    datum(1)
    event = eventually(lambda: into(changes, "ALARM", "-parent"))
    assert event["detail"]["configuration"]["alarmRule"] == f'ALARM("{unique}")'
    assert f"alarm:{unique}" in event["detail"]["state"]["reasonData"]


def test_set_alarm_state_is_a_change_and_the_next_look_takes_it_back(alarm, client, changes, eventually, unique):
    alarm()
    assert eventually(lambda: into(changes, "OK"))
    client("cloudwatch").set_alarm_state(AlarmName=unique, StateValue="ALARM", StateReason="a rehearsal")
    assert eventually(lambda: into(changes, "ALARM"))["detail"]["state"]["reason"] == "a rehearsal"

    def taken_back():
        return [c for c in changes() if c["detail"]["previousState"].get("reason") == "a rehearsal"]

    assert eventually(taken_back)[0]["detail"]["state"]["value"] == "OK"


# The documentation's table for 3 out of 3, where missing points must be filled; "X" crosses the threshold.
@pytest.mark.parametrize(
    ("points", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("--X", "ALARM", "KEPT", "ALARM", "OK"),
        ("X--", "ALARM", "KEPT", "ALARM", "OK"),
        ("0--", "OK", "OK", "OK", "OK"),
        ("---", "INSUFFICIENT_DATA", "KEPT", "ALARM", "OK"),
        ("0X0", "OK", "OK", "OK", "OK"),
        ("XXX", "ALARM", "ALARM", "ALARM", "ALARM"),
    ],
)
def test_missing_data(points, missing, ignore, breaching, not_breaching):
    found = [{"-": None, "0": 0.0, "X": 1.0}[point] for point in reversed(points)]
    settings = {
        "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Threshold": 1, "EvaluationPeriods": 3,
        "StateValue": "KEPT",
    }  # fmt: skip
    treatments = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    assert {key: state(settings | {"TreatMissingData": key}, found) for key in treatments} == treatments


def test_m_out_of_n_datapoints():
    settings = {
        "ComparisonOperator": "LessThanThreshold", "Threshold": 10, "EvaluationPeriods": 3, "DatapointsToAlarm": 2,
        "StateValue": "OK",
    }  # fmt: skip
    assert state(settings, [5.0, 20.0, 5.0]) == "ALARM"
    assert state(settings, [20.0, 20.0, 5.0]) == "OK"


def test_a_period_holds_the_points_of_its_own_time():
    settings = {"Period": 60, "EvaluationPeriods": 3, "Statistic": "Sum"}
    points = [{"Timestamp": 1000 - age, "Value": age, "Unit": "Count"} for age in (0, 59, 60, 130, 200)]
    assert values(settings, points, now=1000) == [59, 60, 130]
    assert values(settings | {"Unit": "Seconds"}, points, now=1000) == [None, None, None]


def test_timestamps_of_the_event_can_be_read(alarm, changes, eventually):
    alarm()
    detail = eventually(lambda: into(changes, "OK"))["detail"]
    before, after = (datetime.fromisoformat(detail[key]["timestamp"]) for key in ("previousState", "state"))
    assert before.replace(microsecond=0) <= after
