"""All that is wrong with a request, gathered before it is refused. Plain code: the inference function has it."""

import math
from collections.abc import Mapping
from typing import Any

from tidemill.errors import RequestInvalid
from tidemill.serving.values import Fault, as_unicode

MOST = 20
"""Faults that one answer tells; a wrong type in each of 1,000 instances is one mistake."""
SHOWN = 64
"""Characters of a text that are given back."""
ABSENT = object()


class Faults:
    """The faults of one request, in the order of its fields."""

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []
        self._more = False

    def add(self, field: str, fault: Fault, value: Any = ABSENT) -> None:
        """That place broke that rule, with that value if there was one."""
        if len(self._found) == MOST:
            self._more = True
            return
        self._found.append(document(field, fault, value))

    @property
    def full(self) -> bool:
        """Whether looking further is of no use."""
        return self._more

    def refuse(self) -> None:
        """Raises RequestInvalid if there is any."""
        if self._found:
            first = self._found[0]
            raise RequestInvalid(first["field"], first["message"], self._found, more=self._more)


def document(field: str, fault: Fault, value: Any = ABSENT) -> dict[str, Any]:
    """`code`, `field`, `rule`, `message`, and `value` where there is one that can be given back: a number, a
    truth value, null, or a text, whose end is cut off."""
    told = {"code": fault.code, "field": as_unicode(field), "rule": fault.rule, "message": fault.reason}
    return {**told, "value": _short(value)} if _is_short(value) else told


def refused(field: str, fault: Fault, value: Any = ABSENT) -> RequestInvalid:
    """The error of a request with this one fault."""
    return RequestInvalid(field, fault.reason, [document(field, fault, value)])


def told(error: RequestInvalid) -> list[Mapping[str, Any]]:
    """The faults of an error, also of one that was raised with words alone."""
    return list(error.faults) or [document(error.field, Fault("invalid", {}, error.reason))]


def _is_short(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 1 << 64
    return value is None or isinstance(value, str)


def _short(value: Any) -> Any:
    return as_unicode(value[:SHOWN]) if isinstance(value, str) else value
