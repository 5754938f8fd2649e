"""The stack of the platform: it composes the stages, and one endpoint per project file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra import layer_build
from infra.alarms import alarm
from infra.data import Data
from infra.endpoint import Endpoint, Shared
from infra.function import Surroundings
from infra.http_api import HttpApi
from infra.layers import Layers
from infra.monitoring import Monitoring
from infra.release import Release
from infra.serving import Serving
from infra.stages import Stage
from infra.state_stack import StateStack
from infra.training import Training
from tidemill import env_names, names, token_names
from tidemill.projects import Project
from tidemill.release import guard_names


class PlatformStack(Stack):
    """Functions, machines, API, endpoints, alarms, and the parameters by which other programs find them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        state: StateStack,
        projects: Mapping[str, Project],
        build_layer: Callable[..., Path] = layer_build.third_party,
    ) -> None:
        super().__init__(scope, construct_id, description=f"Tidemill {stage.name}: the platform")
        self.stage = stage
        self.topic = self._topic()
        self.failures = self._failures()
        layers = Layers(
            self,
            "Layers",
            stage=stage,
            projects={name: project.model_dump(mode="json") for name, project in projects.items()},
            build=build_layer,
        )
        around = Surroundings(
            stage=stage,
            layers=layers,
            failures=self.failures,
            environment=environment(stage, state, self.topic),
            arns=self._arns(state),
        )
        monitoring, serving = self._stages(around, bucket=state.bucket.bucket_name)
        api = HttpApi(self, "Api", stage=stage, projects=projects, asks=serving.authorize_request)
        serving.answer(api)
        self.release.answer(api)
        shared = Shared(around, api, monitoring, serving.deliver_capture, self.topic)
        self.endpoints = {
            name: Endpoint(self, f"Endpoint-{name}", project=project, shared=shared)
            for name, project in projects.items()
        }
        self._watch()
        self._tell(state, api)

    def _stages(self, around: Surroundings, *, bucket: str) -> tuple[Monitoring, Serving]:
        """The stages, each after those that it starts. Those that the endpoints need are given back."""
        self.release = release = Release(self, "Release", around=around)
        training = Training(self, "Training", around=around, release=release.machine)
        around.arns["machine-training"] = training.machine.arn
        data = Data(self, "Data", around=around, bucket=bucket, training=training.machine)
        monitoring = Monitoring(self, "Monitoring", around=around, training=training.machine)
        serving = Serving(self, "Serving", around=around, bucket=bucket)
        self.machines = {
            "data": data.machine,
            "training": training.machine,
            "release": release.machine,
            "monitoring": monitoring.machine,
            "serving": serving.machine,
        }
        owners = (data, training, release, monitoring, serving)
        self.functions = [function for owner in owners for function in owner.functions]
        return monitoring, serving

    def _topic(self) -> sns.Topic:
        topic = sns.Topic(
            self, "Alarms", topic_name=f"tidemill-{self.stage.name}-alarms", enforce_ssl=self.stage.require_tls
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if self.stage.alarm_email:
            sns.CfnSubscription(
                self, "AlarmEmail", topic_arn=topic.topic_arn, protocol="email", endpoint=self.stage.alarm_email
            )
        return topic

    def _failures(self) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "Failures",
            queue_name=f"tidemill-{self.stage.name}-failures",
            retention_period=Duration.days(14),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=self.stage.require_tls,
        )
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return queue

    def _arns(self, state: StateStack) -> dict[str, str]:
        """What grants may name. Endpoints and model layers go by their names: the former are made after the
        functions that act on them, the latter by releases."""

        def lambda_arn(kind: str, name: str) -> str:
            return self.format_arn(
                service="lambda", resource=kind, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
            )

        return {
            "bucket": state.bucket_arn,
            "table": state.table.table_arn,
            # By its name: the machine's role names the functions whose grants these are.
            "waiting-release": self.format_arn(
                service="states",
                resource="stateMachine",
                resource_name=f"tidemill-{self.stage.name}-release",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
            "topic": self.topic.topic_arn,
            "layers": lambda_arn("layer", f"tidemill-{self.stage.name}-*"),
            "model-layers": lambda_arn("layer", names.model_layer(self.stage.name, "*")),
            "endpoints": lambda_arn("function", names.endpoint_function(self.stage.name, "*")),
            "guards": self.format_arn(
                service="cloudwatch",
                resource="alarm",
                resource_name=guard_names.all_alarms(self.stage.name),
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            ),
        }

    def _watch(self) -> None:
        alarm(
            self,
            "FailuresAlarm",
            name=f"tidemill-{self.stage.name}-failures",
            description=f"An event could not be handled: read the queue {self.failures.queue_name}",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": self.failures.queue_name},
            statistic="Maximum",
            topic=self.topic,
        )
        for word, machine in self.machines.items():
            alarm(
                self,
                f"{word.capitalize()}Failed",
                name=f"tidemill-{self.stage.name}-failed-{word}",
                description=f"An execution of {machine.name} failed: see it in the Step Functions console",
                namespace="AWS/States",
                metric="ExecutionsFailed",
                dimensions={"StateMachineArn": machine.arn},
                topic=self.topic,
            )

    def _tell(self, state: StateStack, api: HttpApi) -> None:
        things = {
            "data-bucket": state.bucket.bucket_name,
            "table": state.table.table_name,
            "api-url": api.url,
            "auth": self.stage.auth,
            **{f"state-machine/{word}": machine.arn for word, machine in self.machines.items()},
            **{f"function/{function.work.name}": function.name for function in self.functions},
            **{f"endpoint/{name}": endpoint.predict.name for name, endpoint in self.endpoints.items()},
            **{f"mode/{name}": endpoint.project.mode for name, endpoint in self.endpoints.items()},
        }
        parameters = Construct(self, "Parameters")
        for thing, value in things.items():
            ssm.CfnParameter(
                parameters,
                "".join(part.capitalize() for part in thing.replace("/", " ").replace("_", " ").split()),
                name=names.parameter(self.stage.name, thing),
                type="String",
                value=value,
            )


def environment(stage: Stage, state: StateStack, topic: sns.ITopic) -> dict[str, str]:
    """What the functions know of their deployment (`tidemill/settings.py` reads it)."""
    overrides = {
        env_names.ENV_LOOK_SECONDS: stage.look_seconds,
        env_names.ENV_COOL_DOWN_SECONDS: stage.cool_down_seconds,
        env_names.ENV_SPLIT_BYTES: stage.split_bytes,
        env_names.ENV_REHEARSAL: "true" if stage.rehearsal else None,
        token_names.ENV_AUTH: None if stage.auth == "iam" else stage.auth,
        env_names.ENV_SELF_APPROVAL: "true" if stage.self_approval else None,
    }
    return {
        env_names.ENV_BUCKET: state.bucket.bucket_name,
        env_names.ENV_TABLE: state.table.table_name,
        env_names.ENV_TOPIC: topic.topic_arn,
        **{name: str(value) for name, value in overrides.items() if value is not None},
    }
