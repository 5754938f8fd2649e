"""The endpoint of a project: `live` is made once, and a redeploy leaves it alone; drift is watched."""

import json
from pathlib import Path

import pytest

from infra import function, layers
from tidemill.adapters.guards import PAGE

PROJECTS = ("diamonds", "flights", "wines")


def static(template, of_kind) -> dict:
    """The versions and aliases of a template: all that CloudFormation compares at a deployment."""
    return {
        name: template["Resources"][name]
        for kind in ("AWS::Lambda::Version", "AWS::Lambda::Alias")
        for name in of_kind(template, kind)
    }


@pytest.fixture
def changed_handlers(dev, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage's folder of handlers, with one line more in each handler; `dev` was synthesized before."""
    for path in layers.FUNCTIONS.rglob("*.py"):
        copy = tmp_path / path.relative_to(layers.FUNCTIONS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text() + "\n# changed\n")
    monkeypatch.setattr(function, "FUNCTIONS", tmp_path)


def test_a_redeploy_with_changed_code_layers_and_settings_does_not_touch_live(
    dev, synthesize, of_kind, changed_handlers
) -> None:
    before = dev.platform
    after = synthesize("dev", packages="changed = True", log_days=90, look_seconds=1, rehearsal=False).platform
    predicts = [
        {name: f for name, f in of_kind(t, "AWS::Lambda::Function").items() if "Predict" in name}
        for t in (before, after)
    ]
    assert predicts[0].keys() == predicts[1].keys()
    for name in predicts[0]:
        assert predicts[0][name]["Code"] != predicts[1][name]["Code"]
    for name, layer in of_kind(before, "AWS::Lambda::LayerVersion").items():
        assert layer["Content"] != of_kind(after, "AWS::Lambda::LayerVersion")[name]["Content"]
    assert len(static(before, of_kind)) == 2 * len(PROJECTS)
    assert static(before, of_kind) == static(after, of_kind)


def test_live_points_to_the_first_version_and_has_no_property_that_a_deployment_changes(dev, of_kind) -> None:
    for alias in of_kind(dev.platform, "AWS::Lambda::Alias").values():
        assert alias.keys() == {"FunctionName", "FunctionVersion", "Name"}
        assert alias["Name"] == "live"
        version = alias["FunctionVersion"]["Fn::GetAtt"][0]
        assert of_kind(dev.platform, "AWS::Lambda::Version")[version] == {"FunctionName": alias["FunctionName"]}


def test_each_project_is_answered_through_live(any_stage, of_kind) -> None:
    template = any_stage.platform
    routes = {route["RouteKey"]: route for route in of_kind(template, "AWS::ApiGatewayV2::Route").values()}
    for project in PROJECTS:
        target = routes[f"POST /projects/{project}/predict"]["Target"]["Fn::Join"][1][1]["Ref"]
        uri = of_kind(template, "AWS::ApiGatewayV2::Integration")[target]["IntegrationUri"]["Ref"]
        alias = of_kind(template, "AWS::Lambda::Alias")[uri]
        predict = of_kind(template, "AWS::Lambda::Function")[alias["FunctionName"]["Ref"]]
        assert predict["FunctionName"] == f"tidemill-{any_stage.stage}-{project}-predict"


def test_the_drift_alarm_reads_the_metric_as_powertools_writes_it(capsys, monkeypatch, any_stage, of_kind) -> None:
    from tidemill import names, observability

    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "monitoring")
    observability.count(names.METRIC_DRIFT_DETECTED, 1, project="flights")
    line = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    (written,) = line["_aws"]["CloudWatchMetrics"]
    alarms = {
        alarm["AlarmName"]: alarm for alarm in of_kind(any_stage.platform, "AWS::CloudWatch::Alarm").values()
    }
    drift = alarms[names.drift_alarm(any_stage.stage, "flights")]
    assert drift["Namespace"] == written["Namespace"]
    assert drift["MetricName"] == written["Metrics"][0]["Name"]
    dimensions = {each["Name"]: each["Value"] for each in drift["Dimensions"]}
    assert [set(dimensions)] == [set(each) for each in written["Dimensions"]]
    assert dimensions == {name: line[name] for name in dimensions}


def test_the_drift_alarm_fires_on_one_drifted_window_and_is_quiet_without_data(dev, of_kind) -> None:
    for alarm in of_kind(dev.platform, "AWS::CloudWatch::Alarm").values():
        assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["Period"] == 60
        assert len(alarm["AlarmActions"]) == 1


def test_an_alarm_of_drift_asks_for_a_retraining(dev, of_kind) -> None:
    rules = {rule["Name"]: rule for rule in of_kind(dev.platform, "AWS::Events::Rule").values()}
    for project in PROJECTS:
        rule = rules[f"tidemill-dev-drift-{project}"]
        (alarm,) = rule["EventPattern"]["resources"]
        watched = of_kind(dev.platform, "AWS::CloudWatch::Alarm")[alarm["Fn::GetAtt"][0]]
        assert watched["AlarmName"] == f"tidemill-dev-drift-{project}"
        assert rule["EventPattern"]["detail"] == {"state": {"value": ["ALARM"]}}
        (target,) = rule["Targets"]
        assert "RequestRetraining" in target["Arn"]["Fn::GetAtt"][0]
        assert "DeadLetterConfig" in target


