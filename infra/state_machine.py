"""The state machine construct: every default of a state machine is here, and nowhere else."""

from collections.abc import Iterable, Mapping

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import definitions
from infra.function import Function
from infra.grants import Grant
from infra.logs import log_group
from infra.stages import Stage

# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
LOG_DELIVERY = Grant(
    (
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ),
    ("*",),
    "the log delivery actions know no resources",
)
TRACES = Grant(
    (
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ),
    ("*",),
    "these X-Ray actions know no resources",
)

EVERY_MACHINE = (LOG_DELIVERY, TRACES)


def map_runs(name: str) -> tuple[Grant, ...]:
    """What the machine of that name needs for its distributed Maps, whose items are executions of their own.

    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html"""
    here = f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}"
    return (
        Grant(("states:StartExecution",), (f"{here}:stateMachine:{name}",)),
        Grant(
            ("states:DescribeExecution", "states:StopExecution"),
            (f"{here}:execution:{name}:*",),
            "the executions of this machine's own Maps, which are named when they start",
        ),
    )


class StateMachine(Construct):
    """`statemachines/<word>.asl.json` as a standard state machine. Its role may call what the file names, and
    what `may` says, no more."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        word: str,
        stage: Stage,
        functions: Iterable[Function],
        machines: Mapping[str, "StateMachine"] | None = None,
        may: tuple[Grant, ...] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        definition = definitions.load(word)
        arns = {function.work.construct_id: function.arn for function in functions}
        started = {f"{name.capitalize()}Machine": machine.arn for name, machine in (machines or {}).items()}
        self.name = f"tidemill-{stage.name}-{word}"
        # Under /aws/vendedlogs/ the account's one log resource policy does not grow with each machine.
        logs = log_group(self, name=f"/aws/vendedlogs/states/{self.name}", stage=stage)
        self.grants = (*EVERY_MACHINE, *may, *(map_runs(self.name) if definition.distributes else ()))
        role = self._role(
            invokes=[arns[name] for name in definition.functions if name in arns],
            starts=[started[name] for name in definition.machines if name in started],
        )
        self.machine = sfn.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=self.name,
            state_machine_type="STANDARD",
            definition_string=definition.filled({**arns, **started}),
            role_arn=role.role_arn,
            tracing_configuration=sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True),
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=logs.log_group_arn
                        )
                    )
                ],
            ),
        )

    @property
    def arn(self) -> str:
        return self.machine.ref

    def _role(self, *, invokes: list[str], starts: list[str]) -> iam.Role:
        wanted = [Grant(("lambda:InvokeFunction",), tuple(invokes))]
        if starts:
            wanted.append(Grant(("states:StartExecution",), tuple(starts)))
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={
                "grants": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=list(grant.actions),
                            resources=list(grant.resources),
                            conditions=dict(grant.conditions) or None,
                        )
                        for grant in (*wanted, *self.grants)
                    ]
                )
            },
        )
