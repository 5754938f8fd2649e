"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""

import json
import time

import pytest
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from local.extensions.embedded_metrics import parse

NOW = 1_700_000_000.0


def line(**changes):
    """The specification's example, with changes of its root members; a value of None removes the member."""
    directive = {
        "Namespace": "lambda-function-metrics",
        "Dimensions": [["functionVersion"]],
        "Metrics": [{"Name": "time", "Unit": "Milliseconds", "StorageResolution": 60}],
    }
    root = {
        "_aws": {"Timestamp": int(NOW * 1000), "CloudWatchMetrics": [directive]},
        "functionVersion": "$LATEST",
        "time": 100,
        "requestId": "989ffbf8-9ace-4817-a57c-e4dd734019ee",
    } | changes
    return json.dumps({key: value for key, value in root.items() if value is not None})


def directive(**changes):
    return {"Namespace": "n", "Dimensions": [["functionVersion"]], "Metrics": [{"Name": "time"}]} | changes


def with_directive(**changes):
    return line(_aws={"Timestamp": int(NOW * 1000), "CloudWatchMetrics": [directive(**changes)]})


def test_the_specifications_example():
    (datum,) = parse(line(), now=NOW)
    assert (datum.namespace, datum.name, datum.unit) == ("lambda-function-metrics", "time", "Milliseconds")
    assert (datum.values, datum.dimensions, datum.at) == ((100.0,), {"functionVersion": "$LATEST"}, NOW)


def test_every_dimension_set_gets_the_metric():
    text = with_directive(Dimensions=[["functionVersion", "requestId"], ["functionVersion"], []])
    assert [sorted(datum.dimensions) for datum in parse(text, now=NOW)] == [
        ["functionVersion", "requestId"],
        ["functionVersion"],
        [],
    ]


def test_a_metric_may_have_many_values():
    assert parse(line(time=[1, 2.5, 3]), now=NOW)[0].values == (1.0, 2.5, 3.0)


def test_a_metric_without_unit_has_the_unit_none():
    assert parse(with_directive(), now=NOW)[0].unit == "None"


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        '{"_aws": ',
        '"_aws"',
        "[]",
        line(_aws="x"),
        line(_aws={"Timestamp": int(NOW * 1000)}),
        line(_aws={"CloudWatchMetrics": [directive()]}),
        line(_aws={"Timestamp": "today", "CloudWatchMetrics": [directive()]}),
        line(_aws={"Timestamp": int(NOW * 1000), "CloudWatchMetrics": ["x"]}),
        with_directive(Namespace=None),
        with_directive(Dimensions="functionVersion"),
        with_directive(Dimensions=[[f"d{i}" for i in range(31)]]),
        with_directive(Metrics=[{"Name": "time", "Unit": "Furlongs"}]),
        with_directive(Metrics=["time"]),
        line(functionVersion=None),
        line(functionVersion=1),
        line(time=None),
        line(time="100"),
        line(time=True),
        line(time=[1, "2"]),
        line(time=list(range(101))),
        line(time=float("nan")),
    ],
)
def test_what_does_not_follow_the_format_is_an_ordinary_line(text):
    assert parse(text, now=NOW) == []


@pytest.mark.parametrize(("age", "taken"), [(14 * 86400 - 60, 1), (14 * 86400 + 60, 0), (-7000, 1), (-7400, 0)])
def test_the_timestamp_is_at_most_two_weeks_old_and_two_hours_ahead(age, taken):
    stamped = {"Timestamp": int((NOW - age) * 1000), "CloudWatchMetrics": [directive()]}
    assert len(parse(line(_aws=stamped), now=NOW)) == taken


def test_one_bad_metric_does_not_spoil_the_others():
    text = with_directive(Metrics=[{"Name": "missing"}, {"Name": "time"}])
    assert [datum.name for datum in parse(text, now=NOW)] == ["time"]


def test_powertools_metrics_are_understood(capsys):
    with single_metric(name="DriftDetected", unit=MetricUnit.Count, value=1, namespace="Tidemill") as metric:
        metric.add_dimension("project", "flights")
    (datum,) = parse(capsys.readouterr().out, now=time.time())
    assert (datum.namespace, datum.name, datum.unit, datum.values) == (
        "Tidemill",
        "DriftDetected",
        "Count",
        (1.0,),
    )
    assert datum.dimensions["project"] == "flights"


def test_a_function_that_prints_the_format_makes_a_metric(client, function, invoke, unique):
    printed = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                directive(Namespace=unique, Dimensions=[["project"]], Metrics=[{"Name": "rows"}])
            ],
        },
        "project": "flights",
        "rows": [10, 20],
    }
    name = function(f"def handler(event, context):\n    print('before')\n    print({json.dumps(printed)!r})\n")
    invoke(name)
    assert statistics(client, unique, "rows", {"project": "flights"}) == (2.0, 30.0)


def test_put_log_events_makes_metrics_too_and_keeps_a_malformed_line(client, unique, messages):
    logs = client("logs")
    logs.create_log_group(logGroupName=unique)
    logs.create_log_stream(logGroupName=unique, logStreamName="s")
    now = int(time.time() * 1000)
    good = line(_aws={"Timestamp": now, "CloudWatchMetrics": [directive(Namespace=unique)]})
    events = [{"timestamp": now, "message": text} for text in ('{"_aws": {"broken', good)]
    logs.put_log_events(logGroupName=unique, logStreamName="s", logEvents=events)
    assert statistics(client, unique, "time", {"functionVersion": "$LATEST"}) == (1.0, 100.0)
    assert messages(unique) == ['{"_aws": {"broken', good]


def statistics(client, namespace, metric, dimensions):
    """Sample count and sum of the last hour."""
    points = client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=metric, Period=3600, Statistics=["SampleCount", "Sum"],
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=time.time() - 3600, EndTime=time.time() + 60,
    )["Datapoints"]  # fmt: skip
    return sum(point["SampleCount"] for point in points), sum(point["Sum"] for point in points)
