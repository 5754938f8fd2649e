"""The Lambda handlers of batch scoring, over moto: what they parse, wire and give back."""

import importlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pydantic import ValidationError

from tests.unit.serving.harbour import PROJECT, Harbour
from tidemill import env_names
from tidemill.adapters import wiring
from tidemill.serving.scoring import Place
from tidemill.settings import settings

BUCKET = "tides-data"
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=2048,
    invoked_function_arn="arn:aws:lambda:::function:f",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 900_000,
)


def forget() -> None:
    """What a new process would not have."""
    for cached in (settings, wiring.client, wiring.objects, wiring.index):
        cached.cache_clear()


@pytest.fixture
def cloud(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A deployment in whose bucket a scoring was asked for: its ids."""
    environment = {
        env_names.ENV_STAGE: "test",
        env_names.ENV_BUCKET: BUCKET,
        env_names.ENV_TABLE: "tides",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget()
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        boto3.client("dynamodb").create_table(
            TableName="tides",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        file = harbour.put("a.csv", harbour.csv(9))
        version = s3.put_object(Bucket=BUCKET, Key=file.key, Body=harbour.objects.get(file.key))["VersionId"]
        scoring_id = harbour.ask(type(file)(file.path, file.key, version, file.size))
        for key in harbour.objects.keys(""):
            if key != file.key:
                s3.put_object(Bucket=BUCKET, Key=key, Body=harbour.objects.get(key))
        yield {"project": PROJECT, "scoring_id": scoring_id}
    forget()


def call(function: str, event: dict[str, Any]) -> Any:
    """What the function gives for the event, both as JSON."""
    module = importlib.import_module(f"functions.serving.{function}")
    return json.loads(json.dumps(module.handler(json.loads(json.dumps(event)), CONTEXT)))


def test_the_handlers_walk_a_scoring_to_its_result(cloud: dict[str, Any]) -> None:
    planned = call("plan_scoring", cloud)
    assert planned == {**cloud, "outcome": "parts", "parts": [{**cloud, "part": 1}]}
    assert call("score_part", planned["parts"][0]) == {"part": 1}
    assert call("plan_scoring", cloud)["outcome"] == "scored"
    result = call("close_scoring", cloud)
    assert (result["rows"], result["errors"]) == (9, 0)
    assert result["gb_seconds"] == pytest.approx(2 * result["seconds"])
    assert json.loads(wiring.objects().get(Place(**cloud).result)) == result


@pytest.mark.parametrize("function", ["plan_scoring", "score_part", "close_scoring"])
def test_an_event_that_lacks_something_is_refused(cloud: dict[str, Any], function: str) -> None:
    with pytest.raises(ValidationError, match="scoring_id"):
        call(function, {"project": PROJECT, "part": 1})
