"""The function file `predict`, as Lambda runs it."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "functions" / "serving" / "predict.py"
SLOW = {"boto3", "botocore", "pandas", "sklearn", "scipy", "pydantic", "aws_lambda_powertools", "yaml", "onnx"}
SLOW |= {"asyncio", "http", "ssl", "urllib", "email", "tempfile", "multiprocessing"}
NEEDED = ("tidemill.errors", "tidemill.names", "tidemill.env_names", "tidemill.time_parts", "tidemill.times")


def imported() -> ModuleType:
    spec = importlib.util.spec_from_file_location("predict_function", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def invoke(module: ModuleType, body: object) -> dict:
    event = {"version": "2.0", "requestContext": {}, "body": json.dumps(body)}
    return module.handler(event, SimpleNamespace(aws_request_id="8f5a"))


def test_a_released_endpoint_answers_with_its_version(
    deployed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "12")
    response = invoke(imported(), {"instances": [{"delay": 5, "carrier": "UA"}]})
    assert response["statusCode"] == 200
    answer = json.loads(response["body"])
    assert (answer["variant"], answer["predictions"][0]["prediction_id"]) == ("12", "8f5a.0")
    kinds = [json.loads(line).get("kind") for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["TIDEMILL_CAPTURE", None]


def test_an_endpoint_as_first_deployed_says_that_it_has_no_model() -> None:
    response = invoke(imported(), {"instances": []})
    assert (response["statusCode"], json.loads(response["body"])["error"]) == (503, "ModelNotReady")


def test_an_unverified_model_never_answers(deployed: Path) -> None:
    (deployed / "model.onnx").write_bytes(b"")
    response = invoke(imported(), {"instances": [{"delay": 5, "carrier": "UA"}]})
    assert (response["statusCode"], json.loads(response["body"])["error"]) == (503, "ArtifactCorrupt")


# What a fresh process does until its first answer: the modules it has then, and whether it touched the network.
COLD = """
import json, runpy, sys
from types import SimpleNamespace
touched = []
sys.addaudithook(lambda event, arguments: touched.append(event) if event.startswith("socket.") else None)
handler = runpy.run_path(sys.argv[1])["handler"]
event = {"version": "2.0", "requestContext": {}, "body": sys.argv[2]}
response = handler(event, SimpleNamespace(aws_request_id="8f5a"))
print(json.dumps({"status": response["statusCode"], "modules": sorted(sys.modules), "touched": touched}))
"""


def test_a_cold_start_imports_nothing_slow_and_asks_nobody(deployed: Path) -> None:
    body = json.dumps({"instances": [{"delay": 5, "carrier": "UA"}]})
    path = os.pathsep.join([str(ROOT / "layers" / "core" / "python"), str(deployed.parent)])
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(FILE), body],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    modules = {name.split(".")[0] for name in found["modules"]}
    assert (found["status"], found["touched"]) == (200, [])
    assert {"numpy", "onnxruntime", "tidemill"} <= modules
    assert modules & SLOW == set()
    # All of the library that an endpoint needs: what is added here is added to each cold start.
    ours = {name for name in found["modules"] if name.startswith("tidemill.")}
    assert not {name for name in ours if not name.startswith(("tidemill.serving", *NEEDED))}


def test_a_corrupt_model_is_counted_by_project_and_version(
    deployed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "12")
    monkeypatch.setenv("TIDEMILL_PROJECT", "tides")
    monkeypatch.setenv("TIDEMILL_STAGE", "dev")
    (deployed / "model.onnx").write_bytes(b"")
    module = imported()
    for _ in range(2):  # a model that was refused is not taken at the second request
        response = invoke(module, {"instances": [{"delay": 5, "carrier": "UA"}]})
        assert (response["statusCode"], json.loads(response["body"])["error"]) == (503, "ArtifactCorrupt")
        (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
        told = {name: line[name] for name in ("project", "stage", "variant", "AnswerFaults", "ArtifactsRefused")}
        assert told == {
            "project": "tides", "stage": "dev", "variant": "12", "AnswerFaults": 1, "ArtifactsRefused": 1,
        }  # fmt: skip


def test_another_project_s_model_does_not_answer(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_PROJECT", "wines")
    response = invoke(imported(), {"instances": [{"delay": 5, "carrier": "UA"}]})
    assert (response["statusCode"], json.loads(response["body"])["error"]) == (503, "ArtifactCorrupt")
