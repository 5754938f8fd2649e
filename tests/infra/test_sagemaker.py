"""What a stage may do with SageMaker: the role of its jobs, who may start them, and the image they run."""

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.sagemaker import pulls
from infra.stages import DEV
from tidemill import names

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/tidemill"


def role_of(template: Any, of_kind: Any) -> dict[str, Any]:
    """The role that SageMaker assumes."""
    (found,) = (
        role
        for role in of_kind(template, "AWS::IAM::Role").values()
        if "sagemaker" in json.dumps(role["AssumeRolePolicyDocument"])
    )
    return found


def test_the_jobs_role_is_sagemakers_and_reaches_runs_studies_and_the_table_alone(
    any_stage: Any, of_kind: Any
) -> None:
    role = role_of(any_stage.platform, of_kind)
    principals = [each["Principal"] for each in role["AssumeRolePolicyDocument"]["Statement"]]
    assert principals == [{"Service": "sagemaker.amazonaws.com"}]
    text = json.dumps(role["Policies"])
    assert "/runs/*" in text
    assert "/studies/*" in text
    assert not [prefix for prefix in ("/models/", "/incoming/", "/datasets/", "/objects/") if prefix in text]
    assert "Delete" not in text


def test_the_training_machine_alone_starts_jobs_and_passes_that_role_to_sagemaker_alone(
    any_stage: Any, of_kind: Any
) -> None:
    starting = {}
    for name, role in of_kind(any_stage.platform, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if "iam:PassRole" in json.dumps(statement["Action"]):
                    starting[name] = statement
    ((name, statement),) = starting.items()
    assert "TrainingMachine" in name
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert "TrainingJobsRole" in json.dumps(statement["Resource"])


def test_the_embedded_cloud_runs_the_program_out_of_the_core_layer(any_stage: Any, of_kind: Any) -> None:
    functions = of_kind(any_stage.platform, "AWS::Lambda::Function").values()
    variables = [function.get("Environment", {}).get("Variables", {}) for function in functions]
    images = [each[names.ENV_TRAINING_IMAGE] for each in variables if names.ENV_TRAINING_IMAGE in each]
    if any_stage.stage == "local":
        assert len(images) == 1
        assert "tidemill.jobs.train@" in json.dumps(images)
    else:
        assert images == []  # until somebody gives one


@pytest.mark.parametrize("ending", [":1.2", "@sha256:" + "0" * 64])
def test_an_image_in_ecr_may_be_pulled_and_no_other(ending: str) -> None:
    token, pull = pulls(replace(DEV, training_image=ECR + ending))
    assert token.actions == ("ecr:GetAuthorizationToken",)
    (resource,) = pull.resources
    assert resource.endswith(":ecr:eu-central-1:123456789012:repository/team/tidemill")


def test_another_registry_needs_no_grant() -> None:
    assert pulls(replace(DEV, training_image="registry.example.org/tidemill:1")) == ()
    assert pulls(DEV) == ()
