"""A request's instances, checked against the model's features, as the arrays that the model takes.

Plain code instead of a validation library: this runs for every value of every request, and every import is part of
each cold start.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill import time_parts, times
from tidemill.errors import RequestInvalid
from tidemill.serving.values import (
    MAX_TEXT,
    category_fault,
    integer_fault,
    listed,
    number_fault,
    shown,
    text_fault,
)

Column = NDArray[np.float32] | NDArray[np.object_]
Value = float | int | str | None

MAX_INSTANCES = 1000


def time_fault(value: Any) -> str | None:
    """For a time: an ISO 8601 text."""
    if fault := text_fault(value):
        return fault
    try:
        times.moment(value)
    except ValueError:
        return f"must be an ISO 8601 time such as 2026-03-01T12:00:00Z, not {shown(value)}"
    return None


_KINDS = {"category": category_fault, "integer": integer_fault, "number": number_fault, "timestamp": time_fault}


class Features:
    """The features of a model (`model.json`), with their rules."""

    def __init__(self, rules: Sequence[Mapping[str, Any]]) -> None:
        self._rules = {rule["name"]: rule for rule in rules}
        self._nullable = frozenset(rule["name"] for rule in rules if rule["nullable"])
        self._checks = {rule["name"]: _check(rule) for rule in rules}

    def rows(self, instances: Any, limit: int = MAX_INSTANCES) -> list[dict[str, Value]]:
        """One dict per instance with every feature, None where a nullable one is missing.

        Raises RequestInvalid with the place, such as `instances[3].carrier`.
        """
        if not isinstance(instances, list):
            raise RequestInvalid("instances", f"must be a list of objects, not {shown(instances)}")
        if not 1 <= len(instances) <= limit:
            raise RequestInvalid("instances", f"must hold 1 to {limit} objects, not {len(instances)}")
        return [self._row(instance, f"instances[{number}]") for number, instance in enumerate(instances)]

    def columns(self, rows: Sequence[Mapping[str, Value]]) -> dict[str, Column]:
        """Each of `inputs` as an array of shape [n, 1]: float32 with NaN, or strings with "", for a missing
        value."""
        found: dict[str, Column] = {}
        for name, rule in self._rules.items():
            values = [row[name] for row in rows]
            if rule["type"] == "timestamp":
                derived = times.derived(name, times.moments(values), rule["parts"])
                found |= {part: column.reshape(-1, 1) for part, column in derived.items()}
            else:
                found[name] = self._column(name, values)
        return found

    def inputs(self) -> list[str]:
        """What the model takes: the features, of which a time is its parts."""
        found: list[str] = []
        for name, rule in self._rules.items():
            found += time_parts.inputs(name, rule["parts"]) if rule["type"] == "timestamp" else [name]
        return found

    def _row(self, instance: Any, place: str) -> dict[str, Value]:
        if not isinstance(instance, dict):
            raise RequestInvalid(place, f"must be an object, not {shown(instance)}")
        if unknown := instance.keys() - self._rules.keys():
            name = min(unknown)
            known = listed(self._rules)
            raise RequestInvalid(
                f"{place}.{name[:MAX_TEXT]}", f"is not a feature of the model, which takes {known}"
            )
        row: dict[str, Value] = {}
        for name, check in self._checks.items():
            value = instance.get(name)
            if value is None:
                if name not in self._nullable:
                    raise RequestInvalid(f"{place}.{name}", "is missing; it may not be")
            elif (fault := check(value)) is not None:
                raise RequestInvalid(f"{place}.{name}", fault)
            row[name] = value
        return row

    def _column(self, name: str, values: list[Value]) -> Column:
        if self._rules[name]["type"] == "category":
            return np.array([["" if value is None else value] for value in values], dtype=object)
        return np.array([[math.nan if value is None else value] for value in values], dtype=np.float32)


def _check(rule: Mapping[str, Any]) -> Callable[[Any], str | None]:
    """The check of one feature: what is wrong with a value that is there, or None."""
    allowed = rule.get("allowed")
    low, high = rule.get("minimum"), rule.get("maximum")
    kind = _KINDS[rule["type"]]

    def check(value: Any) -> str | None:
        if (fault := kind(value)) is not None:
            return fault
        if allowed is not None and value not in allowed:
            return f"must be one of {listed(allowed)}, not {shown(value)}"
        if (low is not None and value < low) or (high is not None and value > high):
            return f"must be {_range(low, high)}, not {shown(value)}"
        return None

    return check


def _range(low: float | None, high: float | None) -> str:
    return " and ".join(
        f"at {word} {bound}" for word, bound in (("least", low), ("most", high)) if bound is not None
    )
