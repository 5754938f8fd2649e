"""The Lambda handlers of the training stage, over moto: what they parse, wire and give back."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import ValidationError

from tidemill import env_names, names
from tidemill.adapters import wiring
from tidemill.errors import OptionRefused
from tidemill.settings import settings

ROOT = Path(__file__).resolve().parents[3]
RUN = {"project": "tides", "run_id": "tides-v00001"}
INPUT = {**RUN, "dataset_version": 1, "reason": "new dataset version", "trigger": "data", "options": {}}
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=3008,
    invoked_function_arn="arn:aws:lambda:::function:f",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 900_000,
    log_group_name="/aws/lambda/f",
    log_stream_name="2026/03/01/[$LATEST]1",
)


def forget() -> None:
    """What a new process would not have."""
    for cached in (settings, wiring.client, wiring.objects, wiring.index, wiring.workflows, wiring.studies):
        cached.cache_clear()
    sys.modules.pop("tidemill_projects", None)


@pytest.fixture
def cloud(mill: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A deployment whose bucket holds dataset version 1."""
    package = tmp_path / "tidemill_projects"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tides.json").write_text(mill.project.model_dump_json())
    monkeypatch.syspath_prepend(tmp_path)
    environment = {
        env_names.ENV_STAGE: "test",
        env_names.ENV_BUCKET: "tides-data",
        env_names.ENV_TABLE: "tides",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget()
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="tides-data")
        for key, versions in mill.objects.versions.items():
            s3.put_object(Bucket="tides-data", Key=key, Body=versions[-1])
        boto3.client("dynamodb").create_table(
            TableName="tides",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        )
        yield s3
    forget()


def call(function: str, event: dict[str, Any]) -> dict[str, Any]:
    """What the function gives for the event, both as JSON."""
    module = importlib.import_module(f"functions.training.{function}")
    answer: dict[str, Any] = json.loads(json.dumps(module.handler(json.loads(json.dumps(event)), CONTEXT)))
    return answer


def row() -> dict[str, Any]:
    found = wiring.index().get(names.pk("tides"), names.sk_run("tides-v00001"))
    assert found is not None
    return found


def test_a_run_goes_through_to_its_verdict(cloud: Any) -> None:
    assert call("prepare_data", INPUT)["rows"].keys() == {"train", "validation", "holdout"}
    slots = [{**RUN, "slot": slot} for slot in (0, 1)]
    assert call("plan_trials", INPUT) == {"slots": slots, "wide": False, "compute": "lambda"}
    assert row()["state"] == "running"
    done = [call("run_trial", slot) for slot in slots]
    assert [trial["state"] for trial in done] == ["complete", "complete"]
    assert call("run_trial", {**RUN, "slot": 0})["why"] == "all 2 trials have begun"
    best = call("select_best", RUN)
    assert best["value"] == min(trial["value"] for trial in done)
    assert call("fit_final", RUN) == {"final_key": "runs/tides/tides-v00001/final/final.json", "more": False}
    evaluated = call("evaluate_candidate", RUN)
    assert evaluated["passed"]
    body = cloud.get_object(Bucket="tides-data", Key=evaluated["evaluation_key"])["Body"].read()
    closed = call("close_run", {**RUN, "state": "passed"})
    assert closed == {"state": "passed", "release_id": "tides-v00001"}
    assert row()["metrics"] == pytest.approx(json.loads(body)["metrics"])


def read(cloud: Any, path: str) -> dict[str, Any]:
    body = cloud.get_object(Bucket="tides-data", Key=f"runs/tides/tides-v00001/{path}")["Body"].read()
    document: dict[str, Any] = json.loads(body)
    return document


def test_the_record_says_from_what_and_where(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"lock": "a" * 64, "git": {"commit": "c" * 40, "dirty": True, "changes": "d" * 64}}
    monkeypatch.setenv(env_names.ENV_SOURCE, json.dumps(source))
    call("prepare_data", INPUT)
    call("plan_trials", INPUT)
    plan = read(cloud, "plan.json")
    assert {name: plan[name] for name in source} == source
    call("run_trial", {**RUN, "slot": 0})
    call("select_best", RUN)
    call("fit_final", RUN)
    log = {"group": "/aws/lambda/f", "stream": "2026/03/01/[$LATEST]1", "request_id": "r"}
    for path in ("trials/0000.json", "final/final.json"):
        made = read(cloud, path)
        assert (made["log"], made["memory_mb"]) == (log, 3008)
        assert made["seconds"] > 0
        assert made["gb_seconds"] == pytest.approx(made["seconds"] * 3008 / 1024)


def test_a_plan_without_a_source_says_so(cloud: Any) -> None:
    call("prepare_data", INPUT)
    call("plan_trials", INPUT)
    plan = read(cloud, "plan.json")
    assert (plan["lock"], plan["git"]) == (None, None)


def test_a_lost_slot_is_recorded_by_the_same_function(cloud: Any) -> None:
    call("prepare_data", INPUT)
    call("plan_trials", INPUT)
    description = json.dumps({"TrainingJobName": "t" * 2000, "FailureReason": "AlgorithmError: no memory"})
    job = {"error": {"Error": "States.TaskFailed", "Cause": description}, "loss": "execution/job/9/1"}
    assert call("run_trial", {**RUN, "slot": 9, **job})["why"] == (
        "a slot was lost: States.TaskFailed: AlgorithmError: no memory"
    )
    killed = {"error": {"Error": "Runtime.ExitError", "Cause": "killed"}, "loss": "execution/1/1"}
    lost = call("run_trial", {**RUN, "slot": 1, **killed})
    assert (lost["more"], lost["why"]) == (True, "a slot was lost: Runtime.ExitError: killed")


def test_a_failure_closes_the_run_even_if_it_was_never_opened(cloud: Any) -> None:
    error = {"Error": "States.Timeout", "Cause": ""}
    assert call("close_run", {**RUN, "state": "failed", "error": error})["state"] == "failed"
    assert row()["error"] == "States.Timeout"


def test_rehearsal_is_what_the_deployment_says(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {**INPUT, "options": {"waive_gates": "to show it"}}
    with pytest.raises(OptionRefused):
        call("prepare_data", asked)
    monkeypatch.setenv(env_names.ENV_REHEARSAL, "true")
    settings.cache_clear()
    call("prepare_data", asked)
    assert len(call("plan_trials", asked)["slots"]) == 2


@pytest.mark.parametrize("options", [{"shuffle": True}, {"seed": -1}, {"waive_gates": ""}])
def test_an_option_that_does_not_exist_or_says_nothing_is_refused(cloud: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="options"):
        call("prepare_data", {**INPUT, "options": options})


@pytest.mark.parametrize("function", ["close_run"])
def test_a_function_with_the_core_layer_alone_imports_nothing_else(function: str) -> None:
    script = f"""
import sys
for absent in ("numpy", "pandas", "scipy", "sklearn", "optuna", "onnx", "skops", "threadpoolctl"):
    sys.modules[absent] = None
import functions.training.{function}
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
