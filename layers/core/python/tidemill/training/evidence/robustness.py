"""What is left of the model when values are missing."""

from typing import Any

import numpy as np

from tidemill.projects import Project
from tidemill.training.evidence.explanation import Ask, sampled
from tidemill.training.evidence.slices import mean_of
from tidemill.training.metrics import Array
from tidemill.training.prepare import Arrays

MOST_ROWS = 20_000
SHARE = 0.1


def robustness(project: Project, rows: Arrays, ask: Ask, seed: int) -> dict[str, Any]:
    """The metric when a nullable feature is missing everywhere, for each, and when a tenth of all features' values
    is missing at random; each with its relative worsening. On a seeded sample of the rows where there are many."""
    sample, random = sampled(rows, MOST_ROWS, seed), np.random.default_rng(seed)
    target = sample[project.target]
    complete = mean_of(project.task, target, ask(sample))
    nullable = [name for name, column in project.inputs().items() if column.nullable]
    everywhere = np.ones(len(target), dtype=bool)
    spoiled = {name: {**sample, name: _without(sample[name], everywhere)} for name in nullable}
    holes = {name: _without(sample[name], random.random(len(target)) < SHARE) for name in project.inputs()}
    cases = [{"missing": name, **_case(project, target, ask(rows_), complete)} for name, rows_ in spoiled.items()]
    scattered = {"share": SHARE, **_case(project, target, ask({**sample, **holes}), complete)}
    return {
        "metric": project.metric,
        "complete": complete,
        "features": sorted(cases, key=lambda case: (-case["value"], case["missing"])),
        "at_random": scattered,
        "rows": len(target),
        "of_rows": len(rows[project.target]),
        "seed": seed,
    }


def _case(project: Project, target: Array, answers: Array, complete: float) -> dict[str, Any]:
    value = mean_of(project.task, target, answers)
    return {"value": value, "worsening": value / complete - 1 if complete > 0 else None}


def _without(column: Array, where: Array) -> Array:
    """The column with the marked values missing, as `prepare` writes it."""
    nothing: Any = np.nan if column.dtype.kind == "f" else ""
    return np.where(where, np.asarray(nothing, dtype=column.dtype), column)
