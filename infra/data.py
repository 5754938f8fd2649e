"""The data stage: from an upload to a dataset version. Its functions, its machine, and the rule that starts it."""

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.function import Function, Surroundings, Work
from infra.grants import lists_versions, reads, removes, table, table_reads, writes
from infra.state_machine import StateMachine
from tidemill import names

_MOVES = writes("uploads", "batches")
"""Whoever takes a batch up writes the facts of its last move, should they be missing."""

FUNCTIONS = (
    Work(
        "register_version", ("core", "numeric", "arrow"), memory=3008, seconds=900,
        may=(
            *reads("incoming", versions=True), *reads("manifests", "objects", "uploads", "quarantine"),
            *writes("objects", "quarantine"), *removes("incoming"), *_MOVES, *table(),
        ),
    ),
    Work(
        "read_part", ("core", "numeric", "arrow"), memory=3008, seconds=900,
        may=(*reads("incoming", versions=True), *reads("quarantine"), *writes("quarantine")),
    ),
    Work(
        "merge_parts", ("core", "numeric", "arrow"), memory=3008, seconds=900,
        may=(
            *reads("incoming", versions=True), *reads("manifests", "objects", "uploads", "quarantine"),
            *writes("objects", "quarantine"), *removes("incoming"), *_MOVES, *table(),
        ),
    ),
    Work(
        "close_batch", ("core",), memory=512, seconds=900,
        may=(*lists_versions("incoming"), *reads("batches"), *_MOVES, *table()),
    ),
    Work(
        "validate_version", ("core", "numeric", "arrow"), memory=2048, seconds=600,
        may=(
            *reads("uploads", "batches", "manifests", "profiles", "contracts"),
            *writes("validations", "contracts"), *_MOVES,
            *table_reads(),
        ),
    ),
    Work(
        "accept_version", ("core",), memory=512, seconds=900,
        may=(
            *reads("manifests", "validations", "datasets", "batches"), *writes("manifests", "datasets", "lineage"),
            *_MOVES, *table(),
        ),
    ),
    Work(
        "quarantine_upload", ("core",), memory=512, seconds=300,
        may=(
            *reads("incoming", versions=True), *reads("quarantine", "batches"), *writes("quarantine"),
            *removes("incoming"), *_MOVES, *table(),
        ),
    ),
    Work("record_failure", ("core",), memory=512, seconds=60, may=(*_MOVES, *table())),
    Work(
        "compare_version", ("core", "numeric", "arrow"), memory=2048, seconds=300,
        may=(*reads("datasets", "uploads", "profiles"), *writes("datasets", "profiles")),
    ),
)  # fmt: skip


class Data(Construct):
    """Registers, validates and accepts what is uploaded to `incoming/` of `bucket`, then starts `training`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, around: Surroundings, bucket: str, training: StateMachine
    ) -> None:
        super().__init__(scope, construct_id)
        self.functions = [
            Function(self, work.construct_id, work=work, word="data", around=around) for work in FUNCTIONS
        ]
        self.machine = StateMachine(
            self,
            "DataMachine",
            word="data",
            stage=around.stage,
            functions=self.functions,
            machines={"training": training},
        )
        self._start_on_upload(around, bucket)

    def _start_on_upload(self, around: Surroundings, bucket: str) -> None:
        role = iam.Role(
            self,
            "UploadRole",
            assumed_by=iam.ServicePrincipal("events.amazonaws.com"),
            inline_policies={
                "grants": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.machine.arn])
                    ]
                )
            },
        )
        events.CfnRule(
            self,
            "Upload",
            name=f"tidemill-{around.stage.name}-upload",
            description="An upload starts the data machine",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": names.INCOMING}]}},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="DataMachine",
                    arn=self.machine.arn,
                    role_arn=role.role_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=around.failures.queue_arn),
                )
            ],
        )
