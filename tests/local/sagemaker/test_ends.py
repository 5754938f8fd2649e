"""The processes of jobs end with the cloud, whether it is stopped or killed; its jobs have failed then."""

import os
import signal
from pathlib import Path

import boto3
import pytest

from local.cloud import Cloud


@pytest.fixture
def own_cloud(free_port, state_dir):
    """A cloud that the test may end."""
    cloud = Cloud(state_dir, free_port())
    cloud.start()
    yield cloud
    cloud.stop()


def client(cloud, service):
    return boto3.client(
        service, endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


@pytest.fixture
def job(own_cloud, publish, eventually):
    """A job of that cloud that never ends by itself."""
    client(own_cloud, "s3").create_bucket(Bucket="bucket-of-test")
    image = publish(client(own_cloud, "lambda"))
    arn = client(own_cloud, "sagemaker").create_training_job(
        TrainingJobName="left",
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        HyperParameters={"sleep": "1", "ignore_sigterm": "1"},
        RoleArn="arn:aws:iam::000000000000:role/tests",
        OutputDataConfig={"S3OutputPath": "s3://bucket-of-test/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        Tags=[{"Key": "a", "Value": "b"}],
    )["TrainingJobArn"]
    assert eventually(lambda: processes(own_cloud), seconds=60)
    return arn


def processes(cloud):
    """Processes of jobs whose folder lies in this cloud's state."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = str(cloud.state_dir) in str((folder / "cwd").readlink())
            if ours and "training.py" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_a_stopped_cloud_leaves_no_process_and_knows_that_the_job_failed(own_cloud, job):
    own_cloud.stop()
    assert not processes(own_cloud)
    own_cloud.start()
    described = client(own_cloud, "sagemaker").describe_training_job(TrainingJobName="left")
    assert described["TrainingJobStatus"] == "Failed"
    assert "the embedded cloud was stopped" in described["FailureReason"]
    tags = client(own_cloud, "sagemaker").list_tags(ResourceArn=job)["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_a_killed_cloud_leaves_no_process(own_cloud, job, eventually):
    os.kill(own_cloud.status().pid, signal.SIGKILL)
    assert eventually(lambda: not processes(own_cloud), seconds=60)
