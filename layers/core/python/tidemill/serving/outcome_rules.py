"""What an outcome is: its fields, their rules, and the line that is kept of it. The API and uploads go by it.

An outcome says which prediction it is about, `{"prediction_id", "outcome"}`, or about whom and when it was,
`{"entity_id", "at", "outcome"}`; either may bring a `reward`: what the answer was worth, of which more is better.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tidemill import time_parts
from tidemill.projects import Project
from tidemill.projects.serving import entity_captured
from tidemill.serving import compact
from tidemill.serving.capture import pseudonym
from tidemill.serving.faults import Faults
from tidemill.serving.rules import time_fault
from tidemill.serving.values import Fault, listed, not_allowed, number_fault, shown, text_fault

BY_ID = ("prediction_id", "outcome")
BY_ENTITY = ("entity_id", "at", "outcome")
REWARD = "reward"
FORMS = (BY_ID, BY_ENTITY)

Place = Callable[[str], str]
"""Where a field of an outcome stands; the outcome itself, for no field."""


def of(fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The form of an outcome with these fields; None if it has others, or lacks some."""
    named = fields.keys() - {REWARD}
    return next((form for form in FORMS if named == set(form)), None)


def is_faulty(problem: Project, outcome: Any, place: Place, faults: Faults) -> bool:
    """Whether this outcome has a fault; it is added to the others."""
    form = of(outcome) if isinstance(outcome, dict) else None
    if form is None:
        reason = (
            'must be an object {"prediction_id": …, "outcome": …, "reward"?: …}'
            ' or {"entity_id": …, "at": …, "outcome": …, "reward"?: …}'
        )
        rule = {"anyOf": [{"required": list(each)} for each in FORMS]}
        faults.add(place(""), Fault("wrong_fields", rule, reason), outcome)
        return True
    found = {name: _fault(problem, name, outcome[name]) for name in (*form, REWARD) if name in outcome}
    if form is BY_ENTITY and (why := entity_fault(problem)):
        found["entity_id"] = found["entity_id"] or why
    for name, fault in found.items():
        if fault:
            faults.add(place(name), fault, outcome[name])
    return any(found.values())


def entity_fault(problem: Project) -> Fault | None:
    """Why no outcome of this project can be joined by its entity; None if one can."""
    if entity_captured(problem) == "drop":
        why = "the project does not capture entities (serving.capture.entity)"
    elif problem.serving.capture.share < 1:
        why = "the project captures a share of the requests (serving.capture.share): the latest may be missing"
    else:
        return None
    return Fault("not_joined", {"required": list(BY_ID)}, f"cannot be joined: {why}; send the prediction_id")


def line(problem: Project, outcome: Mapping[str, Any], received: datetime) -> str:
    """What is kept of an outcome without faults: as it was sent, with the time when it came; about an entity also
    the hours within which its prediction lies, and the id as it is captured."""
    told = dict(outcome)
    if "entity_id" in told:
        told["happened"] = time_parts.in_utc(told.pop("at")).replace(tzinfo=UTC).isoformat()
        told["within"] = problem.serving.outcomes.within_hours
        if entity_captured(problem) == "hash":
            told["entity_id"] = pseudonym(problem.name, told["entity_id"])
    return compact.text({**told, "at": received.isoformat()})


def _fault(problem: Project, name: str, value: Any) -> Fault | None:
    if name == "outcome":
        return _value_fault(problem, value)
    if name == REWARD:
        return number_fault(value)
    return time_fault(value) if name == "at" else text_fault(value)


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
