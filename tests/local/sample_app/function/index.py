"""Answers with the layer's word and its own version; with `put` it writes to the table."""

import os

import boto3
from words import WORD


def handler(event, context):
    if event.get("put"):
        boto3.resource("dynamodb").Table(os.environ["TABLE"]).put_item(Item={"pk": event["put"]})
    return {"word": WORD, "version": context.function_version}
