"""Outcomes: what really happened, sent with the prediction's id, whenever it is known. Called by the API.

An outcome may bring a `reward`: what the answer was worth, a number of which more is better.

Writes one object of lines under the day they were received. Sent again or corrected, an outcome is another
line; who reads them takes the one received last.
"""

import json
from typing import Any

from tidemill import canonical, names
from tidemill.ports import Clock, ObjectStore
from tidemill.projects import Project
from tidemill.serving.faults import Faults, refused
from tidemill.serving.values import Fault, listed, not_allowed, number_fault, shown, text_fault, wrong_type

MAX_OUTCOMES = 5000


def accept_outcomes(*, problem: Project, body: Any, objects: ObjectStore, clock: Clock) -> dict[str, int]:
    """How many were `accepted`: all of them, or none. Raises RequestInvalid with the faults and their places."""
    at, faults, lines = clock(), Faults(), []
    for number, outcome in enumerate(_outcomes(body)):
        if not _faulty(problem, outcome, f"outcomes[{number}]", faults):
            lines.append(json.dumps({**outcome, "at": at.isoformat()}, separators=(",", ":")))
        if faults.full:
            break
    faults.refuse()
    content = "".join(line + "\n" for line in lines).encode()
    key = f"{names.outcomes(problem.name, at.date().isoformat())}{canonical.sha256(content)}.jsonl"
    objects.put_new(key, content, content_type="application/x-ndjson")
    return {"accepted": len(lines)}


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


def _faulty(problem: Project, outcome: Any, place: str, faults: Faults) -> bool:
    """Whether this outcome has a fault; it is added to the others."""
    if not isinstance(outcome, dict) or outcome.keys() - {"reward"} != {"prediction_id", "outcome"}:
        reason = 'must be an object {"prediction_id": …, "outcome": …, "reward"?: …}'
        faults.add(place, Fault("wrong_fields", {"required": ["prediction_id", "outcome"]}, reason), outcome)
        return True
    found = {
        "prediction_id": text_fault(outcome["prediction_id"]),
        "outcome": _value_fault(problem, outcome["outcome"]),
        "reward": number_fault(outcome["reward"]) if "reward" in outcome else None,
    }
    for name, fault in found.items():
        if fault:
            faults.add(f"{place}.{name}", fault, outcome[name])
    return any(found.values())


def _value_fault(problem: Project, value: Any) -> Fault | None:
    """What is wrong with an outcome's value, for this kind of target; None if nothing."""
    if problem.classes:
        if isinstance(value, str) and value in problem.classes:
            return None
        reason = f"must be the name of a class ({listed(problem.classes)}), not {shown(value)}"
        return not_allowed(problem.classes, value)._replace(reason=reason)
    fault = number_fault(value)
    if problem.task == "classification" and (fault or value not in (0, 1)):
        return Fault("not_allowed", {"enum": [0, 1]}, f"must be 0 or 1, not {shown(value)}")
    return fault
