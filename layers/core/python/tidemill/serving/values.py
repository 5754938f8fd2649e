"""What is wrong with one value of a request, in words; None if nothing. Used wherever a request is checked.

Plain code without dependencies: the inference function imports it, and so does the API.
"""

from collections.abc import Collection
from typing import Any

MAX_TEXT = 256  # characters of a category, an entity id, a prediction id
_FLOAT32_MAX = 3.4028234663852886e38
_SHOWN = 40
_LISTED = 20


def text_fault(value: Any) -> str | None:
    """For a short string."""
    if not isinstance(value, str):
        return f"must be a string, not {shown(value)}"
    if len(value) > MAX_TEXT:
        return f"must have at most {MAX_TEXT} characters, not {len(value)}"
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "must be valid Unicode; it holds half of a surrogate pair"
    return None


def category_fault(value: Any) -> str | None:
    """For a category: a short string that is not empty."""
    return "must not be empty; leave it out if it is missing" if value == "" else text_fault(value)


def number_fault(value: Any) -> str | None:
    """For a number: finite as float32, which is what a model takes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"must be a number, not {shown(value)}"
    if not -_FLOAT32_MAX <= value <= _FLOAT32_MAX:
        return f"must be a finite 32-bit floating-point number, not {shown(value)}"
    return None


def integer_fault(value: Any) -> str | None:
    """For a whole number; 3.0 is one."""
    fault = number_fault(value)
    return fault or (None if value == int(value) else f"must be a whole number, not {shown(value)}")


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
