"""Who may do what: no managed policy, every `*` with its reason, machines call what they name, predict nothing."""

import json
import re

import pytest

from infra import definitions
from infra.grants import Grant

PUBLISHING = (
    *("GetFunctionConfiguration", "ListVersionsByFunction"),
    *("PublishVersion", "UpdateFunctionConfiguration"),
)
# Every action whose resource holds a `*`, as the template has it (references shortened), and why it must.
STARS = {
    ("s3:GetObject", "<Data.Arn>/<prefix>/*"): "the keys below a prefix are made at run time",
    ("s3:GetObjectVersion", "<Data.Arn>/<prefix>/*"): "an upload is read as the version that the event named",
    ("s3:PutObject", "<Data.Arn>/<prefix>/*"): "the keys below a prefix are made at run time",
    ("s3:AbortMultipartUpload", "<Data.Arn>/<prefix>/*"): "a stream that broke leaves nothing",
    ("s3:DeleteObjectVersion", "<Data.Arn>/<prefix>/*"): "what is in quarantine is nowhere else",
    ("states:DescribeExecution", "execution:tidemill-<stage>-data:*"): "the executions of this machine's own Map",
    ("states:StopExecution", "execution:tidemill-<stage>-data:*"): "the executions of this machine's own Map",
    **{
        (f"states:{action}", f"execution:tidemill-<stage>-{word}:*"): "the executions of its own Map"
        for action in ("DescribeExecution", "StopExecution")
        for word in ("training", "serving")
    },
    ("lambda:PublishLayerVersion", "layer:tidemill-<stage>-*-model"): "the model layers of this stage's projects",
    ("lambda:GetLayerVersion", "layer:tidemill-<stage>-*:*"): "this stage's layers, by the number of a version",
    ("lambda:ListLayerVersions", "*"): "the action knows no resources",
    **{
        (f"lambda:{action}", f"function:tidemill-<stage>-*-predict{version}"): "this stage's endpoints"
        for version, actions in {
            "": (*PUBLISHING, "GetAlias", "UpdateAlias"),
            ":live": ("GetAlias", "UpdateAlias"),
            ":*": (*PUBLISHING, "InvokeFunction"),
        }.items()
        for action in actions
    },
    **{
        (f"sagemaker:{action}", f"{kind}:tidemill-<stage>-*"): "this stage's jobs are named at run time"
        for kind, word in {
            "training-job": "TrainingJob", "hyper-parameter-tuning-job": "HyperParameterTuningJob",
        }.items()
        for action in (f"Create{word}", f"Describe{word}", f"Stop{word}", "AddTags")
    },
    **{
        (f"logs:{action}", f"log-group:/aws/sagemaker/TrainingJobs:{streams}"): "streams are named by jobs"
        for action, streams in {
            "CreateLogGroup": "*", "DescribeLogStreams": "*",
            "CreateLogStream": "log-stream:*", "PutLogEvents": "log-stream:*",
        }.items()
    },
    **{
        (f"cloudwatch:{action}", "alarm:tidemill-<stage>-guard-*"): "releases make and remove their alarms"
        for action in ("DeleteAlarms", "PutMetricAlarm")
    },
    ("cloudwatch:PutMetricData", "*"): "the action knows no resources; held to SageMaker's namespaces",
    **{
        (f"xray:{action}", "*"): "the action knows no resources"
        for action in (
            "PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets",
        )
    },
    **{
        (f"logs:{action}", "*"): "log delivery knows no resources"
        for action in (
            "CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies",
            "GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery",
        )
    },
}  # fmt: skip


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


def text(value) -> str:
    """An ARN in a template as text, references in angle brackets."""
    if isinstance(value, dict):
        ((function, argument),) = value.items()
        if function == "Fn::Join":
            return "".join(text(part) for part in argument[1])
        if function == "Fn::GetAtt":
            return f"<{argument[0]}.{argument[1]}>"
        return f"<{argument}>"
    return str(value)


