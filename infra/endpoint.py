"""The endpoint construct: everything that one project file adds to the platform."""

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.alarms import alarm
from infra.endpoint_work import endpoint_environment, endpoint_work
from infra.function import Function, Surroundings
from infra.http_api import HttpApi
from infra.monitoring import Monitoring
from tidemill import names
from tidemill.projects import Project


@dataclass(frozen=True)
class Shared:
    """What the endpoints have in common."""

    around: Surroundings
    api: HttpApi
    monitoring: Monitoring
    deliver_capture: Function
    topic: sns.ITopic


class Endpoint(Construct):
    """The inference function of a project with its alias `live`, its route, its capture and its watch over drift.

    `live` is made here once and then belongs to the releases: the version and the alias have no property that a
    change of handler, layer or setting changes, so that CloudFormation never touches them again
    (docs/decisions/0002).
    """

    def __init__(self, scope: Construct, construct_id: str, *, project: Project, shared: Shared) -> None:
        super().__init__(scope, construct_id)
        self.project = project
        self._shared = shared
        self._stage = shared.around.stage
        self.predict = Function(
            self,
            "Predict",
            work=endpoint_work(project),
            word="serving",
            around=shared.around,
            name=names.endpoint_function(self._stage.name, project.name),
            environment=endpoint_environment(project, shared.around),
            concurrency=project.serving.concurrency,
        )
        self.alias = self._live()
        shared.api.route(f"POST /projects/{project.name}/predict", scope=self, function_arn=self.alias.ref)
        self._capture()
        self._watch_errors()
        self._watch_artifacts()
        self._watch_drift()

    def _live(self) -> lambda_.CfnAlias:
        first = lambda_.CfnVersion(self, "First", function_name=self.predict.function.function_name)
        return lambda_.CfnAlias(
            self,
            "Live",
            name=names.LIVE_ALIAS,
            function_name=self.predict.function.function_name,
            function_version=first.attr_version,
        )

    def _capture(self) -> None:
        deliver = self._shared.deliver_capture
        permission = lambda_.CfnPermission(
            self,
            "CapturePermission",
            action="lambda:InvokeFunction",
            function_name=deliver.arn,
            principal="logs.amazonaws.com",
            source_account=Stack.of(self).account,
            source_arn=self.predict.logs.log_group_arn,
        )
        capture = logs.CfnSubscriptionFilter(
            self,
            "Capture",
            log_group_name=self.predict.logs.log_group_name,
            destination_arn=deliver.arn,
            filter_pattern=names.CAPTURE_TERM,
        )
        capture.add_resource_dependency(permission)

    def _watch_errors(self) -> None:
        alarm(
            self,
            "Errors",
            name=f"tidemill-{self._stage.name}-errors-{self.project.name}",
            description=f"Predictions of {self.project.name} fail: see the log group {self.predict.name}",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={
                "FunctionName": self.predict.name,
                "Resource": f"{self.predict.name}:{names.LIVE_ALIAS}",
            },
            topic=self._shared.topic,
        )

    def _watch_artifacts(self) -> None:
        alarm(
            self,
            "Artifacts",
            name=f"tidemill-{self._stage.name}-artifacts-{self.project.name}",
            description=(
                f"A model file of {self.project.name} is not what was registered, and was refused: "
                "docs/operations/artifacts-alarm.md"
            ),
            namespace=names.METRIC_NAMESPACE,
            metric=names.METRIC_ARTIFACTS_REFUSED,
            dimensions={names.DIMENSION_STAGE: self._stage.name, names.DIMENSION_PROJECT: self.project.name},
            topic=self._shared.topic,
        )

    def _watch_drift(self) -> None:
        project, stage = self.project, self._stage
        minutes = stage.drift_schedule_minutes or project.drift.schedule_minutes
        scheduler.CfnSchedule(
            self,
            "Schedule",
            name=f"tidemill-{stage.name}-monitoring-{project.name}",
            description=f"A look at the predictions of {project.name}",
            schedule_expression=f"rate({minutes} minute{'' if minutes == 1 else 's'})",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self._shared.monitoring.machine.arn,
                role_arn=self._shared.monitoring.schedule_role.role_arn,
                input=f'{{"project":"{project.name}","trigger":"schedule"}}',
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self._shared.around.failures.queue_arn
                ),
            ),
        )
        drift = alarm(
            self,
            "Drift",
            name=names.drift_alarm(stage.name, project.name),
            description=f"What is asked of {project.name} has drifted from what its model was trained on",
            namespace=names.METRIC_NAMESPACE,
            metric=names.METRIC_DRIFT_DETECTED,
            # `service` is the dimension that powertools adds to each metric: its value is the stage word.
            dimensions={names.DIMENSION_PROJECT: project.name, "service": "monitoring"},
            statistic="Maximum",
            topic=self._shared.topic,
        )
        self._retrain_on(drift.attr_arn)

    def _retrain_on(self, alarm_arn: str) -> None:
        request = self._shared.monitoring.request_retraining
        rule = events.CfnRule(
            self,
            "Retraining",
            name=f"tidemill-{self._stage.name}-drift-{self.project.name}",
            description=f"Drift of {self.project.name} asks for a retraining",
            event_pattern={
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "resources": [alarm_arn],
                "detail": {"state": {"value": ["ALARM"]}},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="RequestRetraining",
                    arn=request.arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=self._shared.around.failures.queue_arn
                    ),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "RetrainingPermission",
            action="lambda:InvokeFunction",
            function_name=request.arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