def test_the_schedule_is_the_project_files_unless_the_stage_overrides_it(assembly, of_kind) -> None:
    def schedules(stage: str) -> dict:
        found = of_kind(assembly(stage).platform, "AWS::Scheduler::Schedule").values()
        return {each["Name"].split("-")[-1]: each for each in found}

    assert schedules("dev")["flights"]["ScheduleExpression"] == "rate(60 minutes)"
    assert schedules("local")["flights"]["ScheduleExpression"] == "rate(1 minute)"
    for project in PROJECTS:
        target = schedules("dev")[project]["Target"]
        assert json.loads(target["Input"]) == {"project": project, "trigger": "schedule"}
        assert "DeadLetterConfig" in target


def test_captured_lines_go_to_their_delivery(dev, of_kind) -> None:
    subscriptions = of_kind(dev.platform, "AWS::Logs::SubscriptionFilter").values()
    assert len(subscriptions) == len(PROJECTS)
    for subscription in subscriptions:
        assert subscription["FilterPattern"] == "TIDEMILL_CAPTURE"
        assert "DeliverCapture" in subscription["DestinationArn"]["Fn::GetAtt"][0]
        assert "Predict" in subscription["LogGroupName"]["Ref"]


def predict_of(template, of_kind, project: str) -> dict:
    (found,) = (
        each
        for each in of_kind(template, "AWS::Lambda::Function").values()
        if each["FunctionName"] == f"tidemill-dev-{project}-predict"
    )
    return found


def test_an_endpoint_is_given_what_its_project_file_says(dev, of_kind, synthesize_projects) -> None:
    settings = {"storage": "auto", "memory_mb": 3008, "temporary_storage_mb": 2048}
    after = synthesize_projects(flights=settings)
    large = predict_of(after, of_kind, "flights")
    assert (large["MemorySize"], large["EphemeralStorage"], large["Timeout"]) == (3008, {"Size": 2048}, 120)
    assert "TIDEMILL_DATA_BUCKET" in large["Environment"]["Variables"]
    small = predict_of(after, of_kind, "diamonds")
    assert (small["MemorySize"], small["Timeout"]) == (1024, 30)
    assert "EphemeralStorage" not in small
    assert "TIDEMILL_DATA_BUCKET" not in small["Environment"]["Variables"]
    assert static(dev.platform, of_kind) == static(after, of_kind)


def test_a_release_knows_the_room_that_the_other_layers_leave_a_model(dev, synthesize, of_kind) -> None:
    def room(template) -> int:
        (found,) = (
            each["Environment"]["Variables"]["TIDEMILL_MODEL_ROOM"]
            for each in of_kind(template, "AWS::Lambda::Function").values()
            if "TIDEMILL_MODEL_ROOM" in each["Environment"]["Variables"]
        )
        assert json.loads(found).keys() == {"onnx", "skops"}
        return json.loads(found)["onnx"]

    more = "x" * 1000
    # Each of `core` and `serve` has the stand-in's text at least once, as source or as bytecode.
    assert room(dev.platform) - room(synthesize("dev", packages=f"x = '{more}'").platform) >= 2 * len(more)
    assert room(dev.platform) < layers.layer_build.LIMIT


def test_a_release_knows_the_layers_in_which_the_forms_of_models_differ(any_stage, of_kind) -> None:
    template = any_stage.platform
    (found,) = (
        each["Environment"]["Variables"]["TIDEMILL_ENDPOINT_LAYERS"]
        for each in of_kind(template, "AWS::Lambda::Function").values()
        if "TIDEMILL_ENDPOINT_LAYERS" in each["Environment"]["Variables"]
    )
    if any_stage.stage == "local":
        assert json.loads(found) == {"onnx": [], "skops": []}
        return
    names_of = {name: layer["LayerName"] for name, layer in of_kind(template, "AWS::Lambda::LayerVersion").items()}
    text = "".join(part if isinstance(part, str) else names_of[part["Ref"]] for part in found["Fn::Join"][1])
    prefix = f"tidemill-{any_stage.stage}-"
    assert json.loads(text) == {"onnx": [f"{prefix}serve"], "skops": [f"{prefix}numeric", f"{prefix}ml"]}


def test_the_artifacts_alarm_reads_the_metric_as_endpoint_and_release_write_it(any_stage, of_kind) -> None:
    from datetime import UTC, datetime

    from tidemill import names
    from tidemill.serving.metrics import metrics_line

    counts = {names.METRIC_ARTIFACTS_REFUSED: 1}
    alarms = {
        alarm["AlarmName"]: alarm for alarm in of_kind(any_stage.platform, "AWS::CloudWatch::Alarm").values()
    }
    watching = alarms[f"tidemill-{any_stage.stage}-artifacts-flights"]
    dimensions = {each["Name"]: each["Value"] for each in watching["Dimensions"]}
    for variant in (None, "3"):
        line = json.loads(
            metrics_line(
                "flights", counts, datetime(2026, 5, 4, tzinfo=UTC), stage=any_stage.stage, variant=variant
            )
        )
        (written,) = line["_aws"]["CloudWatchMetrics"]
        assert (watching["Namespace"], watching["MetricName"]) == (
            written["Namespace"],
            written["Metrics"][0]["Name"],
        )
        assert set(dimensions) in [set(each) for each in written["Dimensions"]]
        assert dimensions == {name: line[name] for name in dimensions}


def test_a_page_that_an_alarm_names_exists(dev, of_kind) -> None:
    named = {
        word.rstrip(".")
        for alarm in of_kind(dev.platform, "AWS::CloudWatch::Alarm").values()
        for word in json.dumps(alarm["AlarmDescription"]).strip('"').split()
        if word.startswith("docs/")
    }
    assert named == {"docs/operations/artifacts-alarm.md"}
    root = Path(__file__).resolve().parents[2]
    assert all((root / page).is_file() for page in (*named, PAGE))
