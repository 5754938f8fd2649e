"""Requests to Lambda are authorized as the action they are.

MiniStack tells some apart wrongly: what reads or moves an alias counts as `ListAliases`, what reads layers as
`ListLayers`, so that a right grant is refused and a wrong one would do. Here the action follows from the routes in
botocore, and the resource of a layer version is that version
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html).
"""

import re
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions

# Operations whose action has another name.
ACTIONS = {
    "Invoke": "InvokeFunction",
    "InvokeWithResponseStream": "InvokeFunction",
    "InvokeAsync": "InvokeFunction",
    "GetLayerVersionByArn": "GetLayerVersion",
}
LAYER_VERSION = re.compile(r"/layers/[^/]+/versions/(\d+)$")


def action_of(method: str, path: str) -> str | None:
    """The action of a request to Lambda, None where there is no such operation."""
    operation = iam_actions._match_rest_action("lambda", method, path)
    return ACTIONS.get(operation, operation) if operation else None


def install() -> None:
    resource_of: Callable[..., str] = iam_actions.extract_resource_arn

    def with_layer_version(service: str, method: str, path: str, *args: Any, **kwargs: Any) -> str:
        resource = resource_of(service, method, path, *args, **kwargs)
        found = LAYER_VERSION.search(path) if service == "lambda" else None
        return f"{resource}:{found[1]}" if found else resource

    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]
    iam_actions._lambda_action = action_of
    iam_actions.extract_resource_arn = with_layer_version
