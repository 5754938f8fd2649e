"""What a project asks for where its target names classes: which they are, and what can be set only for 0 and 1.

`Project` asks here, and gives the names on as `classes`; whatever depends on them asks that.
"""

import json
from typing import TYPE_CHECKING

from tidemill.projects.data import Column, Kind
from tidemill.projects.recipe import Costs

if TYPE_CHECKING:
    from tidemill.projects.project import Project

MOST = 100
LONGEST = 100
"""Characters of a name: what the sketch of a column keeps of a value (`tidemill.data.sketches.categories`)."""
MOST_BYTES = 5_000_000
"""Of the probabilities in one answer: a Lambda function gives at most 6 MB (AWS, "Lambda quotas")."""
_NUMBER = 24
"""Characters of a probability, with colon and comma."""


def classes_of(target: Column) -> tuple[str, ...]:
    """The names of the classes, in the order of `allowed`; none for a numeric target."""
    return tuple(map(str, target.allowed or ())) if target.type is Kind.CATEGORY else ()


def target_fault(project: "Project") -> str | None:
    """What is wrong with the target, in words; None if nothing."""
    name, column = project.target, project.columns[project.target]
    if column.type.numeric:
        return None
    if column.type is not Kind.CATEGORY or project.task == "regression":
        return f"target: {name!r} must be a number (for classification 0 and 1, or a category with its classes)"
    names = classes_of(column)
    if len(names) < 2:
        return (
            f"target: {name!r} is a category, and its classes must be known: list two or more names in"
            f" `columns.{name}.allowed`, in the order in which they shall be told"
        )
    if len(set(names)) < len(names) or len(names) > MOST:
        return f"target: `columns.{name}.allowed` must name each class once, and at most {MOST}"
    if not all(0 < len(each) <= LONGEST for each in names):
        return f"target: each class in `columns.{name}.allowed` needs a name of 1 to {LONGEST} characters"
    size = sum(len(json.dumps(each)) + _NUMBER for each in names)
    if size * project.max_instances > MOST_BYTES:
        most = MOST_BYTES // size
        return f"max_instances: with {len(names)} probabilities a row, an answer is too large; set at most {most}"
    return None


def settings_fault(project: "Project") -> str | None:
    """Which setting is defined for 0 and 1 alone, and yet is set for named classes, in words; None if none is."""
    if not project.classes:
        return None
    if project.recipe.costs != Costs():
        return (
            "recipe.costs: a threshold is of two outcomes, 0 and 1; among named classes the most probable one is"
            " the answer. Leave costs out"
        )
    if project.recipe.encode == "target":
        return "recipe.encode: named classes have no mean; take one_hot or ordinal"
    if project.gates.decision_cost is not None:
        return "gates.decision_cost: what decisions cost is known of two outcomes, 0 and 1; leave it out"
    if project.search.asks_for("fairness_gap"):
        return (
            "search: fairness_gap compares true and false positives, which named classes have not; leave it out,"
            " and see gates.selection_ratio"
        )
    if project.gates.equalised_odds is not None:
        return (
            "gates.equalised_odds: true and false positives are of two outcomes, 0 and 1; leave it out for named"
            " classes, and see gates.selection_ratio"
        )
    return None
