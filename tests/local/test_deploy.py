"""The real CDK CLI against the embedded cloud, with a small app of its own."""

import json
import shutil
from pathlib import Path

import pytest

from local import deploy as deployment
from local.cloud import Cloud, CloudError
from local.deploy import DeploymentFailed, deploy, reasons

SAMPLE = Path(__file__).with_name("sample_app")


@pytest.fixture(scope="module")
def app_dir(tmp_path_factory):
    """A copy of the sample app, which tests may change."""
    return Path(shutil.copytree(SAMPLE, tmp_path_factory.mktemp("app") / "sample"))


@pytest.fixture(scope="module")
def deployed(cloud, app_dir):
    lines = []
    done = deploy(cloud, app_dir / "cdk.out", app_dir=app_dir, progress=lines.append)
    yield done, lines
    cloud.enforce_iam(False)


def test_everything_is_there_and_iam_is_enforced(cloud, client, deployed, invoke):
    done, lines = deployed
    assert cloud.status().iam is True
    assert set(done.seconds) == {"bootstrap", "synth", "deploy"}
    assert any("platform" in line for line in lines)
    assert invoke("sample:live", {"put": "key"}) == {"word": "tide", "version": "1"}
    machine = done.outputs["platform"]["MachineArn"]
    assert client("stepfunctions").describe_state_machine(stateMachineArn=machine)["status"] == "ACTIVE"


def test_the_api_answers_at_the_address_in_its_parameter(client, cloud, deployed, signed_request):
    url = client("ssm").get_parameter(Name="/sample/api-url")["Parameter"]["Value"]
    assert url.startswith(cloud.endpoint)
    assert signed_request("POST", f"{url}/answer", {}) == (200, {"word": "tide", "version": "1"})
    assert signed_request("POST", f"{url}/answer", {}, key=None)[0] == 403


def test_an_upload_starts_the_state_machine_with_the_transformed_event(client, deployed, eventually):
    machine = deployed[0].outputs["platform"]["MachineArn"]
    (bucket,) = [b["Name"] for b in client("s3").list_buckets()["Buckets"] if b["Name"].startswith("state-")]
    client("s3").put_object(Bucket=bucket, Key="incoming/a.csv", Body=b"1")

    def executions():
        return client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]

    found = eventually(lambda: [e for e in executions() if e["status"] == "SUCCEEDED"])
    described = client("stepfunctions").describe_execution(executionArn=found[0]["executionArn"])
    assert json.loads(described["input"]) == {"key": "incoming/a.csv"}


@pytest.fixture(scope="module")
def redeployed(cloud, client, deployed, app_dir):
    """Deployed again after a release moved the alias, with changed code and without the function's grant."""
    lambda_ = client("lambda")
    lambda_.update_function_configuration(FunctionName="sample", Description="a release")
    second = lambda_.publish_version(FunctionName="sample")["Version"]
    lambda_.update_alias(
        FunctionName="sample", Name="live", FunctionVersion=second,
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.3}},
    )  # fmt: skip
    code = app_dir / "function" / "index.py"
    code.write_text(code.read_text().replace('"word": WORD', '"word": WORD.upper()'))
    return second, deploy(cloud, app_dir / "cdk.out", app_dir=app_dir, context={"ungranted": "1"})


def test_a_redeployment_leaves_the_alias_and_its_weights(client, redeployed, invoke):
    second, done = redeployed
    alias = client("lambda").get_alias(FunctionName="sample", Name="live")
    assert set(done.seconds) == {"synth", "deploy"}  # the toolkit stack was there
    assert (alias["FunctionVersion"], alias["RoutingConfig"]) == (second, {"AdditionalVersionWeights": {"1": 0.3}})
    assert invoke("sample", {}) == {"word": "TIDE", "version": "$LATEST"}
    assert invoke("sample:live", {})["word"] == "tide"


def test_a_grant_that_is_missing_in_the_template_is_missing_in_the_function(redeployed, invoke):
    report = invoke("sample", {"put": "key"})
    assert "not authorized to perform: dynamodb:PutItem" in report["errorMessage"]


def test_a_failure_names_the_resource_and_the_reason(cloud, deployed, app_dir):
    with pytest.raises(DeploymentFailed, match=r"(?s)cdk deploy.*Broken.*MetricName and Namespace are required"):
        deploy(cloud, app_dir / "cdk.out", app_dir=app_dir, context={"broken": "1"})
    assert cloud.status().iam is True


def test_an_app_that_cannot_be_synthesized_shows_its_error(cloud, deployed, tmp_path):
    (tmp_path / "cdk.json").write_text('{"app": "python app.py"}')
    (tmp_path / "app.py").write_text("raise RuntimeError('the project file is wrong')\n")
    with pytest.raises(DeploymentFailed, match=r"(?s)cdk synth.*the project file is wrong"):
        deploy(cloud, tmp_path / "cdk.out", app_dir=tmp_path)


def test_the_cloud_must_run(state_dir, free_port, tmp_path):
    with pytest.raises(CloudError, match="does not run: start it first"):
        deploy(Cloud(state_dir, free_port()), tmp_path)


def test_cdk_sees_the_embedded_cloud_and_none_of_the_persons_settings(cloud, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("CDK_DOCKER", "podman")
    tools = deployment.Toolchain(cdk=("cdk",), path="/tools")
    variables = deployment.environment(cloud, tools)
    assert not {"AWS_PROFILE", "CDK_DOCKER"} & set(variables)
    assert (variables["AWS_ENDPOINT_URL"], variables["PATH"]) == (cloud.endpoint, "/tools")


def test_without_a_named_reason_the_last_lines_are_shown():
    assert reasons(["one", "", "two"]) == "one\ntwo"
    assert reasons(["fine", "X | CREATE_FAILED | why", "X | CREATE_FAILED | why"]) == "X | CREATE_FAILED | why"
