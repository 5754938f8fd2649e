"""A request's instances, checked against the model's features, as the arrays that the model takes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill import time_parts, times
from tidemill.serving.faults import Faults
from tidemill.serving.rules import MISSING, OUTSIDE, check
from tidemill.serving.values import MAX_TEXT, Fault, listed, wrong_type

Column = NDArray[np.float32] | NDArray[np.object_]
Value = float | int | str | None
Row = dict[str, Value]

MAX_INSTANCES = 1000


class Rows(NamedTuple):
    """One dict per instance with every feature, None where one is missing; and by the number of an instance the
    features that were imputed because the project says so."""

    values: list[Row]
    imputed: dict[int, list[str]]


class Features:
    """The features of a model, with their rules, and what is done about values that break them: `features` and
    `serving` of `model.json`."""

    def __init__(self, rules: Sequence[Mapping[str, Any]], serving: Mapping[str, str] | None = None) -> None:
        serving = serving or {}
        self._rules = {rule["name"]: rule for rule in rules}
        self._checks = [(rule["name"], check(rule), rule["nullable"]) for rule in rules]
        self._missing_imputed = serving.get("missing") == "impute"
        self._outside_imputed = serving.get("out_of_range") == "impute"
        self._numbers = [rule["name"] for rule in rules if rule["type"] in ("integer", "number")]
        self._categories = [rule["name"] for rule in rules if rule["type"] == "category"]
        self._times = [(rule["name"], rule["parts"]) for rule in rules if rule["type"] == "timestamp"]

    def rows(self, instances: Any, faults: Faults, limit: int = MAX_INSTANCES) -> Rows:
        """The instances, of use only if there are no `faults`; each fault has its place, such as
        `instances[3].carrier`."""
        rows = Rows([], {})
        if not isinstance(instances, list):
            faults.add("instances", wrong_type("array", instances), instances)
        elif not 1 <= len(instances) <= limit:
            rule = {"minItems": 1, "maxItems": limit}
            reason = f"must hold 1 to {limit} objects, not {len(instances)}"
            faults.add("instances", Fault("wrong_count", rule, reason))
        else:
            for number, instance in enumerate(instances):
                rows.values.append(self._row(instance, number, rows.imputed, faults))
                if faults.full:
                    break
        return rows

    def columns(self, rows: Sequence[Mapping[str, Value]]) -> dict[str, Column]:
        """Each of `inputs` as an array of shape [n, 1]: float32 with NaN, or strings with "", for a missing
        value."""
        found: dict[str, Column] = {}
        # One array of all numbers: making an array costs more than filling it with one request's values.
        numbers = [[math.nan if (value := row[name]) is None else value for row in rows] for name in self._numbers]
        for name, values in zip(self._numbers, np.array(numbers, dtype=np.float32), strict=True):
            found[name] = values.reshape(-1, 1)
        for name in self._categories:
            texts = [["" if (value := row[name]) is None else value] for row in rows]
            found[name] = np.array(texts, dtype=object)
        for name, parts in self._times:
            derived = times.derived(name, times.moments([row[name] for row in rows]), parts)
            found |= {part: column.reshape(-1, 1) for part, column in derived.items()}
        return found

    def inputs(self) -> list[str]:
        """What the model takes: the features, of which a time is its parts."""
        return [name for name, _ in time_parts.of_model(self._rules.values())]

    def _row(self, instance: Any, number: int, imputed: dict[int, list[str]], faults: Faults) -> Row:
        if not isinstance(instance, dict):
            faults.add(f"instances[{number}]", wrong_type("object", instance), instance)
            return {}
        if unknown := instance.keys() - self._rules.keys():
            reason = f"is not a feature of the model, which takes {listed(self._rules)}"
            for name in sorted(unknown):
                place = f"instances[{number}].{name[:MAX_TEXT]}"
                faults.add(place, Fault("unknown_field", {"additionalProperties": False}, reason), instance[name])
        row: Row = {}
        for name, checked, nullable in self._checks:
            value = instance.get(name)
            if value is None:
                if not nullable:
                    if self._missing_imputed:
                        imputed.setdefault(number, []).append(name)
                    else:
                        faults.add(f"instances[{number}].{name}", MISSING)
            elif (fault := checked(value)) is not None:
                if self._outside_imputed and fault.code in OUTSIDE:
                    imputed.setdefault(number, []).append(name)
                    value = None
                else:
                    faults.add(f"instances[{number}].{name}", fault, value)
            row[name] = value
        return row
