"""The alarm construct's defaults: one data point decides, silence is health, changes go to the stage's topic."""

from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct


def alarm(
    scope: Construct,
    construct_id: str,
    *,
    name: str,
    description: str,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, str],
    topic: sns.ITopic,
    statistic: str = "Sum",
    seconds: int = 60,
) -> cloudwatch.CfnAlarm:
    """An alarm while `statistic` of `metric` over `seconds` is at least 1."""
    return cloudwatch.CfnAlarm(
        scope,
        construct_id,
        alarm_name=name,
        alarm_description=description,
        namespace=namespace,
        metric_name=metric,
        dimensions=[
            cloudwatch.CfnAlarm.DimensionProperty(name=key, value=value) for key, value in dimensions.items()
        ],
        statistic=statistic,
        period=seconds,
        evaluation_periods=1,
        threshold=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        treat_missing_data="notBreaching",
        alarm_actions=[topic.topic_arn],
    )
