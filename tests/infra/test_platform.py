"""What the stages share: the API, the upload rule, the failures queue, the parameters."""

import json

from infra import definitions
from tidemill.release import guard_names


def test_every_route_asks_for_sigv4_but_health(any_stage, of_kind) -> None:
    routes = of_kind(any_stage.platform, "AWS::ApiGatewayV2::Route").values()
    assert {route["RouteKey"]: route["AuthorizationType"] for route in routes} == {
        "POST /projects/flights/predict": "AWS_IAM",
        "POST /projects/diamonds/predict": "AWS_IAM",
        "POST /projects/wines/predict": "AWS_IAM",
        "POST /projects/{project}/predict": "AWS_IAM",
        "POST /projects/{project}/outcomes": "AWS_IAM",
        "GET /projects/{project}": "AWS_IAM",
        "GET /projects/{project}/openapi.json": "AWS_IAM",
        "POST /projects/{project}/release": "AWS_IAM",
        "POST /projects/{project}/releases/{release}/decision": "AWS_IAM",
        "GET /health": "NONE",
    }


def test_the_api_is_throttled_and_writes_access_logs(any_stage, of_kind) -> None:
    (stage,) = of_kind(any_stage.platform, "AWS::ApiGatewayV2::Stage").values()
    limits = stage["DefaultRouteSettings"]
    assert 0 < limits["ThrottlingRateLimit"] <= limits["ThrottlingBurstLimit"]
    assert "$context.requestId" in json.loads(stage["AccessLogSettings"]["Format"]).values()


def test_an_upload_and_nothing_else_starts_the_data_machine(any_stage, of_kind) -> None:
    rules = of_kind(any_stage.platform, "AWS::Events::Rule").values()
    (rule,) = [rule for rule in rules if rule["Name"].endswith("-upload")]
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    assert rule["EventPattern"]["detail-type"] == ["Object Created"]
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "incoming/"}]}
    assert "Data" in json.dumps(rule["EventPattern"]["detail"]["bucket"])
    (target,) = rule["Targets"]
    assert "DataMachine" in target["Arn"]["Ref"]
    assert "DeadLetterConfig" in target


def test_an_upload_of_outcomes_reaches_their_function_and_nothing_else_does(any_stage, of_kind) -> None:
    rules = of_kind(any_stage.platform, "AWS::Events::Rule").values()
    (rule,) = [rule for rule in rules if rule["Name"].endswith("-outcomes")]
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    assert rule["EventPattern"]["detail"]["object"] == {"key": [{"prefix": "incoming-outcomes/"}]}
    (target,) = rule["Targets"]
    assert "TakeOutcomes" in json.dumps(target["Arn"]) and "DeadLetterConfig" in target
    permissions = of_kind(any_stage.platform, "AWS::Lambda::Permission").values()
    allowed = [each for each in permissions if "TakeOutcomes" in json.dumps(each["FunctionName"])]
    assert [each["Principal"] for each in allowed] == ["events.amazonaws.com"]


def test_machines_are_logged_without_their_data_and_traced(any_stage, of_kind) -> None:
    machines = of_kind(any_stage.platform, "AWS::StepFunctions::StateMachine").values()
    assert {machine["StateMachineName"] for machine in machines} == {
        f"tidemill-{any_stage.stage}-{word}" for word in definitions.WORDS
    }
    for machine in machines:
        assert machine["LoggingConfiguration"]["Level"] == "ALL"
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
        assert machine["TracingConfiguration"] == {"Enabled": True}


def test_no_placeholder_is_left_in_a_deployed_definition(any_stage, of_kind) -> None:
    for machine in of_kind(any_stage.platform, "AWS::StepFunctions::StateMachine").values():
        definition = json.dumps(machine["DefinitionString"])
        assert "Fn::GetAtt" in definition
        assert "${" not in definition


