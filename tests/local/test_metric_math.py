"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""

import json
import time

import pytest

from local.extensions import alarm_evaluation
from local.extensions.metric_math import Unknown, parse, value

RATE = "IF(calls >= 20, (errors + FILL(faults, 0)) / calls, 0)"


@pytest.mark.parametrize(
    ("expression", "known", "expected"),
    [
        (RATE, {"calls": 20.0, "errors": 1.0, "faults": 2.0}, 0.15),
        (RATE, {"calls": 20.0, "errors": 1.0, "faults": None}, 0.05),
        (RATE, {"calls": 19.0, "errors": 19.0, "faults": None}, 0.0),
        (RATE, {"calls": None, "errors": None, "faults": 5.0}, None),
        ("a * 2 - b", {"a": 3.0, "b": 1.5}, 4.5),
        ("a / b", {"a": 3.0, "b": 0.0}, None),
        ("a + b", {"a": 3.0, "b": None}, None),
        ("IF(a > b, 1, 2)", {"a": 1.0, "b": 1.0}, 2.0),
        ("IF(a == b AND a != 2, 1, 2)", {"a": 1.0, "b": 1.0}, 1.0),
        ("IF(a < b || a <= b, a, 5)", {"a": 1.0, "b": 1.0}, 1.0),
        ("a > 0 OR b > 0", {"a": 1.0, "b": None}, None),
        ("1.5", {}, 1.5),
    ],
)
def test_what_an_expression_gives(expression, known, expected):
    found = value(parse(expression), known)
    assert found == expected if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "SUM(METRICS())",
        "a[0]",
        "unknown + 1",
        "a +",
        "IF(a, 1)",
        "IF(a, unknown, 1)",
        "IF(a, 1, 2, 3)",
        "FILL(a)",
        "a ** 2",
    ],
)
def test_what_is_not_understood_is_refused(expression):
    with pytest.raises(Unknown):
        value(parse(expression), {"a": 1.0})


def query(unique, name, stat="Sum"):
    metric = {"Namespace": unique, "MetricName": name, "Dimensions": [{"Name": "version", "Value": "3"}]}
    return {
        "Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, "ReturnData": False,
    }  # fmt: skip


@pytest.fixture
def alarm(client, unique):
    """An alarm on metric math, of three metrics of version 3."""

    def put(expression=RATE, metrics=("calls", "errors", "faults"), threshold=0.05, **settings):
        returned = {"Id": "rate", "Expression": expression, "Label": "share of errors", "ReturnData": True}
        client("cloudwatch").put_metric_alarm(
            AlarmName=unique, AlarmDescription="of version 3",
            Metrics=[returned, *(query(unique, each) for each in metrics)],
            EvaluationPeriods=1, Threshold=threshold, ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching", **settings,
        )  # fmt: skip

    yield put
    client("cloudwatch").delete_alarms(AlarmNames=[unique])


@pytest.fixture
def data(client, unique):
    def put(version="3", **metrics):
        client("cloudwatch").put_metric_data(
            Namespace=unique,
            MetricData=[
                {"MetricName": name, "Value": number, "Dimensions": [{"Name": "version", "Value": version}]}
                for name, number in metrics.items()
            ],
        )

    return put


@pytest.fixture
def state(client, unique):
    def read():
        (found,) = client("cloudwatch").describe_alarms(AlarmNames=[unique])["MetricAlarms"]
        return found["StateValue"]

    return read


def test_an_alarm_follows_its_expression(alarm, data, state, eventually):
    alarm()
    data(calls=19, errors=19)
    assert eventually(lambda: state() == "OK")
    data(calls=1, errors=0, version="2")
    data(calls=11, errors=0)
    assert eventually(lambda: state() == "ALARM")


