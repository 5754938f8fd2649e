"""One contract for every adapter of Guards, and what the alarms of the one on CloudWatch look like."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tidemill.adapters.guards import CloudWatchGuards
from tidemill.adapters.memory import MemoryGuards
from tidemill.ports import Guards, Watch
from tidemill.release import guard_names

WATCH = Watch(release_id="tides-v00002", version="3", errors=0.05, p95_ms=1500, min_requests=20)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:tidemill-dev-alarms"


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client(
            "cloudwatch", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
        )


def alarms(client: Any) -> dict[str, dict[str, Any]]:
    return {alarm["AlarmName"]: alarm for alarm in client.describe_alarms()["MetricAlarms"]}


@pytest.fixture(params=["memory", "cloudwatch"])
def guards(request: pytest.FixtureRequest) -> Guards:
    if request.param == "memory":
        return MemoryGuards()
    return CloudWatchGuards(request.getfixturevalue("cloudwatch"), stage="dev", topic=TOPIC)


@pytest.fixture
def watched(guards: Guards, request: pytest.FixtureRequest) -> Callable[[], set[tuple[str, str]]]:
    """Which version of which project is watched."""

    def read() -> set[tuple[str, str]]:
        if isinstance(guards, MemoryGuards):
            return {(project, watch.version) for project, watch in guards.watched.items()}
        found = set()
        for name, alarm in alarms(request.getfixturevalue("cloudwatch")).items():
            versions = {
                each["Value"]
                for query in alarm["Metrics"]
                for each in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [])
                if each["Name"] == "ExecutedVersion"
            }
            (version,) = versions
            found.add((name.split("-")[-1], version))
        return found

    return read


def test_one_watch_a_project(guards: Guards, watched: Any) -> None:
    guards.set("tides", WATCH)
    guards.set("tides", WATCH)
    guards.set("wines", WATCH)
    assert watched() == {("tides", "3"), ("wines", "3")}
    guards.set("tides", Watch("tides-v00004", "5", 0.1, 100, 1))
    assert watched() == {("tides", "5"), ("wines", "3")}


def test_clearing_is_of_one_project_and_may_be_repeated(guards: Guards, watched: Any) -> None:
    guards.set("tides", WATCH)
    guards.set("wines", WATCH)
    for _ in range(2):
        guards.clear("tides")
        assert watched() == {("wines", "3")}


def test_the_alarms_watch_the_challenger_alone_by_the_names_that_are_granted(cloudwatch: Any) -> None:
    CloudWatchGuards(cloudwatch, stage="dev", topic=TOPIC).set("tides", WATCH)
    found = alarms(cloudwatch)
    assert set(found) == {guard_names.alarm("dev", kind, "tides") for kind in guard_names.KINDS}
    for alarm in found.values():
        assert alarm["AlarmDescription"].startswith(guard_names.subject("tides-v00002"))
        assert "docs/operations/guard-alarms.md" in alarm["AlarmDescription"]
        assert (alarm["TreatMissingData"], alarm["AlarmActions"]) == ("notBreaching", [TOPIC])
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (1, 3)
    of_lambda = {
        "FunctionName": "tidemill-dev-tides-predict",
        "Resource": "tidemill-dev-tides-predict:live",
        "ExecutedVersion": "3",
    }
    expected = {
        "errors": {
            "invocations": ("AWS/Lambda", "Invocations", "Sum", of_lambda),
            "errors": ("AWS/Lambda", "Errors", "Sum", of_lambda),
            "faults": ("Tidemill", "AnswerFaults", "Sum", {"stage": "dev", "project": "tides", "variant": "3"}),
        },
        "latency": {
            "invocations": ("AWS/Lambda", "Invocations", "Sum", of_lambda),
            "p95": ("AWS/Lambda", "Duration", "p95", of_lambda),
        },
    }
    for kind, metrics in expected.items():
        queries = found[guard_names.alarm("dev", kind, "tides")]["Metrics"]
        assert [query["Id"] for query in queries if query.get("ReturnData")] == [queries[0]["Id"]]
        assert {query["Id"]: told(query) for query in queries if "MetricStat" in query} == metrics
    errors, latency = (found[guard_names.alarm("dev", kind, "tides")] for kind in guard_names.KINDS)
    rate = "IF(invocations >= 20, (errors + FILL(faults, 0)) / invocations, 0)"
    assert (errors["Metrics"][0]["Expression"], errors["Threshold"]) == (rate, 0.05)
    assert (latency["Metrics"][0]["Expression"], latency["Threshold"]) == ("IF(invocations >= 20, p95, 0)", 1500)


def told(query: dict[str, Any]) -> tuple[str, str, str, dict[str, str]]:
    metric, stat = query["MetricStat"]["Metric"], query["MetricStat"]
    assert stat["Period"] == 60
    dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
    return metric["Namespace"], metric["MetricName"], stat["Stat"], dimensions


def test_the_expressions_are_what_the_embedded_cloud_understands(cloudwatch: Any) -> None:
    from local.extensions.metric_math import parse, value

    CloudWatchGuards(cloudwatch, stage="dev").set("tides", WATCH)
    known = {"invocations": 20.0, "errors": 1.0, "faults": None, "p95": 90.0}
    found = {
        name: value(parse(alarm["Metrics"][0]["Expression"]), known) for name, alarm in alarms(cloudwatch).items()
    }
    assert list(found.values()) == [0.05, 90.0]


@pytest.mark.parametrize(
    ("watch", "kinds"),
    [
        (Watch("r", "3", None, 100, 20), {"latency"}),
        (Watch("r", "3", 0.1, None, 20), {"errors"}),
        (Watch("r", "3", None, None, 20), set()),
    ],
)
def test_what_is_not_watched_any_more_has_no_alarm(cloudwatch: Any, watch: Watch, kinds: set[str]) -> None:
    guards = CloudWatchGuards(cloudwatch, stage="dev")
    guards.set("tides", WATCH)
    guards.set("tides", watch)
    assert set(alarms(cloudwatch)) == {guard_names.alarm("dev", kind, "tides") for kind in kinds}


class Refusing:
    """A CloudWatch that answers DeleteAlarms with an error."""

    def __init__(self, code: str) -> None:
        self.code = code

    def delete_alarms(self, AlarmNames: list[str]) -> None:
        raise ClientError({"Error": {"Code": self.code}}, "DeleteAlarms")


@pytest.mark.parametrize("code", ["ResourceNotFound", "ResourceNotFoundException"])
def test_an_alarm_that_is_not_there_is_removed_already(code: str) -> None:
    CloudWatchGuards(Refusing(code), stage="dev").clear("tides")


def test_another_refusal_is_told() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        CloudWatchGuards(Refusing("AccessDenied"), stage="dev").clear("tides")
