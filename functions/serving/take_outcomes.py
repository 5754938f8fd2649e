"""Function `take_outcomes`: files of outcomes below `incoming-outcomes/<project>/`, by a rule on their upload.

Called by EventBridge, at least once per object version. Writes `outcomes/`, and what is no outcome to
`quarantine/`.
"""

from typing import Any

from pydantic import BaseModel, Field

from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.observability import count, logger, now
from tidemill.serving.take_outcomes import take_outcomes


class Bucket(BaseModel, frozen=True):
    name: str


class Uploaded(BaseModel, frozen=True):
    key: str
    version_id: str = Field(alias="version-id")


class Detail(BaseModel, frozen=True):
    bucket: Bucket
    object: Uploaded


class Event(BaseModel, frozen=True):
    """EventBridge's "Object Created"."""

    detail: Detail


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    detail = Event.model_validate(event).detail
    answer = take_outcomes(
        bucket=detail.bucket.name,
        key=detail.object.key,
        version_id=detail.object.version_id,
        load_project=projects.load,
        objects=wiring.objects(),
        clock=now,
    )
    if answer["outcome"] != "taken":
        logger.warning("a file of outcomes was not taken whole", extra={"answer": answer})
    if answer.get("refused"):
        count(names.METRIC_OUTCOMES_REFUSED, answer["refused"], project=answer["project"])
    return answer
