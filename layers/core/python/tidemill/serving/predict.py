"""One prediction request: a body in, an answer and the lines to write out. Called by the endpoint's handler."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from tidemill.serving import capture
from tidemill.serving.faults import Faults, refused
from tidemill.serving.instances import MAX_INSTANCES
from tidemill.serving.model import Model
from tidemill.serving.rules import MISSING
from tidemill.serving.values import MAX_TEXT, Fault, text_fault

_EMPTY = Fault("empty", {"minLength": 1}, "must not be empty; it says which arm of an experiment answers")
_FIELDS = {"instances": None, "entity_id": None}.keys()


class Asked(NamedTuple):
    """What a body asks, as far as it could be read, and what is wrong with it so far."""

    instances: Any
    entity_id: str | None
    faults: Faults


@dataclass(frozen=True)
class Prediction:
    """What the caller gets, and what is captured."""

    answer: dict[str, Any]
    captured: Iterator[str]


def predict(body: Any, *, model: Model, request_id: str, variant: str, at: datetime) -> Prediction:
    """Answer a request body `{"instances": [{…}], "entity_id"?: str}`. Raises RequestInvalid with all faults."""
    asked = read(body, by_entity=model.by_entity)
    return answer(asked, model=model, request_id=request_id, variant=variant, at=at)


def answer(asked: Asked, *, model: Model, request_id: str, variant: str, at: datetime) -> Prediction:
    """Answer what was asked. Raises RequestInvalid with all faults."""
    document = model.document
    instances, entity_id, faults = asked
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
    told: dict[str, Any] = {"predictions": predictions, "model_version": version, "variant": variant}
    if (threshold := document.get("threshold")) is not None:
        told["threshold"] = threshold
    return Prediction(told, captured)


def read(body: Any, *, by_entity: bool = False) -> Asked:
    """What a body asks; `by_entity`: it has to say whom it is about. Raises RequestInvalid if there is nothing to
    look at."""
    faults = Faults()
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
        entity_id = None
    elif by_entity and not entity_id:
        faults.add("entity_id", MISSING) if entity_id is None else faults.add("entity_id", _EMPTY, entity_id)
        entity_id = None
    if "instances" not in body:
        faults.add("instances", MISSING)
        faults.refuse()
    return Asked(body["instances"], entity_id, faults)