def statements(template, of_kind) -> list[tuple[str, dict]]:
    """(role's logical id, statement) of every role."""
    return [
        (name, statement)
        for name, role in of_kind(template, "AWS::IAM::Role").items()
        for policy in role.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def shortened(arn: str) -> str:
    arn = re.sub(r"<[^<>]*Data666C94C7Arn[^<>]*>/[a-z-]+/", "<Data.Arn>/<prefix>/", arn)
    arn = re.sub(
        r".*:(training-job|hyper-parameter-tuning-job)/tidemill-(local|dev|prod)-", r"\1:tidemill-<stage>-", arn
    )
    arn = re.sub(r".*:log-group:/aws/sagemaker", "log-group:/aws/sagemaker", arn)
    return re.sub(r".*:(layer|function|execution|alarm):tidemill-(local|dev|prod)-", r"\1:tidemill-<stage>-", arn)


def test_every_star_has_its_reason_and_every_reason_its_star(any_stage, of_kind) -> None:
    found = {
        (action, shortened(text(resource)))
        for _, statement in statements(any_stage.platform, of_kind)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if "*" in action or "*" in text(resource)
    }
    assert found == set(STARS)


def test_no_role_has_a_managed_policy(any_stage, of_kind) -> None:
    for template in (any_stage.platform, any_stage.state):
        for role in of_kind(template, "AWS::IAM::Role").values():
            assert "ManagedPolicyArns" not in role
        assert not of_kind(template, "AWS::IAM::Policy")
        assert not of_kind(template, "AWS::IAM::ManagedPolicy")


def test_predict_may_write_its_logs_and_traces_and_nothing_else(any_stage, of_kind) -> None:
    actions = {
        action
        for role, statement in statements(any_stage.platform, of_kind)
        if "Predict" in role
        for action in listed(statement["Action"])
    }
    assert actions == {
        *("logs:CreateLogStream", "logs:PutLogEvents"),
        *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    }


def test_an_endpoint_reads_its_own_models_and_only_if_the_project_says_so(of_kind, synthesize_projects) -> None:
    template = synthesize_projects(flights={"storage": "auto"}, diamonds={"storage": "bucket"})
    reading = {
        (role, action): text(resource)
        for role, statement in statements(template, of_kind)
        if "Predict" in role
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if action.startswith("s3:")
    }
    assert {action for _, action in reading} == {"s3:GetObjectVersion"}
    found = {re.sub(r"Endpoint(\w+?)Predict.*", r"\1", role): arn for (role, _), arn in reading.items()}
    assert {name: arn.split(">/")[1] for name, arn in found.items()} == {
        "flights": "models/flights/*",
        "diamonds": "models/diamonds/*",
    }


def test_nothing_may_delete_but_what_came_in(any_stage, of_kind) -> None:
    for role, statement in statements(any_stage.platform, of_kind):
        deleting = [action for action in listed(statement["Action"]) if "Delete" in action]
        if deleting == ["s3:DeleteObjectVersion"]:
            assert {text(arn).rsplit("/", 2)[1] for arn in listed(statement["Resource"])} == {"incoming"}, role
        else:
            assert deleting in ([], ["logs:DeleteLogDelivery"], ["cloudwatch:DeleteAlarms"])
            if deleting == ["cloudwatch:DeleteAlarms"]:
                assert text(statement["Resource"]).endswith("-guard-*"), role


@pytest.mark.parametrize("word", definitions.WORDS)
def test_a_machine_may_call_exactly_what_it_names(word: str, dev, of_kind) -> None:
    definition = definitions.load(word)
    allowed: dict[str, set[str]] = {"lambda:InvokeFunction": set(), "states:StartExecution": set()}
    for role, statement in statements(dev.platform, of_kind):
        for action in listed(statement["Action"]):
            if f"{word.capitalize()}MachineRole" in role and action in allowed:
                allowed[action] |= {text(resource) for resource in listed(statement["Resource"])}
    ids = {arn: re.match(rf"<{word.capitalize()}(\w+?)Function", arn) for arn in allowed["lambda:InvokeFunction"]}
    assert {found[1] if found else arn for arn, found in ids.items()} == set(definition.functions)
    itself = {arn for arn in allowed["states:StartExecution"] if arn.endswith(f":tidemill-dev-{word}")}
    assert len(itself) == (word in ("data", "training", "serving"))  # their Maps are distributed
    assert len(allowed["states:StartExecution"] - itself) == len(definition.machines)


def test_a_role_of_events_or_schedules_starts_one_machine(dev, of_kind) -> None:
    for name, target in (("UploadRole", "DataMachine"), ("ScheduleRole", "MonitoringMachine")):
        started = [
            text(statement["Resource"])
            for role, statement in statements(dev.platform, of_kind)
            if name in role and statement["Action"] == "states:StartExecution"
        ]
        assert len(started) == 1
        assert target in started[0]


def test_a_grant_with_a_star_asks_for_a_reason() -> None:
    with pytest.raises(ValueError, match="give the reason"):
        Grant(("s3:GetObject",), ("{bucket}/*",))
    with pytest.raises(ValueError, match="name each action"):
        Grant(("s3:*",), ("{bucket}",), "why not")


def test_the_statements_are_valid_json_policies(dev, of_kind) -> None:
    for role in of_kind(dev.platform, "AWS::IAM::Role").values():
        size = len(json.dumps(role["Policies"]))
        assert size < 10_240  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
