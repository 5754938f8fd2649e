"""Requests are held against botocore's model, and refused as SageMaker and moto refuse them."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.extensions.sagemaker import shapes
from local.extensions.sagemaker.shapes import Refused


def request(**members):
    return {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::000000000000:role/tests",
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **members,
    }


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"TrainingJobName": "-no"}, "'TrainingJobName' failed to satisfy constraint.*regular expression pattern"),
        ({"TrainingJobName": "n" * 64}, "have length less than or equal to 63"),
        ({"RoleArn": 5}, "Invalid type for parameter RoleArn"),
        ({"Unheard": 1}, 'Unknown parameter in input: "Unheard"'),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "value: 0, valid min value: 1"),
        ({"HyperParameters": {"a": "b" * 2501}}, "'HyperParameters.a.member' failed"),
        (
            {"ResourceConfig": {"InstanceType": "ml.none", "InstanceCount": 1, "VolumeSizeInGB": 5}},
            "'ResourceConfig.InstanceType' failed to satisfy constraint: Member must satisfy enum value set",
        ),
        ({"Tags": [{"Key": "a"}]}, 'Missing required parameter in Tags\\[0\\]: "Value"'),
    ],
)
def test_what_the_model_forbids_is_refused(members, message) -> None:
    with pytest.raises(Refused, match=message) as refused:
        shapes.check("CreateTrainingJob", request(**members))
    assert refused.value.code == "ValidationException"


def test_what_the_model_allows_passes() -> None:
    shapes.check("CreateTrainingJob", request())


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]


def test_a_name_that_is_taken_and_one_that_is_not_there(client, run, request_of, unique):
    sagemaker = client("sagemaker")
    run(request_of())
    taken = refusal(sagemaker.create_training_job, **request_of())
    assert taken["Code"] == "ResourceInUse"
    assert f"training-job/{unique}" in taken["Message"]
    none = refusal(sagemaker.describe_training_job, TrainingJobName="none")
    assert (none["Code"], none["Message"]) == ("ValidationException", "Requested resource not found.")
    none = refusal(sagemaker.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName="none")
    assert none["Code"] == "ResourceNotFound"
    absent = f"arn:aws:sagemaker:us-east-1:000000000000:training-job/no-{unique}"
    none = refusal(sagemaker.add_tags, ResourceArn=absent, Tags=[{"Key": "a", "Value": "b"}])
    assert none["Code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 10}},
            "EnableManagedSpotTraining",
        ),
        ({"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/tmp/c"}}, "below /opt/ml only"),
        (
            {"AlgorithmSpecification": {"TrainingImage": "repo/image:1", "TrainingInputMode": "File"}},
            "The embedded cloud has no image 'repo/image:1'",
        ),
    ],
)  # fmt: skip
def test_what_no_job_can_be_made_of_is_refused(client, request_of, members, message):
    assert message in refusal(client("sagemaker").create_training_job, **request_of(**members))["Message"]


def test_an_operation_that_is_not_there_is_named(client):
    assert "no ListModels" in refusal(client("sagemaker").list_models)["Message"]


def test_tags_are_set_replaced_and_listed(client, run, request_of):
    sagemaker = client("sagemaker")
    arn = run(request_of(Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]))["TrainingJobArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["b"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]


def test_jobs_are_listed_by_name_state_and_page(client, run, request_of, unique):
    names = [f"{unique}-{number}" for number in range(3)]
    for name in names:
        run(request_of({"fail": "x"} if name.endswith("1") else {}, TrainingJobName=name))
    sagemaker = client("sagemaker")
    first = sagemaker.list_training_jobs(NameContains=unique, MaxResults=2, SortBy="Name")
    assert [each["TrainingJobName"] for each in first["TrainingJobSummaries"]] == names[:2]
    rest = sagemaker.list_training_jobs(
        NameContains=unique, MaxResults=2, SortBy="Name", NextToken=first["NextToken"]
    )
    assert [each["TrainingJobName"] for each in rest["TrainingJobSummaries"]] == names[2:]
    failed = sagemaker.list_training_jobs(NameContains=unique, StatusEquals="Failed")["TrainingJobSummaries"]
    assert [each["TrainingJobName"] for each in failed] == [names[1]]


@mock_aws
def of_moto(made, request):
    """What moto answers of the same training job, and of one that is not there."""
    sagemaker = boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    created = sagemaker.create_training_job(**request)
    described = sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
    missing = refusal(sagemaker.describe_training_job, TrainingJobName="none")
    return created, described, missing


def test_moto_gives_the_same_names_for_a_finished_job(client, run, request_of):
    wish = request_of({"depth": "3"}, Tags=[{"Key": "a", "Value": "1"}])
    ours = run(wish)
    created, theirs, missing = of_moto(ours, wish)
    assert created["TrainingJobArn"].split(":")[5:] == ours["TrainingJobArn"].split(":")[5:]
    assert (theirs["TrainingJobStatus"], theirs["SecondaryStatus"]) == (
        ours["TrainingJobStatus"], ours["SecondaryStatus"],
    )  # fmt: skip
    same = (
        "TrainingJobName", "ModelArtifacts", "HyperParameters", "RoleArn", "OutputDataConfig", "ResourceConfig",
        "StoppingCondition", "CheckpointConfig",
    )  # fmt: skip
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    never_there = {"Tags", "DebugHookConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig"}
    assert set(theirs) - never_there <= set(ours) | {"VpcConfig", "InputDataConfig", "ExperimentConfig"}
    assert missing["Code"] == refusal(client("sagemaker").describe_training_job, TrainingJobName="none")["Code"]
