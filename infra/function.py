"""The function construct: every default of a Lambda function is here, and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aws_cdk import Duration, Size
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.grants import Grant
from infra.layers import FUNCTIONS, Layers, architecture
from infra.logs import log_group
from infra.stages import Stage
from tidemill import env_names, names

TRACES = Grant(
    ("xray:PutTraceSegments", "xray:PutTelemetryRecords"), ("*",), "these X-Ray actions know no resources"
)


@dataclass(frozen=True)
class Work:
    """One function in one line: its handler file, what it is given, what it may do."""

    name: str
    layers: tuple[str, ...]
    memory: int
    seconds: int
    may: tuple[Grant, ...] = ()
    asynchronous: bool = False
    """Invoked as an event, so that nobody waits for its error: it goes to the failures queue."""

    temporary_mb: int = 512
    """Size of its temporary storage; more than 512 MB are billed while it runs."""

    @property
    def construct_id(self) -> str:
        """`VerbNoun`, which is also the state and the placeholder."""
        return "".join(word.capitalize() for word in self.name.split("_"))


@dataclass(frozen=True)
class Surroundings:
    """What every function is given: settings, layers, the failures queue, and the ARNs that grants name."""

    stage: Stage
    layers: Layers
    failures: sqs.IQueue
    environment: Mapping[str, str]
    arns: dict[str, str] = field(default_factory=dict)
    """What the braces in the ARNs of grants stand for."""


class Function(Construct):
    """A Lambda function with its role and its log group. The role holds what `work.may` says, and its own logs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        work: Work,
        word: str,
        around: Surroundings,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
        concurrency: int | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        stage = around.stage
        self.work = work
        self.name = name or f"tidemill-{stage.name}-{work.name.replace('_', '-')}"
        self.logs = log_group(self, name=f"/aws/lambda/{self.name}", stage=stage)
        self.grants = (*work.may, TRACES)
        self.arns = around.arns
        self.role = self._role(around)
        code = FUNCTIONS / word
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=self.name,
            description=f"Tidemill {stage.name}: {word}/{work.name}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=architecture(stage),
            code=function_code(code),
            handler=f"{work.name}.handler",
            layers=around.layers.of(self.name, work.layers, code=code),  # type: ignore[arg-type]
            memory_size=work.memory,
            ephemeral_storage_size=Size.mebibytes(work.temporary_mb) if work.temporary_mb > 512 else None,
            timeout=Duration.seconds(work.seconds),
            role=self.role.without_policy_updates(),
            log_group=self.logs,
            tracing=lambda_.Tracing.ACTIVE,
            reserved_concurrent_executions=concurrency,
            environment={
                "POWERTOOLS_SERVICE_NAME": word,
                "POWERTOOLS_METRICS_NAMESPACE": names.METRIC_NAMESPACE,
                env_names.ENV_STAGE: stage.name,
                **(around.environment if environment is None else environment),
            },
        )
        if work.asynchronous:
            self._send_failures_to(around.failures)

    @property
    def arn(self) -> str:
        return self.function.function_arn

    def _role(self, around: Surroundings) -> iam.Role:
        statements = [
            iam.PolicyStatement(
                actions=list(grant.actions),
                resources=[resource.format_map(around.arns) for resource in grant.resources],
                conditions=dict(grant.conditions) or None,
            )
            for grant in self.grants
        ]
        statements.append(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[self.logs.log_group_arn]
            )
        )
        if self.work.asynchronous:
            statements.append(
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[around.failures.queue_arn])
            )
        return iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"grants": iam.PolicyDocument(statements=statements)},
        )

    def _send_failures_to(self, queue: sqs.IQueue) -> None:
        lambda_.CfnEventInvokeConfig(
            self,
            "Failures",
            function_name=self.function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=2,
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=queue.queue_arn)
            ),
        )


def function_code(folder: Path) -> lambda_.AssetCode:
    """The handlers of a stage. All functions of the stage share the one asset."""
    return lambda_.Code.from_asset(str(folder), exclude=["**/__pycache__/**", "__pycache__", "**/*.pyc", ".*"])
