"""Executions that wait under a task token, on Step Functions, and what people are told, on SNS."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

_GONE = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
LONGEST_SUBJECT = 99  # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html


class StepFunctionsCallbacks:
    """A Callbacks. Calls made: SendTaskSuccess."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def complete(self, token: str, output: Mapping[str, Any]) -> bool:
        try:
            self._client.send_task_success(taskToken=token, output=json.dumps(output))
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return False
            raise
        return True


class TopicNotices:
    """A Notices on the topic with that ARN. Calls made: Publish."""

    def __init__(self, client: Any, topic: str) -> None:
        self._client = client
        self._topic = topic

    def tell(self, subject: str, text: str) -> None:
        self._client.publish(TopicArn=self._topic, Subject=subject[:LONGEST_SUBJECT], Message=text)
