"""What a service may do, it may do by a role or by the function's resource policy."""

import json

import pytest

PRINT = "def handler(event, context):\n    print('ran')\n    return {}\n"


@pytest.fixture
def role(client, unique):
    """ARN of a role of a service, and a function that grants it something."""
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = client("iam").create_role(RoleName=f"{unique}-service", AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def grant(action, resource):
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        client("iam").put_role_policy(RoleName=f"{unique}-service", PolicyName=action[:3], PolicyDocument=document)

    return arn, grant


@pytest.fixture
def permit(client):
    """Allow a service to invoke a function for one of its resources."""

    def add(function, service, source):
        client("lambda").add_permission(
            FunctionName=function,
            StatementId="s",
            Action="lambda:InvokeFunction",
            Principal=service,
            SourceArn=source,
        )

    return add


@pytest.fixture
def ran(messages, eventually):
    return lambda name: eventually(lambda: "ran" in messages(f"/aws/lambda/{name}"))


@pytest.fixture
def machine(client, unique, role):
    """Make a state machine of one task under the role, and a function that runs it to its end."""
    states = client("stepfunctions")

    def make(resource, arguments):
        task = {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}
        definition = {"QueryLanguage": "JSONata", "StartAt": "Do", "States": {"Do": task}}
        return states.create_state_machine(name=unique, definition=json.dumps(definition), roleArn=role[0])[
            "stateMachineArn"
        ]

    return make


@pytest.fixture
def run(client, eventually):
    states = client("stepfunctions")

    def to_end(machine):
        execution = states.start_execution(stateMachineArn=machine)["executionArn"]

        def done():
            described = states.describe_execution(executionArn=execution)
            return described["status"] != "RUNNING" and described

        return eventually(done)

    return to_end


def test_a_state_machine_needs_its_role_to_invoke(enforced, function, role, machine, run):
    name = function(PRINT)
    arn = machine("arn:aws:states:::lambda:invoke", {"FunctionName": name})
    refused = run(arn)
    assert (refused["status"], refused["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    assert "not authorized to perform: lambda:InvokeFunction" in refused["cause"]
    role[1]("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:000000000000:function:{name}")
    assert run(arn)["status"] == "SUCCEEDED"


def test_a_state_machine_needs_its_role_to_start_another(enforced, client, role, machine, run, unique):
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    other = client("stepfunctions").create_state_machine(
        name=f"{unique}-other", definition=definition, roleArn=role[0]
    )["stateMachineArn"]
    arn = machine("arn:aws:states:::states:startExecution", {"StateMachineArn": other, "Input": {}})
    assert run(arn)["error"] == "StepFunctions.AccessDeniedException"
    role[1]("states:StartExecution", other)
    assert run(arn)["status"] == "SUCCEEDED"


def test_without_enforcement_nothing_is_asked(function, machine, run):
    assert (
        run(machine("arn:aws:states:::lambda:invoke", {"FunctionName": function(PRINT)}))["status"] == "SUCCEEDED"
    )


def test_a_rule_needs_its_role_to_start_a_state_machine(enforced, client, role, unique, eventually):
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    states, events = client("stepfunctions"), client("events")
    arn = states.create_state_machine(name=unique, definition=definition, roleArn=role[0])["stateMachineArn"]
    events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    events.put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": arn, "RoleArn": role[0]}])
    events.put_events(Entries=[{"Source": unique, "DetailType": "refused", "Detail": "{}"}])
    role[1]("states:StartExecution", arn)
    events.put_events(Entries=[{"Source": unique, "DetailType": "granted", "Detail": "{}"}])
    (execution,) = eventually(lambda: states.list_executions(stateMachineArn=arn)["executions"])
    started = states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(started["input"])["detail-type"] == "granted"


def test_a_rule_needs_a_permission_of_the_function(enforced, client, function, permit, unique, ran, messages):
    name, events = function(PRINT), client("events")
    rule = events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))["RuleArn"]
    target = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    events.put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": target}])
    events.put_events(Entries=[{"Source": unique, "DetailType": "refused", "Detail": "{}"}])
    permit(name, "events.amazonaws.com", rule)
    events.put_events(Entries=[{"Source": unique, "DetailType": "granted", "Detail": "{}"}])
    assert ran(name)
    assert messages(f"/aws/lambda/{name}").count("ran") == 1


def test_an_http_api_needs_a_permission_of_the_function(enforced, function, http_api, permit, signed_request):
    name = function()
    endpoint = http_api(name)
    assert signed_request("GET", f"{endpoint}/answer") == (500, {"message": "Internal Server Error"})
    api = endpoint.rpartition("/")[2]
    permit(name, "apigateway.amazonaws.com", f"arn:aws:execute-api:us-east-1:000000000000:{api}/*/*/answer")
    assert signed_request("GET", f"{endpoint}/answer")[0] == 200


def test_an_alarm_needs_a_permission_of_the_function(enforced, client, function, permit, unique, ran, messages):
    name, cloudwatch = function(PRINT), client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=unique, Namespace=unique, MetricName="m", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore", Statistic="Sum",
        AlarmActions=[f"arn:aws:lambda:us-east-1:000000000000:function:{name}"],
    )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName=unique, StateValue="ALARM", StateReason="refused")
    cloudwatch.set_alarm_state(AlarmName=unique, StateValue="OK", StateReason="between")
    alarm = f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{unique}"
    permit(name, "lambda.alarms.cloudwatch.amazonaws.com", alarm)
    cloudwatch.set_alarm_state(AlarmName=unique, StateValue="ALARM", StateReason="granted")
    assert ran(name)
    assert messages(f"/aws/lambda/{name}").count("ran") == 1
    cloudwatch.delete_alarms(AlarmNames=[unique])
