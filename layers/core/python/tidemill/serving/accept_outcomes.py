"""Outcomes: what really happened, sent with the prediction's id, whenever it is known. Called by the API.

An outcome may bring a `reward`: what the answer was worth, a number of which more is better.

Writes one object of lines under the day they were received. Sent again or corrected, an outcome is another
line; who reads them takes the one received last.
"""

import json
from datetime import datetime
from typing import Any

from tidemill import canonical, names
from tidemill.errors import RequestInvalid
from tidemill.ports import Clock, ObjectStore
from tidemill.projects import Project
from tidemill.serving.values import listed, number_fault, shown, text_fault

MAX_OUTCOMES = 5000


def accept_outcomes(*, problem: Project, body: Any, objects: ObjectStore, clock: Clock) -> dict[str, int]:
    """How many were `accepted`: all of them, or none. Raises RequestInvalid with the place of the first fault."""
    at = clock()
    lines = [_line(problem, outcome, f"outcomes[{n}]", at) for n, outcome in enumerate(_outcomes(body))]
    content = "".join(line + "\n" for line in lines).encode()
    key = f"{names.outcomes(problem.name, at.date().isoformat())}{canonical.sha256(content)}.jsonl"
    objects.put_new(key, content, content_type="application/x-ndjson")
    return {"accepted": len(lines)}


def _outcomes(body: Any) -> list[Any]:
    if not isinstance(body, dict) or body.keys() != {"outcomes"}:
        raise RequestInvalid("body", 'must be an object {"outcomes": [{"prediction_id": …, "outcome": …}]}')
    outcomes = body["outcomes"]
    if not isinstance(outcomes, list):
        raise RequestInvalid("outcomes", f"must be a list of objects, not {shown(outcomes)}")
    if not 1 <= len(outcomes) <= MAX_OUTCOMES:
        raise RequestInvalid("outcomes", f"must hold 1 to {MAX_OUTCOMES} objects, not {len(outcomes)}")
    return outcomes


def _line(problem: Project, outcome: Any, place: str, at: datetime) -> str:
    if not isinstance(outcome, dict) or outcome.keys() - {"reward"} != {"prediction_id", "outcome"}:
        raise RequestInvalid(place, 'must be an object {"prediction_id": …, "outcome": …, "reward"?: …}')
    if fault := text_fault(outcome["prediction_id"]):
        raise RequestInvalid(f"{place}.prediction_id", fault)
    if fault := _value_fault(problem, outcome["outcome"]):
        raise RequestInvalid(f"{place}.outcome", fault)
    if "reward" in outcome and (fault := number_fault(outcome["reward"])):
        raise RequestInvalid(f"{place}.reward", fault)
    return json.dumps({**outcome, "at": at.isoformat()}, separators=(",", ":"))


def _value_fault(problem: Project, value: Any) -> str | None:
    """What is wrong with an outcome's value, for this kind of target; None if nothing."""
    if problem.classes:
        known = isinstance(value, str) and value in problem.classes
        return None if known else f"must be the name of a class ({listed(problem.classes)}), not {shown(value)}"
    fault = number_fault(value)
    if problem.task == "classification" and (fault or value not in (0, 1)):
        return f"must be 0 or 1, not {shown(value)}"
    return fault
