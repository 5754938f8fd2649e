"""The handlers of approval over moto: who decides is who signed the request; errors are answers with a status."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tidemill import env_names, names, projects
from tidemill.adapters import wiring
from tidemill.adapters.callbacks import LONGEST_SUBJECT, StepFunctionsCallbacks, TopicNotices
from tidemill.ports import Update
from tidemill.settings import settings

ROOT = Path(__file__).resolve().parents[3]
ONE = "tides-v00001"
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="1", tenant_id=None
)


class StepFunctions:
    """`send_task_success`, which moto does not know: tokens that wait, and what they were answered."""

    def __init__(self) -> None:
        self.waiting: set[str] = {"token-1"}
        self.sent: list[dict[str, str]] = []

    def send_task_success(self, **request: str) -> None:
        from botocore.exceptions import ClientError

        if request["taskToken"] not in self.waiting:
            raise ClientError({"Error": {"Code": "TaskTimedOut", "Message": "gone"}}, "SendTaskSuccess")
        self.waiting.remove(request["taskToken"])
        self.sent.append(request)


@pytest.fixture
def stage(world: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A stage in which ada's run waits to be approved, its world's stores on moto."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        env_names.ENV_STAGE: "dev", env_names.ENV_BUCKET: "data", env_names.ENV_TABLE: "index",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    cached = (settings, wiring.client, wiring.objects, wiring.index, wiring.callbacks, wiring.notices)
    for each in cached:
        each.cache_clear()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="data")
        boto3.client("dynamodb").create_table(
            TableName="index",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        topic = boto3.client("sns").create_topic(Name="alarms")["TopicArn"]
        monkeypatch.setenv(env_names.ENV_TOPIC, topic)
        machines = StepFunctions()
        monkeypatch.setattr(wiring, "callbacks", lambda: StepFunctionsCallbacks(machines))
        monkeypatch.setattr(projects, "load", lambda name: world.problem)
        world.over(wiring.objects(), wiring.index())
        world.register(world.run(ONE))
        pk = names.pk("tides")
        world.index.transact([Update(pk, names.sk_run(ONE), {"submitted_by": "arn:ada", "trigger": "manual"})])
        yield SimpleNamespace(world=world, machines=machines)
    for each in cached:
        each.cache_clear()


def handler(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "functions" / "release" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module.handler


def ask() -> dict[str, Any]:
    event = {"project": "tides", "run_id": ONE, "release_id": ONE, "model_version": 1, "token": "token-1"}
    answer: dict[str, Any] = handler("request_approval")(event, CONTEXT)
    return answer


def decide(by: Any, body: Any, release: str = ONE) -> tuple[int, dict[str, Any]]:
    found = {"iam": {"userArn": by}} if isinstance(by, str) else by
    identity = {"authorizer": found} if found else {}
    event = {
        "requestContext": identity,
        "rawPath": f"/projects/tides/releases/{release}/decision",
        "pathParameters": {"release": release},
        "body": body if isinstance(body, str) else json.dumps(body),
    }
    answer = handler("decide_release")(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"])


def test_a_request_is_approved_by_who_signed_it(stage: Any) -> None:
    asked = ask()
    assert (asked["state"], asked["submitted_by"]) == ("pending", ["arn:ada"])
    body = {"decision": "approve", "reason": "fine"}
    status, refused = decide("arn:ada", body)
    assert (status, refused["error"]) == (403, "NotAllowed")
    status, decided = decide("arn:bob", body)
    assert (status, decided["state"], decided["by"]) == (200, "approved", "arn:bob")
    assert "token" not in decided
    (sent,) = stage.machines.sent
    assert json.loads(sent["output"]) == {"model_version": 1, "decision": "approve"}
    assert decide("arn:bob", body)[0] == 200, "the token was used, which is fine"
    status, conflict = decide("arn:eve", body)
    assert (status, conflict["error"]) == (409, "ConflictError")
    assert len(stage.machines.sent) == 1


def test_a_jwt_names_a_person_and_an_api_token_names_none(stage: Any) -> None:
    ask()
    body = {"decision": "approve", "reason": "fine"}
    status, refused = decide({"lambda": {"client": "night-watch"}}, body)
    assert (status, refused["error"]) == (403, "NotAllowed")
    status, decided = decide({"jwt": {"claims": {"sub": "7f1"}}}, body)
    assert (status, decided["by"]) == (200, "jwt:7f1")


def test_self_approval_is_the_stages_setting(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(env_names.ENV_SELF_APPROVAL, "true")
    settings.cache_clear()
    ask()
    assert decide("arn:ada", {"decision": "approve", "reason": "mine"})[0] == 200


def test_after_the_deadline_the_machine_ends_it_and_people_are_too_late(stage: Any) -> None:
    ask()
    past = (stage.world.now - timedelta(days=400)).isoformat()
    stage.world.index.transact([Update(names.pk("tides"), names.sk_approval(ONE), {"deadline": past})])
    answer = handler("decide_release")({"project": "tides", "release_id": ONE, "by": "arn:eve"}, CONTEXT)
    assert answer == {"decision": "expire", "model_version": 1}
    status, late = decide("arn:bob", {"decision": "approve", "reason": "sorry"})
    assert (status, late["error"]) == (409, "TooLate")


@pytest.mark.parametrize(
    ("by", "body", "release", "status", "error"),
    [
        (None, {"decision": "approve", "reason": "x"}, ONE, 403, "NotAllowed"),
        ("arn:bob", {"decision": "approve", "reason": "x"}, "tides-v00009", 404, "RecordNotFound"),
        ("arn:bob", {"decision": "expire", "reason": "x"}, ONE, 422, "RequestInvalid"),
        ("arn:bob", {"decision": "approve", "reason": ""}, ONE, 422, "RequestInvalid"),
        ("arn:bob", {"decision": "approve", "reason": "x", "by": "arn:eve"}, ONE, 422, "RequestInvalid"),
        ("arn:bob", "{", ONE, 400, "RequestInvalid"),
    ],
)
def test_what_cannot_be_decided_is_an_answer(
    stage: Any, by: str | None, body: Any, release: str, status: int, error: str
) -> None:
    ask()
    found, told = decide(by, body, release)
    assert (found, told["error"]) == (status, error)
    assert stage.machines.sent == []
    assert stage.world.row(names.sk_approval(ONE))["state"] == "pending"


def test_other_faults_of_step_functions_are_not_hidden() -> None:
    from botocore.exceptions import ClientError

    class Denying:
        def send_task_success(self, **request: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "SendTaskSuccess")

    with pytest.raises(ClientError):
        StepFunctionsCallbacks(Denying()).complete("token", {})


def test_a_long_subject_is_cut_to_what_the_topic_takes() -> None:
    sent: list[dict[str, str]] = []
    TopicNotices(SimpleNamespace(publish=lambda **request: sent.append(request)), "arn:topic").tell("s" * 300, "t")
    assert sent == [{"TopicArn": "arn:topic", "Subject": "s" * LONGEST_SUBJECT, "Message": "t"}]
