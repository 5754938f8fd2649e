"""Enforcement of IAM inside functions, and its switch."""

import json

import pytest

READ = """
import boto3
client = boto3.client("s3")
def handler(event, context):
    return client.get_object(Bucket=event["bucket"], Key="key")["Body"].read().decode()
"""


@pytest.fixture
def role(client, unique):
    """ARN of a role that Lambda may assume and that may do nothing, and a function that grants it something."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def grant(action, resource):
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        client("iam").put_role_policy(RoleName=unique, PolicyName="grant", PolicyDocument=document)

    return arn, grant


@pytest.fixture
def bucket(client, unique):
    client("s3").create_bucket(Bucket=unique)
    client("s3").put_object(Bucket=unique, Key="key", Body=b"content")
    return unique


def test_a_missing_grant_fails_inside_the_function(enforced, role, bucket, function, invoke):
    arn, grant = role
    name = function(READ, Role=arn)
    assert "AccessDenied" in invoke(name, {"bucket": bucket})["errorMessage"]
    grant("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    assert invoke(name, {"bucket": bucket}) == "content"


def test_the_switch_reaches_environments_that_are_warm(cloud, role, bucket, function, invoke):
    name = function(READ, Role=role[0])
    assert cloud.status().iam is False
    assert invoke(name, {"bucket": bucket}) == "content"
    cloud.enforce_iam(True)
    try:
        assert "AccessDenied" in invoke(name, {"bucket": bucket})["errorMessage"]
    finally:
        cloud.enforce_iam(False)
    assert invoke(name, {"bucket": bucket}) == "content"
