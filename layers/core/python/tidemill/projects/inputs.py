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

ANSWERS = {"classification": ("label", "probabilities"), "regression": ("variable",)}
"""What the converter to ONNX calls a model's outputs."""


def identifier(name: str) -> str:
    """What the converter to ONNX makes of an input's name."""
    return re.sub(r"^(?=[0-9])", "_", re.sub(r"[^\w+]", "_", name))


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


def features_fault(project: "Project") -> str | None:
    """What is wrong with the features, in words; None if nothing."""
    return _dates_fault(project) or _names_fault(project) or _rules_fault(project)


def _dates_fault(project: "Project") -> str | None:
    dates = project.recipe.dates
    if len(set(dates)) < len(dates) or not dates:
        return "recipe.dates: name at least one part, and each once"
    return None


def _names_fault(project: "Project") -> str | None:
    features = project.feature_columns()
    inputs = [
        each for name, column in features.items() for each in inputs_of({name: column}, project.recipe.dates)
    ]
    made = [identifier(name) for name in inputs]
    if unfit := [name for name in inputs if not name or name.endswith(".npy")]:
        return f"features: {unfit} are no names of columns; rename them"
    if twice := sorted({name for name in inputs if inputs.count(name) > 1}):
        return f"features: {twice} are the names of parts of a feature that is a time, too; rename them"
    if alike := sorted(name for name, own in zip(inputs, made, strict=True) if made.count(own) > 1):
        return f"features: {alike} differ by signs alone, which a served model does not tell apart"
    if answers := sorted(set(made) & set(ANSWERS[project.task])):
        return f"features: {answers} are the names of what a served model answers; rename them"
    if taken := sorted(set(inputs) & (set(project.columns) - set(features))):
        return f"columns: {taken} are the names of parts of a feature that is a time; rename them"
    return None


def _rules_fault(project: "Project") -> str | None:
    for name, column in project.feature_columns().items():
        if not column.type.numeric and (column.minimum, column.maximum) != (None, None):
            return f"columns.{name}: minimum and maximum are of numbers; leave them out"
        if column.type is Kind.TIMESTAMP and column.allowed is not None:
            return f"columns.{name}: a time can be written in several ways; leave `allowed` out"
    return None
