"""The function `withdraw_challenger` as EventBridge calls it."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from functions.release import withdraw_challenger
from tidemill import names
from tidemill.release import guard_names
from tidemill.settings import Settings

CONTEXT = SimpleNamespace(
    function_name="tidemill-test", memory_limit_in_mb=512, aws_request_id="0f3c",
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:tidemill-test",
)  # fmt: skip
ALARM = "tidemill-test-guard-errors-tides"


def metric(name: str, **dimensions: str) -> dict[str, Any]:
    stat = {
        "metric": {"namespace": "n", "name": name, "dimensions": dimensions},
        "period": 60,
        "stat": "Sum",
    }
    return {"id": name, "metricStat": stat, "returnData": False}


def event(name: str = ALARM, value: str = "ALARM", version: str = "3", **configuration: Any) -> dict[str, Any]:
    """As the CloudWatch user guide shows it ("Alarm events and EventBridge"), of an alarm on metric math."""
    lambda_ = {"FunctionName": "f", "Resource": "f:live", "ExecutedVersion": version}
    metrics = [
        {"id": "rate", "expression": "IF(…)", "label": "share of failed requests", "returnData": True},
        metric("invocations", **lambda_),
        metric("errors", **lambda_),
        metric("faults", project="tides", variant=version),
    ]
    return {
        "version": "0",
        "id": "2dde0eb1-528b-d2d5-9ca6-6d590caf2329",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "time": "2026-05-04T12:00:31Z",
        "resources": [f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}"],
        "detail": {
            "alarmName": name,
            "configuration": {"description": "Release tides-v00002: …", "metrics": metrics, **configuration},
            "previousState": {"value": "OK"},
            "state": {"value": value, "reason": "Threshold Crossed: [0.5] > (0.05)", "timestamp": "…"},
        },
    }


@pytest.fixture
def wired(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A world with a running release of version 3, wired into the handler."""
    world.released("tides-v00001")
    world.experiment("tides-v00002")
    world.shift("tides-v00002", 0)
    ports = SimpleNamespace(
        objects=lambda: world.objects,
        index=lambda: world.index,
        endpoints=lambda: world.endpoints,
        guards=lambda: world.guards,
    )
    monkeypatch.setattr(withdraw_challenger, "wiring", ports)
    monkeypatch.setattr(withdraw_challenger, "now", world.clock)
    settings = Settings(stage="test", bucket="b", table="t")
    monkeypatch.setattr(withdraw_challenger, "settings", lambda: settings)
    return world


def state(world: Any) -> str:
    return str(world.row(names.sk_release("tides-v00002"))["state"])


@pytest.mark.parametrize("kind", guard_names.KINDS)
def test_an_alarm_of_a_guard_rolls_back(wired: Any, kind: str) -> None:
    found = withdraw_challenger.handler(event(f"tidemill-test-guard-{kind}-tides"), CONTEXT)
    assert (found["outcome"], state(wired)) == ("rolled_back", "rolled_back")
    assert "[0.5] > (0.05)" in found["reason"]


@pytest.mark.parametrize(
    "told",
    [
        event(value="OK"),
        event(value="INSUFFICIENT_DATA"),
        event(version="2"),
        event("tidemill-test-drift-tides"),
        event("tidemill-prod-guard-errors-tides"),
        event(metrics=[]),
        event(metrics=[metric("errors", ExecutedVersion="3"), metric("invocations", ExecutedVersion="4")]),
        event(description="Release tides-v00001: …"),
        event("tidemill-test-guard-errors-harbours"),
    ],
)
def test_any_other_event_changes_nothing(wired: Any, told: dict[str, Any]) -> None:
    assert withdraw_challenger.handler(told, CONTEXT)["outcome"] == "ignored"
    assert state(wired) == "running"


@pytest.mark.parametrize(
    "broken", [{}, {"detail": {}}, {"detail": {"alarmName": ALARM, "state": {"value": "ALARM"}}}]
)
def test_an_event_without_its_fields_is_refused(wired: Any, broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        withdraw_challenger.handler(broken, CONTEXT)
    assert state(wired) == "running"