def test_another_version_s_errors_are_not_its_own(alarm, data, state, eventually, client, unique):
    alarm()
    data(calls=30, errors=30, version="2")
    data(calls=30, errors=0)
    client("cloudwatch").put_metric_alarm(
        AlarmName=f"{unique}-other", Namespace=unique, MetricName="calls", Period=60, EvaluationPeriods=1,
        Threshold=1, Statistic="Sum", ComparisonOperator="GreaterThanThreshold",
        Dimensions=[{"Name": "version", "Value": "2"}],
    )  # fmt: skip
    others = lambda: client("cloudwatch").describe_alarms(AlarmNames=[f"{unique}-other"])["MetricAlarms"]  # noqa: E731
    assert eventually(lambda: others()[0]["StateValue"] == "ALARM")  # both were looked at since
    client("cloudwatch").delete_alarms(AlarmNames=[f"{unique}-other"])
    assert state() == "OK"


def test_the_event_tells_expression_and_metrics(alarm, data, client, queue, unique, eventually):
    arn, read = queue
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [unique], "state": {"value": ["ALARM"]}}}
    client("events").put_rule(Name=unique, EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": arn}])
    alarm()
    data(calls=20, errors=10)
    (event,) = eventually(read)
    returned, *others = event["detail"]["configuration"]["metrics"]
    assert returned == {"id": "rate", "expression": RATE, "label": "share of errors", "returnData": True}
    assert [each["id"] for each in others] == ["calls", "errors", "faults"]
    assert others[0]["metricStat"] == {
        "metric": {"namespace": unique, "name": "calls", "dimensions": {"version": "3"}},
        "period": 60,
        "stat": "Sum",
    }
    assert "[0.5] was greater than the threshold (0.05)" in event["detail"]["state"]["reason"]


def test_a_percentile_is_taken_over_the_points_of_the_period(client, unique, data, state, eventually):
    returned = {"Id": "slow", "Expression": "IF(calls >= 20, took, 0)", "ReturnData": True}
    client("cloudwatch").put_metric_alarm(
        AlarmName=unique, Metrics=[returned, query(unique, "calls"), query(unique, "took", "p95")],
        EvaluationPeriods=1, Threshold=100, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )  # fmt: skip
    for _ in range(19):
        data(calls=1, took=5)
    data(calls=1, took=1000)  # p95 of these 20 is 54.75
    assert eventually(lambda: state() == "OK")
    data(calls=1, took=1000)
    assert eventually(lambda: state() == "ALARM")
    client("cloudwatch").delete_alarms(AlarmNames=[unique])


@pytest.mark.parametrize("expression", ["SUM(METRICS())", "calls +"])
def test_an_alarm_that_could_not_be_evaluated_is_refused(alarm, client, expression):
    with pytest.raises(client("cloudwatch").exceptions.ClientError, match="ValidationError"):
        alarm(expression)


def test_an_alarm_must_return_one_thing(alarm, client, unique):
    with pytest.raises(client("cloudwatch").exceptions.ClientError, match="ValidationError"):
        client("cloudwatch").put_metric_alarm(
            AlarmName=unique, Metrics=[query(unique, "calls")], EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip


def test_an_alarm_may_return_a_metric_itself(client, unique, data, state, eventually):
    client("cloudwatch").put_metric_alarm(
        AlarmName=unique, Metrics=[{**query(unique, "calls"), "ReturnData": True}], EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
    )  # fmt: skip
    data(calls=2)
    assert eventually(lambda: state() == "ALARM")
    client("cloudwatch").delete_alarms(AlarmNames=[unique])


def test_an_alarm_that_was_deleted_during_the_look_tells_nobody(monkeypatch):
    told = []
    monkeypatch.setattr(
        alarm_evaluation.cloudwatch, "_dispatch_alarm_actions", lambda *change: told.append(change)
    )
    gone = {
        "AlarmName": "gone", "Namespace": "n", "MetricName": "m", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold", "StateValue": "INSUFFICIENT_DATA",
        "TreatMissingData": "notBreaching",
    }  # fmt: skip
    alarm_evaluation.evaluate(gone)
    assert (told, gone["StateValue"]) == ([], "INSUFFICIENT_DATA")
    monkeypatch.setitem(
        alarm_evaluation.cloudwatch._alarms._data, alarm_evaluation.cloudwatch._alarms._scoped("gone"), gone
    )
    alarm_evaluation.evaluate(gone)
    assert len(told) == 1
    assert time.time() - gone["StateUpdatedTimestamp"] < 3600
