"""The champion, asked about the rows that the candidate is judged on.

EvaluateCandidate calls it. The champion is what the pointer says at that moment.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill import names, time_parts
from tidemill.ports import Index, ObjectStore
from tidemill.training import artifacts, facts, outputs, pipeline
from tidemill.training.plan import Plan
from tidemill.training.prepare import Arrays


@dataclass(frozen=True)
class Champion:
    """The champion's model version and function version, and its predictions, shape [n], or [n, K] of named
    classes; without predictions, why it cannot be asked."""

    model: int
    function_version: str
    predictions: NDArray[np.float64] | None
    obstacle: str = ""


def ask_champion(plan: Plan, rows: Arrays, *, objects: ObjectStore, index: Index) -> Champion | None:
    """The champion's answers to `rows`; None if the project has no champion. Raises ArtifactCorrupt if its file
    is not the registered one, RecordNotFound if it is not there."""
    project = plan.project.name
    pointer = index.get(names.pk(project), names.POINTER_LIVE) or {}
    if not pointer.get("champion"):
        return None
    number, function_version = int(pointer["champion"]["model"]), str(pointer["champion"]["function_version"])
    folder = names.model(project, number)
    document = facts.read(objects, folder + "model.json")
    obstacle = _obstacle(plan, document, number)
    if obstacle:
        return Champion(number, function_version, None, obstacle)
    body = facts.verified(objects, folder + "model.skops", document["sha256"]["model.skops"])
    model = artifacts.load(body, document["sha256"]["model.skops"], document.get("types", ()))
    known = document.get("classes", ())
    answers = pipeline.predict(model, rows, _inputs(document), known)
    return Champion(number, function_version, outputs.among(answers, known, plan.project.classes))


def _obstacle(plan: Plan, document: dict[str, Any], number: int) -> str:
    """Why the champion cannot be asked about the rows of this plan; empty if it can."""
    if document["task"] != plan.project.task:
        return f"the champion v{number:05d} is for {document['task']}, the candidate for {plan.project.task}"
    if bool(document.get("classes")) != bool(plan.project.classes):
        own, other = (
            "named classes" if each else "0 and 1" for each in (plan.project.classes, document.get("classes"))
        )
        return f"the champion v{number:05d} is about {other}, the candidate about {own}"
    present = {name: column.type.numeric for name, column in plan.project.inputs().items()}
    needed = _inputs(document)
    lacking = sorted(name for name, numeric in needed.items() if present.get(name) is not numeric)
    if lacking:
        return (
            f"the champion v{number:05d} needs the features {lacking}, which the project file no longer has"
            " in that form; put them back for one run, or waive the gate in a rehearsal"
        )
    return ""


def _inputs(document: dict[str, Any]) -> dict[str, bool]:
    """What a registered model takes, in its order, and whether that is a number."""
    return {name: feature["type"] != "category" for name, feature in time_parts.of_model(document["features"])}
