"""Requests by the OpenAPI document, good ones and bad ones, against both functions: none ends in an error of ours,
each answer is one that the document tells of, and what it allows is taken, and only that."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.serving.gateway import Gateway, schema_of

OPERATIONS = ("predict", "outcomes")
CASES = {
    ("predict", GenerationMode.POSITIVE): 700,
    ("predict", GenerationMode.NEGATIVE): 700,
    ("outcomes", GenerationMode.POSITIVE): 350,
    ("outcomes", GenerationMode.NEGATIVE): 350,
}
HELD = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
REFUSED = {400, 422}
TAKEN = {"predict": 200, "outcomes": 202}


@pytest.fixture
def api(gateway: Gateway) -> Iterator[Any]:
    """The document, loaded from the API that it describes."""
    return openapi.from_wsgi("/projects/tides/openapi.json", gateway)


def no_answer(response: Any) -> bool:
    """Numbers within their bounds may all the same be too large for the model's arithmetic, and a text is a time
    by its format alone, which the schema's validator does not look at."""
    faults = json.loads(response.content).get("faults", [])
    return {fault["code"] for fault in faults} in ({"no_answer"}, {"not_a_time"})


def fuzz(operation: Any, mode: GenerationMode, number: int, ask: Any) -> None:
    """Call `ask` with so many requests of an operation, the same ones each time."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def each(case: schemathesis.Case) -> None:
        ask(case)

    each()


def test_thousands_of_requests_end_in_no_error_of_ours(
    api: Any, gateway: Gateway, document: dict[str, Any]
) -> None:
    gateway.statuses.clear()
    seen: Counter[tuple[str, GenerationMode, int]] = Counter()
    for (name, mode), number in CASES.items():
        schema = schema_of(document, f"{name.capitalize()}Request")

        def ask(
            case: schemathesis.Case, name: str = name, mode: GenerationMode = mode, schema: Any = schema
        ) -> None:
            response = case.call()
            case.validate_response(response, checks=HELD)
            seen[name, mode, response.status_code] += 1
            # What was made wrong may be beside the body, which is all that the functions look at.
            if mode is GenerationMode.POSITIVE or schema.is_valid(case.body):
                assert response.status_code == TAKEN[name] or no_answer(response), response.content
            else:
                assert response.status_code in REFUSED, [error.message for error in schema.iter_errors(case.body)]

        fuzz(api.find_operation_by_id(name), mode, number, ask)
    assert len(gateway.statuses) >= 2000
    assert [status for status in gateway.statuses if status >= 500] == []
    for name in OPERATIONS:
        assert seen[name, GenerationMode.POSITIVE, TAKEN[name]] > 200
        assert seen[name, GenerationMode.NEGATIVE, 422] > 100


def test_what_is_only_read_answers_as_told(api: Any) -> None:
    for name in ("project", "openapi", "health"):
        case = api.find_operation_by_id(name).Case()
        response = case.call()
        assert response.status_code == 200
        case.validate_response(response, checks=HELD)
