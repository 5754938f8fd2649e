"""Requests of SageMaker held against botocore's model of the service: types, required members, and the limits
(pattern, length, range, enumeration) that the SDK itself leaves to the service to check.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.session import Session
from botocore.validate import ParamValidator

Json = dict[str, Any]

LISTED = 500  # characters of a value that a message shows


class Refused(Exception):
    """A request that is not carried out; `code` is the error's name on the wire."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@cache
def model() -> Any:
    """botocore's model of SageMaker. Read at the first request: it is large."""
    return Session().get_service_model("sagemaker")


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Raises Refused (ValidationException) unless the model allows the request."""
    shape = model().operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    faults = [report.generate_report()] if report.has_errors() else list(broken(shape, request))
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected: "
        raise Refused("ValidationException", count + "; ".join(faults))


def broken(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """What in the value the shape's limits forbid, in the service's words."""
    yield from outside(shape, value, path)
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from broken(shape.members[name], each, f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        for number, each in enumerate(value, 1):
            yield from broken(shape.member, each, f"{path}.{number}.member")
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from broken(shape.key, key, f"{path}.key")
            yield from broken(shape.value, each, f"{path}.{key}.member")


def outside(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Which limits of this one shape the value is outside of."""
    limits = shape.metadata
    failed = f"Value '{str(value)[:LISTED]}' at '{path}' failed to satisfy constraint: Member must "
    size = value if isinstance(value, int | float) else len(value) if hasattr(value, "__len__") else 0
    what = "have value" if isinstance(value, int | float) else "have length"
    if "min" in limits and size < limits["min"]:
        yield f"{failed}{what} greater than or equal to {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"{failed}{what} less than or equal to {limits['max']}"
    if isinstance(value, str):
        if limits.get("enum") and value not in limits["enum"]:
            yield f"{failed}satisfy enum value set: [{', '.join(limits['enum'])}]"
        if "pattern" in limits and not matches(limits["pattern"], value):
            yield f"{failed}satisfy regular expression pattern: {limits['pattern']}"


def matches(pattern: str, value: str) -> bool:
    """Whether the whole value has the form. A pattern that only Java knows is not held against it."""
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True


def answer(operation: str, record: Mapping[str, Any]) -> Json:
    """The members of the record that the operation answers with."""
    members = model().operation_model(operation).output_shape.members
    return {name: record[name] for name in members if name in record}
