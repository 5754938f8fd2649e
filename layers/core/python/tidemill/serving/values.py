"""What is wrong with one value of a request; None if nothing. Used wherever a request is checked.

Plain code without dependencies: the inference function imports it, and so does the API.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

MAX_TEXT = 256  # characters of a category, an entity id, a prediction id
FLOAT32_MAX = 3.4028234663852886e38
_SHOWN = 40
_LISTED = 20


class Fault(NamedTuple):
    """A broken rule: a word for programs that stays the same, the rule as JSON Schema says it, and a sentence."""

    code: str
    rule: Mapping[str, Any]
    reason: str


def text_fault(value: Any) -> Fault | None:
    """For a short string."""
    if not isinstance(value, str):
        return wrong_type("string", value)
    if len(value) > MAX_TEXT:
        reason = f"must have at most {MAX_TEXT} characters, not {len(value)}"
        return Fault("too_long", {"maxLength": MAX_TEXT}, reason)
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        reason = "must be valid Unicode; it holds half of a surrogate pair"
        return Fault("not_unicode", {"type": "string"}, reason)
    return None


def category_fault(value: Any) -> Fault | None:
    """For a category: a short string that is not empty."""
    if value == "":
        return Fault("empty", {"minLength": 1}, "must not be empty; leave it out if it is missing")
    return text_fault(value)


def number_fault(value: Any) -> Fault | None:
    """For a number: finite as float32, which is what a model takes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return wrong_type("number", value)
    if not -FLOAT32_MAX <= value <= FLOAT32_MAX:
        reason = f"must be a finite 32-bit floating-point number, not {shown(value)}"
        return Fault("not_finite", {"minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX}, reason)
    return None


def integer_fault(value: Any) -> Fault | None:
    """For a whole number; 3.0 is one."""
    if fault := number_fault(value):
        return fault
    if value == int(value):
        return None
    return Fault("not_whole", {"type": "integer"}, f"must be a whole number, not {shown(value)}")


def wrong_type(expected: str, value: Any) -> Fault:
    """For a value that is not of the type, by JSON Schema's name of it."""
    article = "an" if expected[0] in "aeiou" else "a"
    return Fault("wrong_type", {"type": expected}, f"must be {article} {expected}, not {shown(value)}")


def not_allowed(allowed: Collection[Any], value: Any) -> Fault:
    """For a value that is none of these. The rule names the first few."""
    rule = {"enum": list(allowed)[:_LISTED]}
    return Fault("not_allowed", rule, f"must be one of {listed(allowed)}, not {shown(value)}")


def listed(values: Collection[Any]) -> str:
    """The values for a message: the first few, and how many more there are."""
    first = ", ".join(str(value) for value in list(values)[:_LISTED])
    return first if len(values) <= _LISTED else f"{first} and {len(values) - _LISTED} more"


def shown(value: Any) -> str:
    """A value for a message: short, whatever was sent."""
    if isinstance(value, list | dict):
        return f"a {'list' if isinstance(value, list) else 'JSON object'}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**_SHOWN else "a number of very many digits"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def as_unicode(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which no UTF-8 can hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()
