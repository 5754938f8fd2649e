"""The rules of a model's features: what is wrong with a value that is there.

Plain code instead of a validation library: this runs for every value of every request, and every import is part of
each cold start.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidemill import time_parts
from tidemill.serving.values import (
    Fault,
    category_fault,
    integer_fault,
    not_allowed,
    number_fault,
    shown,
    text_fault,
)

Check = Callable[[Any], Fault | None]
MISSING = Fault("missing", {"required": True}, "is missing; it may not be")
OUTSIDE = frozenset(("out_of_range", "not_allowed"))
"""Codes of what a project may let be taken for missing; what has no meaning at all never is."""


def time_fault(value: Any) -> Fault | None:
    """For a time: an ISO 8601 text."""
    if fault := text_fault(value):
        return fault
    try:
        time_parts.in_utc(value)
    except ValueError:
        reason = f"must be an ISO 8601 time such as 2026-03-01T12:00:00Z, not {shown(value)}"
        return Fault("not_a_time", {"format": "date-time"}, reason)
    return None


_KINDS: Mapping[str, Check] = {
    "category": category_fault,
    "integer": integer_fault,
    "number": number_fault,
    "timestamp": time_fault,
}


def check(rule: Mapping[str, Any]) -> Check:
    """The check of one feature (`model.json`)."""
    kind = _KINDS[rule["type"]]
    numeric = rule["type"] in ("integer", "number")
    allowed = allowed_values(rule)
    low, high = (rule.get("minimum"), rule.get("maximum")) if numeric else (None, None)
    if allowed is None and low is None and high is None:
        return kind
    known = None if allowed is None else frozenset(allowed)

    def checked(value: Any) -> Fault | None:
        if (fault := kind(value)) is not None:
            return fault
        if known is not None and value not in known:
            return not_allowed(allowed or (), value)
        if (low is not None and value < low) or (high is not None and value > high):
            return _outside(low, high, value)
        return None

    return checked


def allowed_values(rule: Mapping[str, Any]) -> list[Any] | None:
    """The only values of a feature; None if there is no such list. Names of categories are texts, however the
    project file wrote them."""
    allowed = rule.get("allowed")
    if allowed is None:
        return None
    return [str(value) for value in allowed] if rule["type"] == "category" else list(allowed)


def _outside(low: float | None, high: float | None, value: Any) -> Fault:
    bounds = [
        (name, word, bound)
        for name, word, bound in (("minimum", "least", low), ("maximum", "most", high))
        if bound is not None
    ]
    words = " and ".join(f"at {word} {bound}" for _, word, bound in bounds)
    rule = {name: bound for name, _, bound in bounds}
    return Fault("out_of_range", rule, f"must be {words}, not {shown(value)}")
