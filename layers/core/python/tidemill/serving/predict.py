"""One prediction request: a body in, an answer and the lines to write out. Called by the endpoint's handler."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill import names
from tidemill.serving import capture, compact
from tidemill.serving.faults import Faults, refused
from tidemill.serving.instances import MAX_INSTANCES
from tidemill.serving.model import Model
from tidemill.serving.rules import MISSING
from tidemill.serving.values import MAX_TEXT, Fault, text_fault

_FIELDS = {"instances": None, "entity_id": None}.keys()


@dataclass(frozen=True)
class Prediction:
    """What the caller gets, and what is captured."""

    answer: dict[str, Any]
    captured: Iterator[str]


def predict(body: Any, *, model: Model, request_id: str, variant: str, at: datetime) -> Prediction:
    """Answer a request body `{"instances": [{…}], "entity_id"?: str}`. Raises RequestInvalid with all faults."""
    document, faults = model.document, Faults()
    instances, entity_id = _parts(body, faults)
    rows, imputed = model.features.rows(instances, faults, document.get("max_instances", MAX_INSTANCES))
    faults.refuse()
    found = model.predict(model.features.columns(rows))
    predictions = [{"prediction_id": f"{request_id}.{number}", **item} for number, item in enumerate(found)]
    version = document["version"]
    head = {
        "project": document["project"],
        "at": at.isoformat(),
        "request_id": request_id,
        "variant": variant,
        "model_version": version,
        "entity_id": entity_id,
    }
    captured = capture.captured(document.get("capture"), head, predictions, rows)
    for number, names_of in imputed.items():
        predictions[number]["imputed"] = names_of
    answer: dict[str, Any] = {"predictions": predictions, "model_version": version, "variant": variant}
    if (threshold := document.get("threshold")) is not None:
        answer["threshold"] = threshold
    return Prediction(answer, captured)


def metrics_line(project: str, metrics: Mapping[str, int], at: datetime) -> str:
    """Counts as one line in CloudWatch's embedded metric format (AWS, "Specification: Embedded metric format")."""
    directive = {
        "Namespace": names.METRIC_NAMESPACE,
        "Dimensions": [[names.DIMENSION_PROJECT]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in metrics],
    }
    envelope = {"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]}
    return compact.text({"_aws": envelope, names.DIMENSION_PROJECT: project, **metrics})


def _parts(body: Any, faults: Faults) -> tuple[Any, str | None]:
    """`instances` and `entity_id`. Raises RequestInvalid if there is nothing to look at."""
    if not isinstance(body, dict):
        reason = 'must be an object such as {"instances": [{…}]}'
        raise refused("body", Fault("wrong_type", {"type": "object"}, reason), body)
    if unknown := body.keys() - _FIELDS:
        reason = f"is not a field of a request; the fields are {list(_FIELDS)}"
        for name in sorted(unknown):
            faults.add(
                name[:MAX_TEXT], Fault("unknown_field", {"additionalProperties": False}, reason), body[name]
            )
    entity_id = body.get("entity_id")
    if entity_id is not None and (fault := text_fault(entity_id)):
        faults.add("entity_id", fault, entity_id)
    if "instances" not in body:
        faults.add("instances", MISSING)
        faults.refuse()
    return body["instances"], entity_id
