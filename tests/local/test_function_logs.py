"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample"""

import base64
import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

SUBSCRIBER = "import json\ndef handler(event, context):\n    print('GOT ' + event['awslogs']['data'])\n"


@pytest.fixture
def subscribed(client, unique):
    """A log group whose lines with TIDEMILL_CAPTURE go to a function."""

    def subscribe(function):
        client("logs").create_log_group(logGroupName=unique)
        client("logs").put_subscription_filter(
            logGroupName=unique, filterName="capture", filterPattern="TIDEMILL_CAPTURE",
            destinationArn=f"arn:aws:lambda:us-east-1:000000000000:function:{function}",
        )  # fmt: skip
        return unique

    return subscribe


def deliveries(messages, function):
    """What the subscriber got, decoded."""
    lines = [line for line in messages(f"/aws/lambda/{function}") if line.startswith("GOT ")]
    return [json.loads(gzip.decompress(base64.b64decode(line[4:]))) for line in lines]


def put(client, group, lines, stream="s"):
    client("logs").create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_matching_lines_are_delivered_and_others_are_not(client, function, subscribed, messages, eventually):
    subscriber = function(SUBSCRIBER)
    group = subscribed(subscriber)
    put(client, group, ["one TIDEMILL_CAPTURE", "two", '{"kind": "TIDEMILL_CAPTURE"}'])
    (delivery,) = eventually(lambda: deliveries(messages, subscriber))
    assert (delivery["messageType"], delivery["owner"]) == ("DATA_MESSAGE", "000000000000")
    assert (delivery["logGroup"], delivery["logStream"], delivery["subscriptionFilters"]) == (
        group,
        "s",
        ["capture"],
    )
    taken = [event["message"] for event in delivery["logEvents"]]
    assert taken == ["one TIDEMILL_CAPTURE", '{"kind": "TIDEMILL_CAPTURE"}']
    assert len({event["id"] for event in delivery["logEvents"]}) == 2


def test_a_burst_of_invocations_is_delivered_in_few_batches_and_whole(
    client, function, subscribed, messages, eventually, invoke
):
    subscriber = function(SUBSCRIBER)
    source = "def handler(event, context):\n    print('TIDEMILL_CAPTURE', event)\n"
    captured = function(source, LoggingConfig={"LogGroup": subscribed(subscriber)})
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: invoke(captured, number), range(60)))

    def complete():
        taken = [
            event["message"] for delivery in deliveries(messages, subscriber) for event in delivery["logEvents"]
        ]
        return len(taken) >= 60 and taken

    taken = eventually(complete)
    assert sorted(taken) == sorted(f"TIDEMILL_CAPTURE {number}" for number in range(60))
    streams = client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{subscriber}")["logStreams"]
    assert len(streams) == 1  # one environment took them all, one after the other


def test_a_delivery_that_fails_is_tried_again(client, function, subscribed, messages, eventually):
    subscriber = function(
        "calls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n"
        "    if calls == 1: raise ConnectionError('not yet')\n    print('GOT ' + event['awslogs']['data'])\n"
    )
    put(client, subscribed(subscriber), ["TIDEMILL_CAPTURE once"])
    (delivery,) = eventually(lambda: deliveries(messages, subscriber))
    assert [event["message"] for event in delivery["logEvents"]] == ["TIDEMILL_CAPTURE once"]


def test_a_subscriber_is_not_fed_its_own_log(client, function, messages, eventually, unique):
    subscriber = function("def handler(event, context):\n    print('TIDEMILL_CAPTURE again')\n")
    group = f"/aws/lambda/{subscriber}"
    client("logs").create_log_group(logGroupName=group)
    client("logs").put_subscription_filter(
        logGroupName=group, filterName="loop", filterPattern="TIDEMILL_CAPTURE",
        destinationArn=f"arn:aws:lambda:us-east-1:000000000000:function:{subscriber}",
    )  # fmt: skip
    client("lambda").invoke(FunctionName=subscriber)
    put(client, group, ["TIDEMILL_CAPTURE first"])
    assert [line for line in messages(group) if line.startswith("START")] != []
    assert messages(group).count("TIDEMILL_CAPTURE again") == 1
