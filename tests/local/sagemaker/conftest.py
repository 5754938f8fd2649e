"""The sample job of the SageMaker tests, its bucket and its role."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

SAMPLE = Path(__file__).with_name("sample_job.py")


@pytest.fixture(scope="session")
def publish(archive):
    """Publish the sample program as a layer, and give the image that is made of it."""

    def to(client):
        files = {"python/sample_job.py": SAMPLE.read_text(), "python/tidemill_sample_layer.py": ""}
        layer = client.publish_layer_version(LayerName="sample-job", Content={"ZipFile": archive(files)})
        return f"sample_job@{layer['LayerVersionArn']}"

    return to


@pytest.fixture(scope="session")
def image(client, publish):
    """The image of the sample program: a layer and the module that is its entry point."""
    return publish(client("lambda"))


@pytest.fixture
def bucket(client, unique):
    client("s3").create_bucket(Bucket=unique)
    return unique


@pytest.fixture
def role(client, grant, unique):
    """ARN of a role that SageMaker may assume and that may use the test's bucket; with it, more is granted."""
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    name = f"{unique}-job"
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    grant(name, ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], f"arn:aws:s3:::{unique}*")
    return arn


@pytest.fixture
def grant(client):
    """Let a role do only this."""

    def put(role, actions, resource):
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        name = role.rpartition("/")[2]
        client("iam").put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=document)

    return put


@pytest.fixture
def request_of(image, bucket, role, unique):
    """A request for a training job with these hyperparameters."""

    def make(hyperparameters=None, **members):
        return {
            "TrainingJobName": unique,
            "HyperParameters": hyperparameters or {},
            "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
            "RoleArn": role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "CheckpointConfig": {"S3Uri": f"s3://{bucket}/checkpoints"},
            **members,
        }

    return make


@pytest.fixture
def ended(client, eventually):
    """Wait for the end of a job, and describe it."""

    def wait(name):
        def look():
            described = client("sagemaker").describe_training_job(TrainingJobName=name)
            return described["TrainingJobStatus"] not in ("InProgress", "Stopping") and described

        return eventually(look, seconds=60)

    return wait


@pytest.fixture
def run(client, ended):
    """Start a job, wait for its end, describe it."""

    def to_end(request):
        client("sagemaker").create_training_job(**request)
        return ended(request["TrainingJobName"])

    return to_end


GROUP = "/aws/sagemaker/TrainingJobs"


@pytest.fixture
def lines(client):
    """What the first host of a job has logged so far."""
    logs = client("logs")

    def read(name):
        try:
            streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{name}/algo-1-")
        except logs.exceptions.ResourceNotFoundException:  # the first line makes the group
            return []
        return [
            event["message"]
            for stream in streams["logStreams"]
            for event in logs.get_log_events(
                logGroupName=GROUP, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    return read


@pytest.fixture
def trains(lines, eventually):
    """Wait until a job's program has started."""
    return lambda name: eventually(lambda: "start 1 on algo-1" in lines(name), seconds=60)


@pytest.fixture
def unpacked(client, bucket):
    """The files of an archive in the test's bucket."""

    def read(key):
        body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=BytesIO(body)) as archive:
            return {name: archive.extractfile(name).read().decode() for name in archive.getnames()}

    return read
