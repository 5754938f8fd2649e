"""Schemas of what a project's API takes and gives, as JSON Schema (draft 2020-12, which OpenAPI 3.1 has).

They say what the checks of `tidemill.serving` do; the tests send what they allow, and what they do not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.serving import faults, outcome_rules
from tidemill.serving.accept_outcomes import MAX_OUTCOMES
from tidemill.serving.rules import allowed_values
from tidemill.serving.values import FLOAT32_MAX, MAX_TEXT

Schema = dict[str, Any]
Feature = Mapping[str, Any]

TEXT: Schema = {"type": "string", "maxLength": MAX_TEXT}
# As a whole number it is exact; in decimals as they are read it would be a little more than the handler takes.
LARGEST = int(FLOAT32_MAX)
NUMBER: Schema = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_IMPUTED = " is taken for missing, and filled as in training"


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def closed(properties: Mapping[str, Schema], required: Sequence[str], **more: Any) -> Schema:
    """An object with these properties and no others."""
    named = {"required": list(required)} if required else {}
    return {"type": "object", "properties": dict(properties), **named, "additionalProperties": False, **more}


def instance(features: Sequence[Feature], serving: Mapping[str, str]) -> Schema:
    """One row: the features of the model."""
    optional = serving.get("missing") == "impute"
    required = [each["name"] for each in features if not (each["nullable"] or optional)]
    return closed({each["name"]: feature(each, serving) for each in features}, required)


def feature(rule: Feature, serving: Mapping[str, str]) -> Schema:
    """The values of one feature."""
    nullable = rule["nullable"] or serving.get("missing") == "impute"
    schema, said = _kind(rule), []
    if serving.get("out_of_range") == "impute":
        schema, said = _within_type(rule), _bounds(rule)
    if nullable:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        if not rule["nullable"]:
            said.append(f"A missing value{_IMPUTED}.")
    return {**schema, "description": " ".join(said)} if said else schema


def _kind(rule: Feature) -> Schema:
    schema = _within_type(rule)
    if (allowed := allowed_values(rule)) is not None:
        return {"type": schema["type"], "enum": allowed}
    if rule["type"] in ("integer", "number"):
        schema |= {name: rule[name] for name in ("minimum", "maximum") if rule.get(name) is not None}
    return schema


def _within_type(rule: Feature) -> Schema:
    """The rule without what `out_of_range` may take for missing."""
    if rule["type"] == "category":
        return {**TEXT, "minLength": 1}
    if rule["type"] == "timestamp":
        return {**TEXT, "format": "date-time"}
    return {**NUMBER, "type": rule["type"]}


def _bounds(rule: Feature) -> list[str]:
    if (allowed := allowed_values(rule)) is not None:
        return [f"Any other value than {', '.join(map(str, allowed))}{_IMPUTED}."]
    bounds = [f"{name} {rule[name]}" for name in ("minimum", "maximum") if rule.get(name) is not None]
    return [f"A value outside {' and '.join(bounds)}{_IMPUTED}."] if bounds else []


def prediction(task: str, classes: Sequence[str]) -> Schema:
    """What is answered for one row."""
    properties: dict[str, Schema] = {"prediction_id": {"type": "string"}}
    required = ["prediction_id", "prediction"]
    if classes:
        each = closed(dict.fromkeys(classes, _PROBABILITY), list(classes))
        properties |= {"prediction": {"type": "string", "enum": list(classes)}, "probabilities": each}
        required.append("probabilities")
    elif task == "classification":
        properties |= {"prediction": {"type": "integer", "enum": [0, 1]}, "probability": _PROBABILITY}
        required.append("probability")
    else:
        properties["prediction"] = {"type": "number"}
    properties["imputed"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "features that were filled as in training",
    }
    return closed(properties, required)


def predictions(task: str, classes: Sequence[str]) -> Schema:
    """The answer to a request."""
    decides = task == "classification" and not classes
    threshold: dict[str, Schema] = (
        {"threshold": {**_PROBABILITY, "description": "the probability from which the prediction is 1"}}
        if decides
        else {}
    )
    properties: dict[str, Schema] = {
        "predictions": {"type": "array", "items": ref("Prediction")},
        "model_version": {"type": "integer"},
        "variant": {"type": "string", "description": "the version of the function that answered"},
        **threshold,
    }
    return closed(properties, list(properties))


def outcomes(task: str, classes: Sequence[str], *, by_entity: bool) -> Schema:
    """The request that says what really happened, `by_entity`: also to whom and when."""
    value: Schema = NUMBER
    if classes:
        value = {"type": "string", "enum": list(classes)}
    elif task == "classification":
        value = {"type": "number", "enum": [0, 1]}
    reward: Schema = {**NUMBER, "description": "what the answer was worth; more is better"}
    happened: Schema = {"outcome": value, "reward": reward}
    each = closed({"prediction_id": TEXT, **happened}, outcome_rules.BY_ID)
    if by_entity:
        at = {**TEXT, "format": "date-time", "description": "when it happened: its latest prediction is meant"}
        about = {"entity_id": {**TEXT, "description": "whom it happened to"}, "at": at}
        each = {"anyOf": [each, closed({**about, **happened}, outcome_rules.BY_ENTITY)]}
    listed = {"type": "array", "minItems": 1, "maxItems": MAX_OUTCOMES, "items": each}
    return closed({"outcomes": listed}, ["outcomes"])


def error() -> Schema:
    """Any answer but a good one; of a wrong request with its faults."""
    properties: dict[str, Schema] = {
        "error": {"type": "string", "description": "the class of the error"},
        "message": {"type": "string"},
        "field": {"type": "string", "description": "the place of the first fault"},
        "faults": {"type": "array", "maxItems": faults.MOST, "items": ref("Fault")},
        "more": {"type": "boolean", "description": "whether there are further faults"},
    }
    return {"type": "object", "properties": properties, "required": ["message"]}


def fault() -> Schema:
    """One rule that a request breaks."""
    properties: dict[str, Schema] = {
        "code": {"type": "string", "description": "a word that stays the same"},
        "field": {"type": "string", "description": "such as instances[3].carrier"},
        "rule": {"type": "object", "description": "what would have been right, as JSON Schema"},
        "value": {"type": ["string", "number", "boolean", "null"], "description": "what was sent, cut off"},
        "message": {"type": "string"},
    }
    return {"type": "object", "properties": properties, "required": ["code", "field", "rule", "message"]}
