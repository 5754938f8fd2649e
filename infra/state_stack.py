"""The stack of state: what must outlive every change of the platform. The bucket of facts and the table."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stages import Stage
from tidemill import names


class StateStack(Stack):
    """`bucket` (facts), `table` (index). In a stage that keeps its state, both outlive the stack."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id, description=f"Tidemill {stage.name}: the facts and their index")
        self.stage = stage
        self._removal = RemovalPolicy.RETAIN if stage.keep_state else RemovalPolicy.DESTROY
        self.access_logs = self._access_logs()
        self.bucket = self._bucket()
        self.table = self._table()
        # Exported here, so that the name under which the platform imports it is known before synth (infra/nag.py).
        self.bucket_arn: str = self.export_value(self.bucket.bucket_arn)

    def _access_logs(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "AccessLogs",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=self.stage.require_tls,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(self.stage.log_days))],
            removal_policy=self._removal,
        )

    def _bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Data",
            versioned=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=self.stage.require_tls,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="data/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="unfinished-uploads", abort_incomplete_multipart_upload_after=Duration.days(7)
                ),
                _gone_after("uploads", names.INCOMING, days=self.stage.upload_days),
                _gone_after("uploaded-outcomes", names.INCOMING_OUTCOMES, days=self.stage.upload_days),
                _gone_after("unscored", names.UNSCORED, days=self.stage.upload_days),
                _gone_after("quarantine", names.QUARANTINE, days=self.stage.quarantine_days),
            ],
            removal_policy=self._removal,
        )
        # The property itself: `event_bridge_enabled` would bring a custom resource with a function and a role
        # of its own.
        resource = bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )
        return bucket

    def _table(self) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            "Index",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=self.stage.point_in_time_recovery
            ),
            removal_policy=self._removal,
        )


def _gone_after(what: str, prefix: str, *, days: int) -> s3.LifecycleRule:
    """Objects below the prefix expire, and their older versions too."""
    return s3.LifecycleRule(
        id=what,
        prefix=prefix,
        expiration=Duration.days(days),
        noncurrent_version_expiration=Duration.days(days),
    )
