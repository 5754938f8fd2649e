"""https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html"""

import json
import time

import pytest

from local.extensions import lambda_metrics
from local.extensions.lambda_metrics import add, dimensions

ARN = "arn:aws:lambda:us-east-1:000000000000:function:sample"
SLOW_START = """
import time
time.sleep(3)
def handler(event, context):
    if event == "fail":
        raise ValueError("as asked")
    return context.function_version
"""


@pytest.fixture
def total(client):
    """Sum of a metric over the last minutes, under exactly these dimensions."""

    def read(metric, statistic="Sum", **wanted):
        found = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda", MetricName=metric, StartTime=time.time() - 3000, EndTime=time.time() + 600,
            Period=3600, Statistics=[statistic], Dimensions=[{"Name": n, "Value": v} for n, v in wanted.items()],
        )["Datapoints"]  # fmt: skip
        return sum(point[statistic] for point in found)

    return read


@pytest.mark.parametrize(
    ("arn", "version", "expected"),
    [
        (ARN, "$LATEST", [{}]),
        (f"{ARN}:$LATEST", "$LATEST", [{}]),
        (f"{ARN}:3", "3", [{}, {"Resource": "sample:3"}]),
        (
            f"{ARN}:live",
            "3",
            [{}, {"Resource": "sample:live"}, {"Resource": "sample:live", "ExecutedVersion": "3"}],
        ),
    ],
)
def test_dimensions_of_an_invocation(arn, version, expected):
    config = {"FunctionName": "sample", "FunctionArn": arn, "Version": version}
    assert list(dimensions(config)) == [{"FunctionName": "sample", **each} for each in expected]


def test_the_versions_of_an_alias_are_told_apart(client, function, total):
    name, lambda_ = function(SLOW_START), client("lambda")
    first = lambda_.publish_version(FunctionName=name)["Version"]
    lambda_.update_function_configuration(FunctionName=name, Description="second")
    second = lambda_.publish_version(FunctionName=name)["Version"]
    routing = {"AdditionalVersionWeights": {second: 0.5}}
    lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion=first, RoutingConfig=routing)
    ran = {first: 0, second: 0}
    while 0 in ran.values():
        answer = lambda_.invoke(FunctionName=name, Qualifier="live", Payload=json.dumps("go"))
        ran[json.loads(answer["Payload"].read())] += 1
    lambda_.invoke(FunctionName=name, Qualifier=second, Payload=json.dumps("fail"))

    of = {"FunctionName": name, "Resource": f"{name}:live"}
    for version, times in ran.items():
        assert total("Invocations", **of, ExecutedVersion=version) == times
        assert total("Errors", **of, ExecutedVersion=version) == 0
    assert total("Invocations", **of) == sum(ran.values())
    assert total("Errors", FunctionName=name, Resource=f"{name}:{second}") == 1
    assert total("Invocations", FunctionName=name) == sum(ran.values()) + 1
    # The initialization, which takes three seconds, is no part of the duration.
    assert 0 < total("Duration", "Minimum", **of, ExecutedVersion=first) < 3000


def test_an_invocation_by_another_service_counts_too(client, function, http_api, signed_request, total):
    name = function()
    arn = client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    client("lambda").publish_version(FunctionName=name)
    client("lambda").create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    signed_request("GET", f"{http_api(f'{arn}:live')}/answer")
    assert total("Invocations", FunctionName=name, Resource=f"{name}:live", ExecutedVersion="1") == 1
    assert total("Invocations", FunctionName=name) == 1


def test_an_invocation_counts_once(function, invoke, total):
    name = function()
    invoke(name)
    assert total("Invocations", FunctionName=name) == 1


def test_of_a_storm_the_last_points_are_kept(monkeypatch, unique):
    monkeypatch.setattr(lambda_metrics, "KEPT", 10)
    for number in range(23):
        add("Duration", number, "Milliseconds", {"FunctionName": unique})
    key = (lambda_metrics.NAMESPACE, "Duration", lambda_metrics.cloudwatch._dims_key({"FunctionName": unique}))
    points = [point["Value"] for point in lambda_metrics.cloudwatch._metric_bucket(key)]
    assert 5 <= len(points) <= 10
    assert points == list(range(23))[-len(points) :]
