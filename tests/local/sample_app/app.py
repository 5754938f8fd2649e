"""A small app with what Tidemill's own uses: assets, a layer, an alias, an API, alarms, schedules, rules."""

import json

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_ssm as ssm
from aws_cdk import aws_stepfunctions as sfn

app = cdk.App()
state = cdk.Stack(app, "state")
bucket = s3.Bucket(state, "Data", versioned=True, event_bridge_enabled=True)
table = dynamodb.TableV2(
    state, "Table", partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING)
)

platform = cdk.Stack(app, "platform")
if app.node.try_get_context("broken"):
    cdk.CfnResource(platform, "Broken", type="AWS::CloudWatch::Alarm", properties={"Namespace": "only"})
layer = lambda_.LayerVersion(platform, "Layer", code=lambda_.Code.from_asset("layer"))
log = logs.LogGroup(platform, "Log")
function = lambda_.Function(
    platform,
    "Function",
    function_name="sample",
    code=lambda_.Code.from_asset("function"),
    handler="index.handler",
    runtime=lambda_.Runtime.PYTHON_3_13,
    layers=[layer],
    log_group=log,
    environment={"TABLE": table.table_name},
    description=app.node.try_get_context("description") or "first",
)
if not app.node.try_get_context("ungranted"):
    table.grant_write_data(function)
version = lambda_.CfnVersion(platform, "First", function_name=function.function_name)
alias = lambda_.CfnAlias(
    platform, "Live", function_name=function.function_name, function_version=version.attr_version, name="live"
)

task = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "${Function}", "Payload": "{% $states.input %}"},
    "End": True,
}
machine = sfn.StateMachine(
    platform,
    "Machine",
    definition_body=sfn.DefinitionBody.from_string(
        json.dumps({"QueryLanguage": "JSONata", "StartAt": "Call", "States": {"Call": task}})
    ),
    definition_substitutions={"Function": function.function_arn},
)
function.grant_invoke(machine)
api = apigateway.HttpApi(platform, "Api", default_authorizer=authorizers.HttpIamAuthorizer())
live = lambda_.Function.from_function_attributes(
    platform, "LiveReference", function_arn=alias.ref, same_environment=True
)
api.add_routes(path="/answer", integration=integrations.HttpLambdaIntegration("Answer", live))
upload = events.EventPattern(source=["aws.s3"], detail={"bucket": {"name": [bucket.bucket_name]}})
named = events.RuleTargetInput.from_object({"key": events.EventField.from_path("$.detail.object.key")})
events.Rule(platform, "Upload", event_pattern=upload, targets=[targets.SfnStateMachine(machine, input=named)])
scheduler.Schedule(
    platform,
    "Schedule",
    schedule=scheduler.ScheduleExpression.rate(cdk.Duration.days(1)),
    schedule_group=scheduler.ScheduleGroup(platform, "Group"),
    target=scheduler_targets.StepFunctionsStartExecution(machine),
)
logs.SubscriptionFilter(
    platform,
    "Capture",
    log_group=log,
    destination=destinations.LambdaDestination(function),
    filter_pattern=logs.FilterPattern.any_term("TIDEMILL_CAPTURE"),
)
metric = cloudwatch.Metric(namespace="Sample", metric_name="Drift", dimensions_map={"project": "flights"})
drift = cloudwatch.Alarm(platform, "Drift", metric=metric, threshold=1, evaluation_periods=1)
drift.add_alarm_action(actions.LambdaAction(function))
cloudwatch.CompositeAlarm(
    platform, "Any", alarm_rule=cloudwatch.AlarmRule.from_alarm(drift, cloudwatch.AlarmState.ALARM)
)
ssm.StringParameter(platform, "ApiUrl", parameter_name="/sample/api-url", string_value=api.api_endpoint)
cdk.CfnOutput(platform, "MachineArn", value=machine.state_machine_arn)
app.synth()
