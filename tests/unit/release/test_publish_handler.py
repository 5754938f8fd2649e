"""The function file `publish_version`: what it is told of its deployment reaches the use case."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.release.test_endpoints import FORMS, Lambda, layers
from tidemill import env_names, names, projects, settings
from tidemill.adapters import wiring

FILE = Path(__file__).resolve().parents[3] / "functions" / "release" / "publish_version.py"


def test_a_release_is_told_the_room_for_its_model(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.register(world.run("tides-v00003"))
    changed = world.problem.serving.model_copy(update={"storage": "auto"})
    problem = world.problem.model_copy(update={"serving": changed})
    told = {env_names.ENV_STAGE: "dev", env_names.ENV_BUCKET: "bucket", env_names.ENV_TABLE: "table"}
    told[env_names.ENV_MODEL_ROOM] = json.dumps({"onnx": 10})
    monkeypatch.setattr(projects, "load", lambda name: problem)
    for port in ("objects", "index", "endpoints", "guards"):
        monkeypatch.setattr(wiring, port, lambda port=port: getattr(world, port))
    spec = importlib.util.spec_from_file_location("publish_version_function", FILE)
    assert spec and spec.loader
    function = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(function)
    monkeypatch.setattr(function, "settings", lambda: settings.from_environment(told))
    event = {"project": "tides", "model_version": 1, "release_id": "tides-v00003"}
    context = SimpleNamespace(
        function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="r"
    )
    assert function.handler(event, context)["function_version"] == "2"
    assert world.endpoints.bundles == [names.release("tides", "tides-v00003") + "bundle.zip"]


def test_the_endpoints_are_told_the_layers_in_which_forms_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Lambda()
    told = {env_names.ENV_STAGE: "dev", env_names.ENV_BUCKET: "bucket", env_names.ENV_TABLE: "table"}
    told[env_names.ENV_ENDPOINT_LAYERS] = json.dumps(FORMS)
    monkeypatch.setattr(wiring, "settings", lambda: settings.from_environment(told))
    monkeypatch.setattr(wiring, "client", lambda name: service)
    wiring.endpoints.cache_clear()
    try:
        version = wiring.endpoints().publish(
            "tides", bundle_key="bundle.zip", model_version=1, identity="f" * 64, kind="skops"
        )
    finally:
        wiring.endpoints.cache_clear()
    assert layers(service, version)[1:3] == FORMS["skops"]
