"""DeleteAlarms is authorized on the alarm that it names.

MiniStack looks for `AlarmName` alone, so that DeleteAlarms, which sends `AlarmNames`, counts as being about `*`,
which no grant of single alarms allows
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html). Of several alarms
in one request no single resource can be told here, and it stays `*`.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions


def only_alarm(body: bytes) -> str | None:
    """The one alarm in the list of a request in JSON, which boto3 sends."""
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    match asked:
        case {"AlarmNames": [str() as name]}:
            return name
    return None


def install() -> None:
    resource_of: Callable[..., str] = iam_actions.extract_resource_arn

    def with_alarm(
        service: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        region: str,
        account_id: str,
    ) -> str:
        name = only_alarm(body) if service == "monitoring" else None
        if name is not None:
            return f"arn:aws:cloudwatch:{region}:{account_id}:alarm:{name}"
        return resource_of(service, method, path, headers, body, query_params, region, account_id)

    iam_actions.extract_resource_arn = with_alarm
