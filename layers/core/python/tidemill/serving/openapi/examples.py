"""Requests that work as they are, made from the rules of the features."""

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.serving.rules import allowed_values

_TIME = "2026-03-01T12:00:00Z"
_TEXT = "a"


def instance(features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A row with every feature: the first allowed value, the middle of its bounds, or a plain value."""
    return {feature["name"]: _value(feature) for feature in features}


def requests(features: Sequence[Mapping[str, Any]], limit: int, *, by_entity: bool = False) -> dict[str, Any]:
    """Requests by name, as an OpenAPI document has examples. Several rows only where the project takes them, the
    entity in each where it must be told."""
    full, about = instance(features), {"entity_id": "a-17"}
    always = about if by_entity else {}
    found = {"one": {"summary": "One row", "value": {"instances": [full], **always}}}
    needed = {each["name"]: full[each["name"]] for each in features if not each["nullable"]}
    if needed != full:
        found["needed"] = {"summary": "Only what may not be missing", "value": {"instances": [needed], **always}}
    several = {"instances": [full] * min(2, limit), **about}
    found["entity"] = {"summary": "Several rows about one entity", "value": several}
    return found


def outcomes(task: str, classes: Sequence[str]) -> dict[str, Any]:
    """What really happened, for the predictions of one request."""
    value: Any = classes[0] if classes else 1 if task == "classification" else 12.5
    sent = [{"prediction_id": "8f5a2c1e-0d57-4c1b-9a51-0a3c4f0b7e11.0", "outcome": value}]
    return {"one": {"summary": "One outcome", "value": {"outcomes": sent}}}


def _value(rule: Mapping[str, Any]) -> Any:
    if allowed := allowed_values(rule):
        return allowed[0]
    if rule["type"] == "category":
        return _TEXT
    if rule["type"] == "timestamp":
        return _TIME
    low, high = rule.get("minimum"), rule.get("maximum")
    middle = (low + high) / 2 if low is not None and high is not None else None
    number = next(value for value in (middle, low, high, 1) if value is not None)
    return _whole(number, low) if rule["type"] == "integer" else number


def _whole(number: float, low: float | None) -> int:
    """The whole number below, or above if that is out of bounds."""
    below = int(number // 1)
    return below if low is None or below >= low else below + 1
