"""What a model takes of a project's features, and which names its inputs cannot have.

`Project` asks here. A time becomes its parts; each input is one of the served model, where names are identifiers.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidemill import time_parts
from tidemill.projects.data import Column, Kind

if TYPE_CHECKING:
    from tidemill.projects.project import Project

ANSWERS = frozenset(("label", "output_label", "output_probability", "probabilities", "variable"))
"""What the converter to ONNX calls a model's outputs."""


def inputs_of(features: Mapping[str, Column], dates: tuple[str, ...]) -> dict[str, Column]:
    """The features, of which a time is its parts, as numbers; in their order."""
    found: dict[str, Column] = {}
    for name, column in features.items():
        if column.type is Kind.TIMESTAMP:
            part = Column(type=Kind.NUMBER, nullable=column.nullable)
            found |= dict.fromkeys(time_parts.inputs(name, dates), part)
        else:
            found[name] = column
    return found


def names_fault(project: "Project") -> str | None:
    """What is wrong with the names of the inputs, in words; None if nothing."""
    dates, inputs = project.recipe.dates, list(project.inputs())
    if len(set(dates)) < len(dates) or not dates:
        return "recipe.dates: name at least one part, and each once"
    identifiers = [re.sub(r"\W", "_", name) for name in inputs]
    alike = sorted(name for name, own in zip(inputs, identifiers, strict=True) if identifiers.count(own) > 1)
    if alike:
        return f"features: {alike} differ by signs alone, which a served model does not tell apart"
    if answers := sorted(set(identifiers) & ANSWERS):
        return f"features: {answers} are the names of what a served model answers; rename them"
    if taken := sorted(set(inputs) & (set(project.columns) - set(project.features))):
        return f"columns: {taken} are the names of parts of a feature that is a time; rename them"
    return None
