"""One prediction request: a body in, an answer and the lines to write out. Called by the endpoint's handler."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.errors import RequestInvalid
from tidemill.serving import capture
from tidemill.serving.instances import MAX_INSTANCES
from tidemill.serving.model import Model
from tidemill.serving.values import text_fault

_FIELDS = ("instances", "entity_id")


@dataclass(frozen=True)
class Prediction:
    """What the caller gets, and what is captured."""

    answer: dict[str, Any]
    captured: Iterator[str]


def predict(body: Any, *, model: Model, request_id: str, variant: str, at: datetime) -> Prediction:
    """Answer a request body `{"instances": [{…}], "entity_id"?: str}`. Raises RequestInvalid with the place."""
    instances, entity_id = _parts(body)
    rows = model.features.rows(instances, model.document.get("max_instances", MAX_INSTANCES))
    found = model.predict(model.features.columns(rows))
    predictions = [{"prediction_id": f"{request_id}.{number}", **item} for number, item in enumerate(found)]
    version = model.document["version"]
    head = {
        "project": model.document["project"],
        "at": at.isoformat(),
        "request_id": request_id,
        "variant": variant,
        "model_version": version,
        "entity_id": entity_id,
    }
    captured = [{**item, "features": row} for item, row in zip(predictions, rows, strict=True)]
    answer = {"predictions": predictions, "model_version": version, "variant": variant}
    return Prediction(answer, capture.lines(head, captured))


def metrics_line(project: str, metrics: Mapping[str, int], at: datetime) -> str:
    """Counts as one line in CloudWatch's embedded metric format (AWS, "Specification: Embedded metric format")."""
    directive = {
        "Namespace": names.METRIC_NAMESPACE,
        "Dimensions": [[names.DIMENSION_PROJECT]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    envelope = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": envelope, names.DIMENSION_PROJECT: project, **metrics}, separators=(",", ":"))


def _parts(body: Any) -> tuple[Any, str | None]:
    if not isinstance(body, dict):
        raise RequestInvalid("body", 'must be an object such as {"instances": [{…}]}')
    if unknown := body.keys() - set(_FIELDS):
        raise RequestInvalid(min(unknown)[:64], f"is not a field of a request; the fields are {list(_FIELDS)}")
    entity_id = body.get("entity_id")
    if entity_id is not None and (fault := text_fault(entity_id)):
        raise RequestInvalid("entity_id", fault)
    return body.get("instances"), entity_id
