"""Captured predictions: from log events to objects, once."""

import base64
import gzip
import importlib.util
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tidemill import observability
from tidemill.adapters import wiring
from tidemill.adapters.memory import MemoryObjects
from tidemill.serving import capture
from tidemill.serving.deliver_capture import deliver_capture

ROOT = Path(__file__).resolve().parents[3]


def line(project: str = "tides", at: str = "2026-05-04T23:59:59.5+00:00", **more: Any) -> str:
    instance = {
        "prediction_id": "r.0",
        "prediction": 1,
        "probability": 0.7,
        "features": {"a": 1.5, "b": "x", "c": None},
    }
    head = {
        "project": project,
        "at": at,
        "request_id": "r",
        "variant": "3",
        "model_version": 2,
        "entity_id": None,
        **more,
    }
    (text,) = capture.lines(head, [instance])
    return text


def named(**changes: Any) -> str:
    """A line whose model answers with a class."""
    item = {
        "prediction_id": "r.0",
        "prediction": "ebb",
        "probabilities": {"ebb": 0.7, "flood": 0.3},
        "features": {},
    }
    head = {name: value for name, value in json.loads(line()).items() if name not in ("kind", "instances")}
    (text,) = capture.lines(head, [{name: value for name, value in (item | changes).items() if value != "-"}])
    return text


def stored(objects: MemoryObjects) -> dict[str, list[str]]:
    return {key: gzip.decompress(objects.get(key)).decode().splitlines() for key in objects.keys("captured/")}


def test_lines_are_kept_by_project_and_day_of_the_request() -> None:
    objects = MemoryObjects()
    late, early, other = line(), line(at="2026-05-05T00:00:00+00:00"), line(project="depths")
    assert deliver_capture([late + "\n", early, other], objects=objects) == {"delivered": 3, "corrupt": 0}
    found = {key.rsplit("/", 1)[0]: lines for key, lines in stored(objects).items()}
    assert found == {
        "captured/tides/dt=2026-05-04": [late],
        "captured/tides/dt=2026-05-05": [early],
        "captured/depths/dt=2026-05-04": [other],
    }


def test_the_day_is_that_of_utc() -> None:
    objects = MemoryObjects()
    deliver_capture([line(at="2026-05-04T23:30:00-02:00")], objects=objects)
    assert next(objects.keys("")).startswith("captured/tides/dt=2026-05-05/")


def test_events_that_come_again_write_nothing_new() -> None:
    objects = MemoryObjects()
    for _ in range(2):
        deliver_capture([line(), line(request_id="s")], objects=objects)
    assert [len(versions) for versions in objects.versions.values()] == [1]


def test_named_classes_are_kept_as_they_were_answered() -> None:
    objects = MemoryObjects()
    assert deliver_capture([named()], objects=objects) == {"delivered": 1, "corrupt": 0}
    assert list(stored(objects).values()) == [[named()]]


@pytest.mark.parametrize(
    "corrupt",
    [
        named(prediction="slack"),
        named(probabilities="-"),
        named(prediction=1),
        named(probabilities={"ebb": 1.7}),
        named(probabilities={"ebb": "0.7"}),
        line()[:-5],
        line().replace("0.7", "1.7"),
        line().replace('"probability":0.7', '"probability":"0.7"'),
        line().replace('"model_version":2,', ""),
        line(project="../tides"),
        line(at="yesterday"),
        line(at="2026-05-04T23:59:59"),
        "what is TIDEMILL_CAPTURE?",
    ],
)
def test_a_corrupt_line_is_counted_and_the_others_kept(corrupt: str) -> None:
    objects = MemoryObjects()
    messages = ["START RequestId: r", corrupt, line(), '{"_aws": {}}']
    assert deliver_capture(messages, objects=objects) == {"delivered": 1, "corrupt": 1}
    assert list(stored(objects).values()) == [[line()]]


def invoke(payload: dict[str, Any], objects: MemoryObjects, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    path = ROOT / "functions" / "serving" / "deliver_capture.py"
    spec = importlib.util.spec_from_file_location("deliver_capture_function", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(wiring, "objects", lambda: objects)
    monkeypatch.setattr(module, "settings", lambda: SimpleNamespace(stage="dev"))
    data = base64.b64encode(gzip.compress(json.dumps(payload).encode())).decode()
    context = SimpleNamespace(
        function_name="d", memory_limit_in_mb=128, invoked_function_arn="arn", aws_request_id="r"
    )
    return module.handler({"awslogs": {"data": data}}, context)


def test_a_subscription_event(monkeypatch: pytest.MonkeyPatch) -> None:
    objects, log = MemoryObjects(), io.StringIO()
    monkeypatch.setattr(observability.logger.registered_handler, "stream", log)
    secret = line()[:-9] + "secret"
    events = [{"id": str(n), "timestamp": 0, "message": message} for n, message in enumerate([line(), secret])]
    payload = {"messageType": "DATA_MESSAGE", "owner": "1", "logStream": "s", "logEvents": events}
    payload["logGroup"] = "/aws/lambda/tidemill-dev-tides-predict"
    assert invoke(payload, objects, monkeypatch) == {"delivered": 1, "corrupt": 1}
    (kept,) = objects.keys("quarantine/tides/capture/")
    assert objects.get(kept).decode() == secret + "\n"
    assert '"corrupt":1' in log.getvalue().replace(" ", "")
    assert "secret" not in log.getvalue()


def test_a_control_message_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = MemoryObjects()
    payload = {"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "timestamp": 0, "message": "CWL"}]}
    assert invoke(payload, objects, monkeypatch) == {"delivered": 0, "corrupt": 0}
    assert objects.versions == {}
