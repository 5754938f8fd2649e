"""Slices: the metric on parts of the held-out rows, and beside the champion's on each."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tidemill.projects import Project
from tidemill.training import metrics
from tidemill.training.evidence import paired
from tidemill.training.evidence.resampling import Resampling, limits, replicated
from tidemill.training.metrics import Array
from tidemill.training.prepare import Arrays

MOST_VALUES = 30  # categories with a slice of their own; the rest is one
REPLICATES = 500
MISSING, OTHERS = "(missing)", "(other values)"


def members(column: Array, bins: int) -> Iterator[tuple[str, Array]]:
    """The slices of a column (shape [n]): their names, and which rows are in them (shape [n], bool). A number is
    cut at its quantiles, unless it has few values; what is missing is a slice."""
    numeric = column.dtype.kind == "f"
    missing = np.isnan(column) if numeric else column == ""
    values, counts = np.unique(column[~missing], return_counts=True)
    if numeric and len(values) > max(bins, 2):
        edges = np.unique(np.quantile(column[~missing].astype(np.float64), np.linspace(0, 1, bins + 1)))
        last = len(edges) - 2
        for i, (low, high) in enumerate(itertools.pairwise(edges)):
            upper = column <= high if i == last else column < high
            yield f"{low:.4g} to {high:.4g}", ~missing & (column >= low) & upper
    else:
        common = values[np.argsort(-counts, kind="stable")][:MOST_VALUES]
        for value in sorted(common.tolist()):
            yield f"{value:g}" if numeric else value, ~missing & (column == value)
        rest = ~missing & ~np.isin(column, common)
        if rest.any():
            yield OTHERS, rest
    if missing.any():
        yield MISSING, missing


def table(project: Project, rows: Arrays, losses: Mapping[str, Array], how: Resampling) -> dict[str, Any]:
    """The slices with enough rows, the worst first, and those that are too small to be judged.

    `losses` has the losses of the candidate and, where there is one, of the champion; shape [n] each.
    """
    rules = project.slices
    named = project.inputs() if rules.columns is None else rules.columns
    judged: list[dict[str, Any]] = []
    small: list[dict[str, Any]] = []
    for name in dict.fromkeys((*named, *project.protected)):
        if name not in rows:
            continue
        protected = name in project.protected
        for label, inside in members(rows[name], rules.bins):
            slice_: dict[str, Any] = {
                "column": name,
                "slice": label,
                "rows": int(inside.sum()),
                "protected": protected,
            }
            if slice_["rows"] < rules.rows:
                small.append(slice_)
            else:
                judged.append(slice_ | _measured(project, inside, losses, how))
    judged.sort(key=lambda row: (-row["value"], row["column"], row["slice"]))
    return {
        "metric": project.metric,
        "least_rows": rules.rows,
        "replicates": REPLICATES,
        "slices": judged,
        "too_small": small,
    }


def _measured(project: Project, inside: Array, losses: Mapping[str, Array], how: Resampling) -> dict[str, Any]:
    how = replace(how, replicates=REPLICATES)
    own = losses["candidate"][inside]
    sums = replicated(np.column_stack([own, np.ones(len(own))]), how)
    low, high = limits(_metric(project, sums[:, 0] / sums[:, 1]))
    found: dict[str, Any] = {"value": float(_metric(project, own.mean())), "low": low, "high": high}
    if "champion" in losses:
        other = losses["champion"][inside]
        change = paired.improvement(project.task, own, other, how, project.gates.confidence)
        found["champion"] = float(_metric(project, other.mean()))
        found["worsening"] = None if change is None else _worsening(change)
    return found


def _metric(project: Project, loss: Any) -> Any:
    return np.sqrt(loss) if project.task == "regression" else loss


def _worsening(change: Mapping[str, Any]) -> dict[str, float | None]:
    """An improvement, told the other way round."""
    sides = {"estimate": change["estimate"], "lower": change["upper"], "upper": change["lower"]}
    return {name: None if value is None else -value + 0.0 for name, value in sides.items()}


def mean_of(task: str, target: Array, predictions: Array) -> float:
    """The metric of some rows."""
    loss = float(metrics.losses(task, target, predictions).mean())
    return float(np.sqrt(loss)) if task == "regression" else loss
