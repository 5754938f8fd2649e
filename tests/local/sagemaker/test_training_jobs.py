"""Training jobs: the container's layout and environment, the states, what goes wrong."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError


def keys(client, bucket):
    return sorted(entry["Key"] for entry in client("s3").list_objects_v2(Bucket=bucket).get("Contents", []))


def test_a_job_sees_the_layout_of_a_container(client, run, request_of, bucket, unpacked, unique):
    client("s3").put_object(Bucket=bucket, Key="data/a/rows.csv", Body=b"1")
    client("s3").put_object(Bucket=bucket, Key="data/b.csv", Body=b"2")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}
    described = run(request_of({"depth": "3", "name": "x"}, InputDataConfig=[channel], Environment={"MARK": "m"}))
    assert described["TrainingJobStatus"] == "Completed", described
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{bucket}/out/{unique}/output/model.tar.gz"
    seen = json.loads(unpacked(f"out/{unique}/output/model.tar.gz")["algo-1.json"])
    assert unpacked(f"out/{unique}/output/output.tar.gz") == {"note.txt": "done"}
    config = [f"input/config/{name}.json" for name in ("hyperparameters", "inputdataconfig", "resourceconfig")]
    assert seen["files"] == [
        "checkpoints/starts", *config, "input/data/train/a/rows.csv", "input/data/train/b.csv",
    ]  # fmt: skip
    assert seen["config"]["hyperparameters"] == {"depth": "3", "name": "x"}
    assert seen["config"]["inputdataconfig"]["train"]["ContentType"] == "text/csv"
    assert seen["config"]["resourceconfig"]["hosts"] == ["algo-1"]
    assert seen["arguments"] == ["train"]
    assert seen["layer"] == "tidemill_sample_layer"


def test_a_job_has_the_variables_of_the_toolkit_and_its_own(run, request_of, unpacked, unique):
    described = run(request_of({"depth": "3", "learning-rate": "0.5", "name": "x"}, Environment={"MARK": "m"}))
    found = json.loads(unpacked(f"out/{unique}/output/model.tar.gz")["algo-1.json"])["environment"]
    base = found["SAGEMAKER_BASE_DIR"]
    expected = {
        "TRAINING_JOB_NAME": unique,
        "TRAINING_JOB_ARN": described["TrainingJobArn"],
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_NUM_GPUS": "0",
        "SM_MODEL_DIR": f"{base}/model",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_HP_LEARNING_RATE": "0.5",
        "MARK": "m",
        "AWS_REGION": "us-east-1",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert json.loads(found["SM_HPS"]) == {"depth": 3, "learning-rate": 0.5, "name": "x"}
    deadline = time.monotonic() + 60  # the status is told first
    while Path(base).exists():
        assert time.monotonic() < deadline, "the job's folder is to be removed at its end"
        time.sleep(0.05)


def test_a_job_imports_from_its_layers_and_not_from_the_checkout(run, request_of, unpacked, unique):
    run(request_of())
    path = json.loads(unpacked(f"out/{unique}/output/model.tar.gz")["algo-1.json"])["path"]
    checkout = Path(__file__).resolve().parents[3]
    assert str(checkout) not in path
    assert str(checkout / "layers" / "core" / "python") not in path


def test_the_states_follow_each_other(run, request_of):
    described = run(request_of())
    passed = [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert passed == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(each["StartTime"] <= each["EndTime"] for each in described["SecondaryStatusTransitions"])
    assert described["TrainingStartTime"] <= described["TrainingEndTime"]
    assert described["TrainingTimeInSeconds"] >= described["BillableTimeInSeconds"] >= 1


def test_the_log_and_the_metrics_in_it(run, request_of, image, lines, unique):
    algorithm = {
        "TrainingImage": image, "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+);"}, {"Name": "none", "Regex": "n=(.)"}],
    }  # fmt: skip
    printed = json.dumps(["loss=2.5;", "no number here", "loss=0.25;"])
    described = run(request_of({"print": printed}, AlgorithmSpecification=algorithm))
    assert [(each["MetricName"], each["Value"]) for each in described["FinalMetricDataList"]] == [("loss", 0.25)]
    assert lines(unique) == ["start 1 on algo-1", "loss=2.5;", "no number here", "loss=0.25;"]


def test_a_failure_has_the_programs_words(client, run, request_of, bucket, unique):
    described = run(request_of({"fail": "no such column: late"}))
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Failed", "Failed")
    assert described["FailureReason"] == "AlgorithmError: no such column: late, exit code: 3"
    assert f"out/{unique}/output/model.tar.gz" not in keys(client, bucket)


def test_data_that_is_not_there_fails_the_job(run, request_of, bucket):
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/nothing"}
    described = run(request_of(InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]))
    assert described["FailureReason"].startswith("ClientError: Data download failed: No S3 objects found")


def test_two_hosts_know_each_other_and_share_the_model(client, run, request_of, bucket, unpacked, unique):
    for number in range(4):
        client("s3").put_object(Bucket=bucket, Key=f"data/{number}.csv", Body=b"1")
    source = {
        "S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data/", "S3DataDistributionType": "ShardedByS3Key"
    }  # fmt: skip
    described = run(
        request_of(
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5},
            InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            CheckpointConfig={"S3Uri": f"s3://{bucket}/checkpoints", "LocalPath": "/opt/ml/checkpoints"},
        )
    )
    assert described["TrainingJobStatus"] == "Completed", described
    files = unpacked(f"out/{unique}/output/model.tar.gz")
    assert sorted(files) == ["algo-1.json", "algo-2.json"]
    data, addresses = {}, {}
    for host in ("algo-1", "algo-2"):
        seen = json.loads(files[f"{host}.json"])
        assert json.loads(seen["environment"]["SM_HOSTS"]) == ["algo-1", "algo-2"]
        assert seen["config"]["resourceconfig"]["current_host"] == host
        addresses[host] = json.loads(seen["environment"]["TIDEMILL_HOST_ADDRESSES"])
        data[host] = [file for file in seen["files"] if "/data/" in file]
    assert addresses["algo-1"] == addresses["algo-2"]
    assert list(addresses["algo-1"]) == ["algo-1", "algo-2"]
    assert len(set(addresses["algo-1"].values())) == 2
    assert {address.partition(":")[0] for address in addresses["algo-1"].values()} == {"127.0.0.1"}
    assert data["algo-1"] == ["input/data/train/0.csv", "input/data/train/2.csv"]
    assert data["algo-2"] == ["input/data/train/1.csv", "input/data/train/3.csv"]


def test_a_job_that_takes_too_long_is_stopped_and_keeps_what_it_has(client, run, request_of, bucket):
    described = run(request_of({"sleep": "1"}, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "checkpoints/starts" in keys(client, bucket)


def test_a_job_is_stopped_on_request(client, request_of, trains, ended, unique):
    sagemaker = client("sagemaker")
    sagemaker.create_training_job(**request_of({"sleep": "1"}))
    assert trains(unique)
    sagemaker.stop_training_job(TrainingJobName=unique)
    described = ended(unique)
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "Stopped")
    with pytest.raises(ClientError, match="is in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName=unique)


def test_no_more_than_two_jobs_run_at_once_and_one_that_waits_can_be_stopped(
    client, request_of, ended, eventually, unique
):
    sagemaker = client("sagemaker")
    names = [f"{unique}-{number}" for number in range(3)]
    for name in names:
        sagemaker.create_training_job(**request_of({"sleep": "1"}, TrainingJobName=name, CheckpointConfig={
            "S3Uri": f"s3://{unique}/{name}"}))  # fmt: skip

    def state(name):
        return sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"]

    assert eventually(lambda: [state(name) for name in names] == ["Training", "Training", "Starting"], seconds=60)
    sagemaker.stop_training_job(TrainingJobName=names[2])
    assert ended(names[2])["TrainingJobStatus"] == "Stopped"
    for name in names[:2]:
        sagemaker.stop_training_job(TrainingJobName=name)
        assert ended(name)["TrainingJobStatus"] == "Stopped"


def interrupt(cloud, name):
    request = urllib.request.Request(
        f"{cloud.endpoint}/_tidemill/sagemaker/interrupt",
        data=json.dumps({"training_job": name}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())


def test_a_spot_job_goes_on_with_its_checkpoints_after_an_interruption(
    cloud, client, request_of, trains, ended, unique, bucket
):
    spot = {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
    }
    client("sagemaker").create_training_job(**request_of({"until_start": "2"}, **spot))
    assert trains(unique)
    assert interrupt(cloud, unique) == {"interrupted": unique}
    described = ended(unique)
    assert described["TrainingJobStatus"] == "Completed", described
    passed = [each["Status"] for each in described["SecondaryStatusTransitions"]]
    again = ["Starting", "Downloading", "Training"]
    assert passed == [*again, "Interrupted", *again, "Uploading", "Completed"]
    assert client("s3").get_object(Bucket=bucket, Key="checkpoints/starts")["Body"].read() == b"2"
    waited = described["TrainingEndTime"] - described["TrainingStartTime"]
    assert described["BillableTimeInSeconds"] <= described["TrainingTimeInSeconds"] <= waited.total_seconds() + 1


def test_only_a_spot_job_can_be_interrupted(cloud, client, request_of, trains, ended, unique):
    client("sagemaker").create_training_job(**request_of({"sleep": "1"}))
    assert trains(unique)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        interrupt(cloud, unique)
    client("sagemaker").stop_training_job(TrainingJobName=unique)
    ended(unique)


def test_the_role_is_the_jobs_only_right(enforced, client, grant, run, request_of, bucket, role, unique):
    client("s3").create_bucket(Bucket=f"other-{unique}")
    client("s3").put_object(Bucket=f"other-{unique}", Key="k", Body=b"secret")
    refused = run(request_of({"read": f"other-{unique}/k"}, TrainingJobName=f"{unique}-1"))
    assert refused["TrainingJobStatus"] == "Failed"
    wide = ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]
    grant(role, wide, "*")
    assert run(request_of({"read": f"other-{unique}/k"}, TrainingJobName=f"{unique}-2"))["TrainingJobStatus"] == (
        "Completed"
    )
    grant(role, ["s3:GetObject"], "*")
    no_upload = run(request_of(TrainingJobName=f"{unique}-3"))
    assert "AccessDenied" in no_upload["FailureReason"]


def test_a_role_that_sagemaker_may_not_assume_is_refused(enforced, client, request_of):
    with pytest.raises(ClientError, match="Could not assume role"):
        client("sagemaker").create_training_job(**request_of(RoleArn="arn:aws:iam::000000000000:role/tests"))
