"""The embedded cloud as a process: start, stop, ports, locks, and what is found again afterwards."""

import contextlib
import json
import os
import signal
import socket
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest

from local.cloud import Cloud, CloudError


@pytest.fixture
def own(state_dir, free_port):
    """A cloud of this test's own, not yet started; stopped at the end."""
    cloud = Cloud(state_dir, free_port())
    yield cloud
    with contextlib.suppress(CloudError):
        cloud.stop()


def client_of(cloud, service):
    return boto3.client(
        service, endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


def names(folder):
    return {path.name for path in Path(folder).iterdir()}


def test_start_twice_is_one_server_and_stop_ends_it(own):
    first = own.start()
    assert first.running
    assert own.start() == own.status() == first
    assert own.stop() is True
    assert own.status().running is False
    assert own.stop() is False


def test_nothing_is_left_in_the_temporary_directory(own):
    before = names(tempfile.gettempdir())
    own.start()
    client_of(own, "s3").create_bucket(Bucket="bucket")
    own.stop()
    left = names(tempfile.gettempdir()) - before
    assert not {name for name in left if "ministack" in name or "lambda" in name}
    assert not (own.state_dir / "tmp").exists()


def test_it_listens_on_the_loopback_interface_only(own):
    own.start()
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{own.port:04X}")
    ]
    assert all(address.startswith("0100007F:") for address in listening)


def test_a_taken_port_is_named(own):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", own.port))
        taken.listen()
        with pytest.raises(CloudError, match=f"port {own.port} on 127.0.0.1 is in use"):
            own.start()


def test_a_server_that_dies_shows_the_end_of_its_log(own):
    own.state_dir.mkdir()
    (own.state_dir / "state").write_text("not a folder")
    with pytest.raises(CloudError, match=r"ended at its start \(exit 1\)[\s\S]*FileExistsError"):
        own.start()
    assert own.status().running is False


def test_a_killed_server_is_noticed_and_can_be_started_again(own):
    pid = own.start().pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert own.status().running is False
    assert own.start().pid != pid


def test_the_state_survives_a_restart(own, archive):
    own.start()
    make_everything(own, archive)
    own.enforce_iam(True)
    own.stop()
    assert own.start().iam is True
    lambda_ = client_of(own, "lambda")
    answer = lambda_.invoke(FunctionName="kept:live")
    assert json.loads(answer["Payload"].read()) == "from the layer"
    assert answer["ExecutedVersion"] == "1"
    alias = lambda_.get_alias(FunctionName="kept", Name="live")
    assert alias["RoutingConfig"]["AdditionalVersionWeights"] == {"2": 0.0}
    item = client_of(own, "dynamodb").get_item(TableName="kept", Key={"pk": {"S": "a"}})["Item"]
    assert item["n"] == {"N": "1"}
    s3 = client_of(own, "s3")
    assert s3.get_object(Bucket="kept", Key="key")["Body"].read() == b"content"
    assert len(s3.list_object_versions(Bucket="kept")["Versions"]) == 2
    alarms = client_of(own, "cloudwatch").describe_alarms(AlarmNames=["kept"])["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in alarms] == ["kept"]
    assert client_of(own, "ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "value"
    assert len(client_of(own, "apigatewayv2").get_apis()["Items"]) == 1
    assert client_of(own, "scheduler").get_schedule(Name="kept", GroupName="kept")["State"] == "DISABLED"
    assert len(client_of(own, "stepfunctions").list_state_machines()["stateMachines"]) == 1


def make_everything(cloud, archive):
    """One of everything the project's deployment holds."""
    lambda_ = client_of(cloud, "lambda")
    content = {"ZipFile": archive({"python/words.py": "TEXT = 'from the layer'"})}
    layer = lambda_.publish_layer_version(LayerName="kept", Content=content)["LayerVersionArn"]
    code = {"ZipFile": archive({"index.py": "import words\ndef handler(event, context): return words.TEXT\n"})}
    role = "arn:aws:iam::000000000000:role/kept"
    lambda_.create_function(
        FunctionName="kept", Runtime="python3.13", Handler="index.handler", Role=role, Code=code, Layers=[layer]
    )
    lambda_.publish_version(FunctionName="kept")
    lambda_.update_function_configuration(FunctionName="kept", Description="second")
    lambda_.publish_version(FunctionName="kept")
    routing = {"AdditionalVersionWeights": {"2": 0.0}}
    lambda_.create_alias(FunctionName="kept", Name="live", FunctionVersion="1", RoutingConfig=routing)
    dynamodb = client_of(cloud, "dynamodb")
    dynamodb.create_table(
        TableName="kept", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )  # fmt: skip
    dynamodb.put_item(TableName="kept", Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    s3 = client_of(cloud, "s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"content"):
        s3.put_object(Bucket="kept", Key="key", Body=body)
    client_of(cloud, "cloudwatch").put_metric_alarm(
        AlarmName="kept", Namespace="n", MetricName="m", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )  # fmt: skip
    client_of(cloud, "ssm").put_parameter(Name="/kept", Value="value", Type="String")
    client_of(cloud, "apigatewayv2").create_api(Name="kept", ProtocolType="HTTP")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = client_of(cloud, "stepfunctions").create_state_machine(
        name="kept", definition=definition, roleArn=role
    )
    scheduler = client_of(cloud, "scheduler")
    scheduler.create_schedule_group(Name="kept")
    scheduler.create_schedule(
        Name="kept", GroupName="kept", ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"},
        State="DISABLED", Target={"Arn": machine["stateMachineArn"], "RoleArn": role},
    )  # fmt: skip


def test_the_environment_reaches_this_cloud_and_none_of_the_persons_settings(own):
    environment = own.environment()
    assert environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{own.port}"
    assert environment["AWS_REGION"] == "us-east-1"
    assert not Path(environment["AWS_CONFIG_FILE"]).exists()
    assert not Path(environment["AWS_SHARED_CREDENTIALS_FILE"]).exists()


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [("text/plain", '{"enforce": true}', 415), ("application/json", "{}", 400), ("application/json", "no", 400)],
)
def test_the_switch_takes_nothing_but_its_own_request(cloud, content_type, body, status):
    request = urllib.request.Request(
        f"{cloud.endpoint}/_tidemill/iam", data=body.encode(), headers={"Content-Type": content_type}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == status
    assert cloud.status().iam is False


def test_the_switch_needs_a_running_cloud(own):
    with pytest.raises(CloudError, match="start it first"):
        own.enforce_iam(True)