def test_other_programs_find_everything_by_parameters(any_stage, of_kind) -> None:
    names = {each["Name"] for each in of_kind(any_stage.platform, "AWS::SSM::Parameter").values()}
    root = f"/tidemill/{any_stage.stage}/"
    assert {f"{root}{thing}" for thing in ("data-bucket", "table", "api-url")} <= names
    assert {f"{root}state-machine/{word}" for word in definitions.WORDS} <= names
    things = ("endpoint", "mode")
    assert {
        f"{root}{thing}/{project}" for thing in things for project in ("flights", "diamonds", "wines")
    } <= names
    for function in of_kind(any_stage.platform, "AWS::Lambda::Function").values():
        if not function["FunctionName"].endswith("-predict"):
            verb_noun = function["Handler"].removesuffix(".handler")
            assert f"{root}function/{verb_noun}" in names


def test_an_alarm_may_be_published_and_reaches_who_is_named(synthesize, of_kind) -> None:
    template = synthesize("dev", alarm_email="someone@example.org").platform
    (subscription,) = of_kind(template, "AWS::SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "someone@example.org")
    (policy,) = of_kind(template, "AWS::SNS::TopicPolicy").values()
    allowed = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert [s["Principal"] for s in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]


def test_events_that_cannot_be_handled_are_kept_and_raise_an_alarm(dev, of_kind) -> None:
    (queue,) = of_kind(dev.platform, "AWS::SQS::Queue").values()
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    watched = {alarm["Namespace"] for alarm in of_kind(dev.platform, "AWS::CloudWatch::Alarm").values()}
    assert watched == {"AWS/SQS", "AWS/States", "AWS/Lambda", "Tidemill"}


def test_no_stage_differs_from_another_in_the_kinds_of_what_it_deploys(assembly) -> None:
    def kinds(stage: str) -> dict[str, int]:
        types = [resource["Type"] for resource in assembly(stage).platform["Resources"].values()]
        # Locally fewer layers, and no policy that refuses plain HTTP.
        return {kind: types.count(kind) for kind in set(types) if kind != "AWS::Lambda::LayerVersion"}

    assert kinds("dev") == kinds("prod") == kinds("local")


def test_an_alarm_on_a_challenger_ends_its_release(any_stage, of_kind) -> None:
    rules = {rule["Name"]: rule for rule in of_kind(any_stage.platform, "AWS::Events::Rule").values()}
    rule = rules[f"tidemill-{any_stage.stage}-guards"]
    assert rule["EventPattern"]["source"] == ["aws.cloudwatch"]
    detail = rule["EventPattern"]["detail"]
    prefixes = [each["prefix"] for each in detail["alarmName"]]
    for kind in guard_names.KINDS:
        named = guard_names.alarm(any_stage.stage, kind, "flights")
        assert sum(named.startswith(prefix) for prefix in prefixes) == 1
    assert detail["state"] == {"value": ["ALARM"]}
    (target,) = rule["Targets"]
    assert "WithdrawChallenger" in target["Arn"]["Fn::GetAtt"][0]
    assert "DeadLetterConfig" in target
    permitted = [
        permission
        for permission in of_kind(any_stage.platform, "AWS::Lambda::Permission").values()
        if permission["FunctionName"] == target["Arn"]
    ]
    assert [each["Principal"] for each in permitted] == ["events.amazonaws.com"]


def test_functions_know_the_topic_and_endpoints_their_project(any_stage, of_kind) -> None:
    for function in of_kind(any_stage.platform, "AWS::Lambda::Function").values():
        variables = function["Environment"]["Variables"]
        if function["Handler"].startswith(("shift_traffic.", "settle_release.", "publish_version.")):
            assert "Alarms" in variables["TIDEMILL_TOPIC"]["Ref"]
        if function["FunctionName"].endswith("-predict"):
            assert f"-{variables['TIDEMILL_PROJECT']}-predict" in function["FunctionName"]
