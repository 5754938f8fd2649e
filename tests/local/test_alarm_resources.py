"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html"""

import json

import boto3
import pytest
from botocore.exceptions import ClientError

from local.extensions.alarm_resources import only_alarm


@pytest.mark.parametrize(
    ("asked", "alarm"),
    [
        ({"AlarmNames": ["a"]}, "a"),
        ({"AlarmNames": ["a", "b"]}, None),
        ({"AlarmNames": []}, None),
        ({"AlarmNames": "a"}, None),
        ({"AlarmNames": [5]}, None),
        ({"AlarmName": "a"}, None),
        (["a"], None),
    ],
)
def test_the_alarm_of_a_request(asked, alarm):
    assert only_alarm(json.dumps(asked).encode()) == alarm


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_body_that_is_no_json_names_no_alarm(body):
    assert only_alarm(body) is None


@pytest.fixture
def someone(client, cloud, unique):
    """A user's own client of CloudWatch, who may make and remove alarms that are named like this test."""
    resource = f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{unique}-*"
    allowed = {"Effect": "Allow", "Action": ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**allowed, "Resource": resource}]})
    client("iam").create_user(UserName=unique)
    client("iam").put_user_policy(UserName=unique, PolicyName="alarms", PolicyDocument=document)
    key = client("iam").create_access_key(UserName=unique)["AccessKey"]
    return boto3.client(
        "cloudwatch", endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"],
    )  # fmt: skip


def put(cloudwatch, name):
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="n", MetricName="m", Period=60, EvaluationPeriods=1, Threshold=1,
        Statistic="Sum", ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip


def test_a_grant_of_alarms_by_their_names_allows_these_and_no_others(someone, enforced, unique, client):
    put(someone, f"{unique}-mine")
    with pytest.raises(ClientError, match="AccessDenied"):
        put(someone, f"other-{unique}")
    with pytest.raises(ClientError, match="AccessDenied"):
        someone.delete_alarms(AlarmNames=[f"other-{unique}"])
    with pytest.raises(ClientError, match="AccessDenied"):
        someone.delete_alarms(AlarmNames=[f"{unique}-mine", f"other-{unique}"])
    someone.delete_alarms(AlarmNames=[f"{unique}-mine"])
    assert client("cloudwatch").describe_alarms(AlarmNames=[f"{unique}-mine"])["MetricAlarms"] == []
