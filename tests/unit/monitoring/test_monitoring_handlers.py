"""The three functions as AWS calls them: what they take, give, and write to their logs."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from functions.monitoring import build_window, detect_drift, request_retraining
from tidemill import names
from tidemill.settings import Settings

RUN = "tides-v00001-drift-00001"
CONTEXT = SimpleNamespace(
    function_name="tidemill-test",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:tidemill-test",
    aws_request_id="0f3c",
)


@pytest.fixture
def deployed(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The world, wired into the handlers, with a dataset version and 400 shifted predictions."""
    world.put(names.sk_dataset(1), version=1)
    world.capture(400, shift=1.0)
    known = {world.project.name: world.project}
    ports = SimpleNamespace(
        objects=lambda: world.objects, index=lambda: world.index, workflows=lambda: world.workflows
    )
    for module in (build_window, detect_drift, request_retraining):
        monkeypatch.setattr(module, "wiring", ports)
        monkeypatch.setattr(module, "now", world.clock)
        monkeypatch.setattr(module, "projects", SimpleNamespace(load=known.__getitem__))
    settings = Settings(stage="test", bucket="b", table="t", cool_down_seconds=600)
    monkeypatch.setattr(request_retraining, "settings", lambda: settings)
    return world


def alarm(value: str = "ALARM", *, name: str = "tidemill-test-drift-tides") -> dict[str, Any]:
    """EventBridge's event, as the CloudWatch user guide shows it ("Alarm events and EventBridge")."""
    return {
        "version": "0",
        "id": "2dde0eb1-528b-d2d5-9ca6-6d590caf2329",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2026-03-20T11:59:31Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}"],
        "detail": {
            "alarmName": name,
            "configuration": {"metrics": []},
            "previousState": {"value": "OK", "timestamp": "2026-03-20T11:50:31.000+0000"},
            "state": {
                "value": value,
                "reason": "Threshold Crossed: 1 datapoint [1.0] was >= the threshold (1.0).",
                "reasonData": "{}",
                "timestamp": "2026-03-20T11:59:31.000+0000",
            },
        },
    }


def checked(world: Any) -> None:
    closed = build_window.handler({"project": "tides", "trigger": "schedule"}, CONTEXT)
    detect_drift.handler({"project": "tides", "window_id": closed["window_id"]}, CONTEXT)


def test_a_window_is_built_and_checked_and_measured(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    closed = build_window.handler({"project": "tides", "trigger": "schedule"}, CONTEXT)
    assert closed == {"outcome": "closed", "window_id": "00001", "rows": 400}
    capsys.readouterr()
    found = detect_drift.handler({"project": "tides", "window_id": "00001"}, CONTEXT)
    assert found["drifted"] is True and json.loads(json.dumps(found)) == found
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = {
        metric["Name"]: line[metric["Name"]]
        for line in lines
        for group in line["_aws"]["CloudWatchMetrics"]
        for metric in group["Metrics"]
        if group["Namespace"] == names.METRIC_NAMESPACE
    }
    assert metrics == {"DriftDetected": [1.0], "DriftedFeatures": [2.0], "WindowRows": [400.0]}
    assert {line["project"] for line in lines} == {"tides"}


def test_an_alarm_starts_the_run(deployed: Any) -> None:
    checked(deployed)
    assert request_retraining.handler(alarm(), CONTEXT) == {"outcome": "started", "run_id": RUN}
    assert request_retraining.handler(alarm(), CONTEXT) == {"outcome": "started", "run_id": RUN}  # redelivered
    assert list(deployed.workflows.started) == [("training", RUN)]
    entry = deployed.rows(names.AUDIT)[0]
    assert entry["at"] == "2026-03-20T11:59:31+00:00" and "Threshold Crossed" in entry["details"]["reason"]
    assert deployed.row(names.LOCK_RETRAINING)["until"] == "2026-03-20T12:10:00+00:00"


def test_an_alarm_that_ends_is_ignored(deployed: Any) -> None:
    checked(deployed)
    assert request_retraining.handler(alarm("OK"), CONTEXT)["outcome"] == "ignored"
    assert deployed.workflows.started == {}


def test_a_person_asks_too_and_is_held_back_in_the_cool_down(deployed: Any) -> None:
    checked(deployed)
    request_retraining.handler(alarm(), CONTEXT)
    held = request_retraining.handler({"project": "tides", "reason": "I want it"}, CONTEXT)
    assert (held["outcome"], held["until"]) == ("held", "2026-03-20T12:10:00+00:00")


@pytest.mark.parametrize(
    ("handler", "event"),
    [
        (build_window.handler, {"project": "tides"}),
        (detect_drift.handler, {"window_id": "00001"}),
        (request_retraining.handler, {"reason": "no project"}),
    ],
)
def test_an_event_without_its_fields_is_refused(handler: Any, event: dict[str, Any], deployed: Any) -> None:
    with pytest.raises(ValueError, match="Field required"):
        handler(event, CONTEXT)
