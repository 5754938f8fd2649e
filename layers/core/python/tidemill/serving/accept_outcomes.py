"""Outcomes: what really happened, sent with the prediction's id or with the entity and the time, whenever it is
known. Called by the API.

Writes one object of lines under the day they were received. Sent again or corrected, an outcome is another line;
`joining` says which of them counts.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from tidemill import canonical, names
from tidemill.ports import Clock, ObjectStore
from tidemill.projects import Project
from tidemill.serving import outcome_rules, outcome_tables
from tidemill.serving.faults import Faults, refused
from tidemill.serving.outcome_rules import Place
from tidemill.serving.values import Fault, wrong_type

MAX_OUTCOMES = 5000


def accept_outcomes(*, problem: Project, body: Any, objects: ObjectStore, clock: Clock) -> dict[str, int]:
    """How many of a JSON body were `accepted`: all of them, or none. Raises RequestInvalid with the faults and
    their places."""
    given = ((partial(_place, number), each) for number, each in enumerate(_outcomes(body)))
    return _accepted(problem, given, objects, clock())


def accept_table(*, problem: Project, body: bytes, objects: ObjectStore, clock: Clock) -> dict[str, int]:
    """How many of a CSV body were `accepted`: all of them, or none. Raises RequestInvalid, the places being lines
    and columns."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        reason = f"must be UTF-8; byte {error.start} is not"
        raise refused("body", Fault("not_unicode", {"contentEncoding": "utf-8"}, reason)) from error
    rows = outcome_tables.rows(text, problem, MAX_OUTCOMES)
    given = ((outcome_tables.place(row.line), row.fault or row.outcome) for row in rows)
    return _accepted(problem, given, objects, clock())


def _accepted(
    problem: Project, given: Iterable[tuple[Place, Any]], objects: ObjectStore, at: datetime
) -> dict[str, int]:
    faults = Faults()
    lines = list(_lines(problem, given, at, faults))
    faults.refuse()
    content = "".join(line + "\n" for line in lines).encode()
    key = f"{names.outcomes(problem.name, at.date().isoformat())}{canonical.sha256(content)}.jsonl"
    objects.put_new(key, content, content_type="application/x-ndjson")
    return {"accepted": len(lines)}


def _lines(problem: Project, given: Iterable[tuple[Place, Any]], at: datetime, faults: Faults) -> Iterator[str]:
    """The lines of the outcomes without faults."""
    for place, outcome in given:
        if isinstance(outcome, Fault):
            faults.add(place(""), outcome)
        elif not outcome_rules.is_faulty(problem, outcome, place, faults):
            yield outcome_rules.line(problem, outcome, at)
        if faults.full:
            return


def _place(number: int, field: str) -> str:
    return f"outcomes[{number}].{field}" if field else f"outcomes[{number}]"


def _outcomes(body: Any) -> list[Any]:
    if not isinstance(body, dict) or body.keys() != {"outcomes"}:
        reason = 'must be an object {"outcomes": [{"prediction_id": …, "outcome": …}]}'
        raise refused("body", Fault("wrong_fields", {"required": ["outcomes"]}, reason), body)
    outcomes = body["outcomes"]
    if not isinstance(outcomes, list):
        raise refused("outcomes", wrong_type("array", outcomes), outcomes)
    if not 1 <= len(outcomes) <= MAX_OUTCOMES:
        rule = {"minItems": 1, "maxItems": MAX_OUTCOMES}
        reason = f"must hold 1 to {MAX_OUTCOMES} objects, not {len(outcomes)}"
        raise refused("outcomes", Fault("wrong_count", rule, reason))
    return outcomes
