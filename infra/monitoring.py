"""The monitoring stage: from captured predictions to a drift report and a retraining. Its functions and its
machine."""

import json

from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import reads, starts, table, writes
from infra.state_machine import StateMachine
from tidemill import env_names

FUNCTIONS = (
    Work(
        "build_window", ("core", "numeric"), memory=1024, seconds=300,
        may=(*reads("captured", "windows", "models"), *writes("windows"), *table()),
    ),
    Work(
        "detect_drift", ("core", "numeric"), memory=1024, seconds=300,
        may=(*reads("windows", "models"), *writes("windows"), *table()),
    ),
    Work(
        "request_retraining", ("core",), memory=512, seconds=60,
        may=(*table(), *starts("training")), asynchronous=True,
    ),
)  # fmt: skip


class Monitoring(Construct):
    """Compares what is asked of the models with what they were trained on. Schedules and alarms are the
    endpoints'."""

    def __init__(
        self, scope: Construct, construct_id: str, *, around: Surroundings, training: StateMachine
    ) -> None:
        super().__init__(scope, construct_id)
        environment = {**around.environment, env_names.ENV_MACHINES: json.dumps({"training": training.arn})}
        functions = {
            work.name: Function(
                self, work.construct_id, work=work, word="monitoring", around=around, environment=environment
            )
            for work in FUNCTIONS
        }
        self.functions = list(functions.values())
        self.request_retraining = functions["request_retraining"]
        self.machine = StateMachine(
            self, "MonitoringMachine", word="monitoring", stage=around.stage, functions=self.functions
        )
        self.schedule_role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            inline_policies={
                "grants": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.machine.arn]),
                        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[around.failures.queue_arn]),
                    ]
                )
            },
        )
