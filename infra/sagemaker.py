"""SageMaker for runs that ask for it: the role of its jobs, and what a state machine needs to start them.

Nothing here runs or costs anything until a run starts a job.
https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html,
https://docs.aws.amazon.com/step-functions/latest/dg/sagemaker-iam.html
"""

import re
from dataclasses import replace

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.function import Surroundings
from infra.grants import Grant, reads, table, writes
from infra.stages import Stage
from tidemill import env_names, names

MODULE = "tidemill.jobs.train"
SERVICE = "sagemaker.amazonaws.com"
REPOSITORY = re.compile(r"^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)")

_HERE = f"{Aws.REGION}:{Aws.ACCOUNT_ID}"
_NAMED = "this stage's jobs, which alone are named so; their names are made at run time"


class TrainingJobs(Construct):
    """The execution role of training jobs, and the image that they run (None where the stage has none)."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings) -> None:
        super().__init__(scope, construct_id)
        stage = around.stage
        self.image = image_of(around)
        own = (*reads("runs", "studies"), *writes("runs", "studies"), *table())
        filled = (replace(g, resources=tuple(r.format_map(around.arns) for r in g.resources)) for g in own)
        self.grants = (*filled, *logs(), *pulls(stage))
        statements = [
            iam.PolicyStatement(
                actions=list(grant.actions),
                resources=list(grant.resources),
                conditions=dict(grant.conditions) or None,
            )
            for grant in self.grants
        ]
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(SERVICE),
            inline_policies={"grants": iam.PolicyDocument(statements=statements)},
        )

    def environment(self) -> dict[str, str]:
        """What the function that writes the requests must know."""
        if self.image is None:
            return {}
        return {env_names.ENV_TRAINING_IMAGE: self.image, env_names.ENV_TRAINING_ROLE: self.role.role_arn}

    def starting(self, stage: Stage) -> tuple[Grant, ...]:
        """What a machine needs that starts the jobs and waits for them."""
        training, tuning = (
            f"arn:{Aws.PARTITION}:sagemaker:{_HERE}:{kind}/{names.training_job(stage.name, '*')}"
            for kind in ("training-job", "hyper-parameter-tuning-job")
        )
        rules = [
            f"arn:{Aws.PARTITION}:events:{_HERE}:rule/StepFunctionsGetEventsForSageMaker{jobs}JobsRule"
            for jobs in ("Training", "Tuning")
        ]
        return (
            Grant(
                tuple(f"sagemaker:{verb}TrainingJob" for verb in ("Create", "Describe", "Stop")),
                (training,),
                _NAMED,
            ),
            Grant(
                tuple(f"sagemaker:{verb}HyperParameterTuningJob" for verb in ("Create", "Describe", "Stop")),
                (tuning,),
                _NAMED,
            ),
            Grant(("sagemaker:AddTags",), (training, tuning), _NAMED),
            Grant(("events:PutTargets", "events:PutRule", "events:DescribeRule"), tuple(rules)),
            Grant(
                ("iam:PassRole",),
                (self.role.role_arn,),
                conditions={"StringEquals": {"iam:PassedToService": SERVICE}},
            ),
        )


def image_of(around: Surroundings) -> str | None:
    """The stage's image. The embedded cloud has none: there it is the program in the core layer, which has the
    library and nothing else, like the image."""
    if around.stage.third_party_layers:
        return around.stage.training_image
    return f"{MODULE}@{around.layers.arn('core')}"


def logs() -> tuple[Grant, ...]:
    """The log of the jobs, and the metrics that SageMaker reads in it and puts with the job's role."""
    group = f"arn:{Aws.PARTITION}:logs:{_HERE}:log-group:{names.TRAINING_LOGS}"
    streams = "the streams of this log group, which are named by jobs and hosts"
    return (
        Grant(("logs:CreateLogGroup", "logs:DescribeLogStreams"), (f"{group}:*",), streams),
        Grant(("logs:CreateLogStream", "logs:PutLogEvents"), (f"{group}:log-stream:*",), streams),
        Grant(
            ("cloudwatch:PutMetricData",),
            ("*",),
            "the action knows no resources; the namespace is held to SageMaker's",
            {"StringLike": {"cloudwatch:namespace": "*/aws/sagemaker/*"}},
        ),
    )


def pulls(stage: Stage) -> tuple[Grant, ...]:
    """Pull the stage's image, where it is in ECR."""
    found = REPOSITORY.match(stage.training_image or "")
    if not found:
        return ()
    account, region, repository = found.groups()
    actions = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    return (
        Grant(("ecr:GetAuthorizationToken",), ("*",), "the action knows no resources"),
        Grant(actions, (f"arn:{Aws.PARTITION}:ecr:{region}:{account}:repository/{repository}",)),
    )
