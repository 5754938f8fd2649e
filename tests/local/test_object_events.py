"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

import json

import pytest


@pytest.fixture
def bucket(client, unique, queue):
    """A versioned bucket whose uploads to `incoming/` are sent to a queue."""
    arn, read = queue
    s3 = client("s3")
    s3.create_bucket(Bucket=unique)
    s3.put_bucket_versioning(Bucket=unique, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=unique, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [unique]}, "object": {"key": [{"prefix": "incoming/"}]}},
    }
    client("events").put_rule(Name=unique, EventPattern=json.dumps(pattern))
    client("events").put_targets(Rule=unique, Targets=[{"Id": "1", "Arn": arn}])
    return unique, read


def test_an_upload_is_an_event_with_version_and_sequencer(client, bucket, eventually):
    name, read = bucket
    version = client("s3").put_object(Bucket=name, Key="incoming/flights/a b.csv", Body=b"x,y\n")["VersionId"]
    (event,) = eventually(read)
    assert event["detail"]["bucket"]["name"] == name
    described = event["detail"]["object"]
    assert (described["key"], described["size"], described["version-id"]) == (
        "incoming/flights/a b.csv",
        4,
        version,
    )
    assert int(described["sequencer"], 16) > 0
    assert event["resources"] == [f"arn:aws:s3:::{name}"]
    assert event["detail"]["reason"] == "PutObject"


def test_the_sequencer_orders_uploads_of_the_same_key(client, bucket, eventually):
    name, read = bucket
    versions = [
        client("s3").put_object(Bucket=name, Key="incoming/a", Body=bytes(n))["VersionId"] for n in range(3)
    ]
    events = eventually(lambda: len(read()) == 3 and read())
    ordered = sorted((event["detail"]["object"] for event in events), key=lambda found: found["sequencer"])
    assert [found["version-id"] for found in ordered] == versions


def test_a_multipart_upload_is_an_event_too(client, bucket, eventually):
    name, read = bucket
    s3, target = client("s3"), {"Bucket": name, "Key": "incoming/big"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"x" * 10)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    version = s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload=parts)["VersionId"]
    (event,) = eventually(read)
    assert event["detail"]["object"]["version-id"] == version
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
