"""S3's events on EventBridge name the object version.

MiniStack leaves `detail.object.version-id` out; on AWS it is there for a bucket with versioning
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html). The registry of uploads needs it.
"""

import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.services import eventbridge, s3

version: ContextVar[str | None] = ContextVar("version", default=None)


def with_version(event: dict[str, Any], version_id: str) -> dict[str, Any]:
    """The event with the object's version in its detail."""
    detail = json.loads(event["Detail"])
    detail["object"]["version-id"] = version_id
    return {**event, "Detail": json.dumps(detail)}


def install() -> None:
    fire: Callable[..., None] = s3._fire_s3_event
    dispatch: Callable[..., None] = eventbridge._dispatch_event

    def fire_versioned(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = version.set(version_id)
        try:
            fire(*args, version_id=version_id, **kwargs)
        finally:
            version.reset(token)

    def dispatch_versioned(event: dict[str, Any], view: Any = None) -> None:
        version_id = version.get()
        if version_id and event.get("Source") == "aws.s3":
            dispatch(with_version(event, version_id))
        else:
            dispatch(event, view)

    s3._fire_s3_event = fire_versioned
    eventbridge._dispatch_event = dispatch_versioned
