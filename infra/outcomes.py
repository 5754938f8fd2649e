"""Uploads of outcomes: the function that takes them, and the rule by which it hears of them."""

from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import reads, writes
from tidemill import names

TAKE_OUTCOMES = Work(
    "take_outcomes",
    ("core",),
    memory=1024,
    seconds=900,
    may=(
        *reads("incoming-outcomes", versions=True),
        *reads("outcomes"),
        *writes("outcomes", "quarantine"),
    ),
    asynchronous=True,
)


class OutcomeUploads(Construct):
    """Takes what is uploaded to `incoming-outcomes/` of `bucket`. The prefix is none of the data machine's."""

    def __init__(self, scope: Construct, construct_id: str, *, around: Surroundings, bucket: str) -> None:
        super().__init__(scope, construct_id)
        self.function = Function(
            self, TAKE_OUTCOMES.construct_id, work=TAKE_OUTCOMES, word="serving", around=around
        )
        rule = events.CfnRule(
            self,
            "Upload",
            name=f"tidemill-{around.stage.name}-outcomes",
            description="An uploaded file of outcomes is taken",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {
                    "bucket": {"name": [bucket]},
                    "object": {"key": [{"prefix": names.INCOMING_OUTCOMES}]},
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="TakeOutcomes",
                    arn=self.function.arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=around.failures.queue_arn),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "UploadPermission",
            action="lambda:InvokeFunction",
            function_name=self.function.arn,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
