"""The Lambda handlers of the data stage, over moto: what they parse, wire and give back."""

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

from tidemill import env_names
from tidemill.adapters import wiring
from tidemill.data.formats import delimited
from tidemill.settings import settings

ROOT = Path(__file__).resolve().parents[3]
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:::function:f",
    aws_request_id="r",
)


def forget() -> None:
    """What a new process would not have."""
    for cached in (settings, wiring.client, wiring.objects, wiring.index, wiring.workflows):
        cached.cache_clear()
    sys.modules.pop("tidemill_projects", None)


@pytest.fixture
def s3(shore: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A deployment: bucket, table, environment and the project file in the layer."""
    package = tmp_path / "tidemill_projects"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tides.json").write_text(shore.project.model_dump_json())
    monkeypatch.syspath_prepend(tmp_path)
    environment = {
        env_names.ENV_STAGE: "test",
        env_names.ENV_BUCKET: "tides-data",
        env_names.ENV_TABLE: "tides",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget()
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="tides-data")
        client.put_bucket_versioning(Bucket="tides-data", VersioningConfiguration={"Status": "Enabled"})
        boto3.client("dynamodb").create_table(
            TableName="tides",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        )
        yield client
    forget()


def call(function: str, event: dict[str, Any]) -> dict[str, Any]:
    """What the function gives for the event, both as JSON."""
    module = importlib.import_module(f"functions.data.{function}")
    answer: dict[str, Any] = json.loads(json.dumps(module.handler(json.loads(json.dumps(event)), CONTEXT)))
    return answer


def uploaded(s3: Any, body: bytes, key: str = "incoming/tides/a.csv") -> dict[str, Any]:
    version_id = s3.put_object(Bucket="tides-data", Key=key, Body=body)["VersionId"]
    return {"key": key, "version_id": version_id, "sequencer": "0055AED6DCD90281E5"}


def test_an_upload_goes_through_to_its_comparison(s3: Any, shore: Any) -> None:
    event = uploaded(s3, shore.good())
    registered = call("register_version", event)
    assert registered["outcome"] == "registered"
    assert call("validate_version", registered)["outcome"] == "accepted"
    accepted = call("accept_version", registered)
    assert (accepted["dataset_version"], accepted["run_id"]) == (1, "tides-v00001")
    assert call("accept_version", registered) == accepted
    compared = call("compare_version", accepted)
    body = s3.get_object(Bucket="tides-data", Key=compared["comparison_key"])["Body"].read()
    assert json.loads(body)["parent"] == 0
    again = call("register_version", event)
    assert (again["outcome"], again["same_upload"]) == ("unchanged", True)


def test_a_large_upload_goes_through_in_parts(s3: Any, shore: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(env_names.ENV_SPLIT_BYTES, "256")
    settings.cache_clear()
    original = delimited.pieces
    monkeypatch.setattr(delimited, "pieces", lambda chunks, **how: original(chunks, **how | {"block_bytes": 128}))
    event = uploaded(s3, shore.good())
    divided = call("register_version", event)
    assert (divided["outcome"], len(divided["parts"]) > 2) == ("divided", True)
    for number, part in enumerate(divided["parts"], start=1):
        assert call("read_part", part) == {"part": number}
    registered = call("merge_parts", event)
    assert registered["outcome"] == "registered"
    assert call("validate_version", registered)["rows"] == 20
    assert call("accept_version", registered)["dataset_version"] == 1


def test_a_damaged_upload_goes_to_quarantine(s3: Any, shore: Any) -> None:
    registered = call(
        "register_version", uploaded(s3, shore.csv(shore.lines(), header="at,level,gates,wind,empty"))
    )
    assert (registered["outcome"], registered["code"]) == ("rejected", "missing_column")
    quarantined = call("quarantine_upload", registered)
    body = s3.get_object(Bucket="tides-data", Key=quarantined["reason_key"])["Body"].read()
    assert json.loads(body)["validation_key"] == registered["validation_key"]


def test_a_batch_that_breaks_a_rule_goes_to_quarantine(s3: Any, shore: Any) -> None:
    registered = call("register_version", uploaded(s3, shore.csv([line[:-1] + "1" for line in shore.lines()])))
    rejected = call("validate_version", registered)
    assert rejected["code"] == "target_one_class"
    quarantined = call("quarantine_upload", rejected)
    kept = s3.list_objects_v2(Bucket="tides-data", Prefix="quarantine/")["Contents"]
    assert quarantined["reason_key"] in {item["Key"] for item in kept}
    assert len(kept) == 2


def test_the_files_of_a_folder_become_a_version(s3: Any, shore: Any) -> None:
    for number in range(2):
        key = f"incoming/tides/may/{number}.csv"
        assert call("register_version", uploaded(s3, shore.good(number), key))["outcome"] == "waiting"
    marker = call("register_version", uploaded(s3, b"", "incoming/tides/may/_SUCCESS"))
    closed = call("close_batch", marker)
    assert closed["outcome"] == "closed"
    assert call("validate_version", closed)["rows"] == 40
    assert call("accept_version", closed)["dataset_version"] == 1


def test_a_failure_is_recorded(s3: Any) -> None:
    event = {**uploaded(s3, b"x"), "error": "AccessDenied", "cause": "no grant"}
    assert call("record_failure", event)["state"] == "failed"


def test_an_unknown_project_is_rejected_by_the_deployed_project_files(s3: Any, shore: Any) -> None:
    answer = call("register_version", uploaded(s3, shore.good(), "incoming/river/a.csv"))
    assert (answer["outcome"], answer["code"]) == ("rejected", "unknown_project")


def test_an_event_without_its_fields_is_refused(s3: Any) -> None:
    with pytest.raises(ValidationError, match="version_id"):
        call("register_version", {"key": "incoming/tides/a.csv"})


@pytest.mark.parametrize("function", ["accept_version", "close_batch", "quarantine_upload", "record_failure"])
def test_a_function_with_the_core_layer_alone_imports_nothing_else(function: str) -> None:
    script = f"""
import sys
for absent in ("numpy", "pandas", "pyarrow", "charset_normalizer", "scipy", "sklearn"):
    sys.modules[absent] = None
import functions.data.{function}
"""
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/core/python'}"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
