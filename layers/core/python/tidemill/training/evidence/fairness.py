"""Fairness: how the decisions fall on the groups of sensitive columns."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tidemill.projects import Project
from tidemill.training import class_metrics, outputs
from tidemill.training.evidence.intervals import wilson
from tidemill.training.evidence.slices import members
from tidemill.training.metrics import Array
from tidemill.training.prepare import Arrays


def fairness(project: Project, rows: Arrays, predictions: Array, threshold: float | None) -> list[dict[str, Any]]:
    """Per sensitive column its groups; for classification also the ratio of the least selection rate to the
    largest (below 0.8 is evidence of adverse impact: the four-fifths rule, 29 CFR 1607.4(D)) and the differences
    of the rates of true and false positives (equalised odds: Hardt, Price & Srebro 2016, "Equality of opportunity
    in supervised learning"). Of named classes each group has its accuracy and how often each class is said, and
    the ratio is that of the class that is said most unevenly; there is nothing to equalise odds of. Groups of
    fewer rows than `slices.rows` are told but do not count."""
    target, (measure, summarise) = rows[project.target], _kind(project)
    found = []
    for name in project.sensitive:
        if name not in rows or name not in project.protected:
            continue
        groups = [
            {"group": label, "rows": int(inside.sum()), "counts": bool(inside.sum() >= project.slices.rows)}
            | measure(target[inside], predictions[inside], threshold)
            for label, inside in members(rows[name], project.slices.bins)
        ]
        counted = [group for group in groups if group["counts"]]
        found.append({"column": name, "groups": groups, **summarise(counted)})
    return found


Measure = Callable[[Array, Array, float | None], dict[str, Any]]
Summary = Callable[[list[dict[str, Any]]], dict[str, Any]]


def _kind(project: Project) -> tuple[Measure, Summary]:
    """How a group is measured, and the groups of a column are compared, for this kind of target."""
    if project.task == "regression":
        return _errors, lambda _: {}
    if project.classes:
        return partial(_class_rates, project.classes), partial(_class_summary, project.classes)
    return _rates, _summary


def _rates(target: Array, predictions: Array, threshold: float | None) -> dict[str, Any]:
    positive, said = target == 1, predictions >= (0.5 if threshold is None else threshold)
    low, high = wilson(np.array([said.sum()]), np.array([len(said)]))
    return {
        "selection_rate": float(said.mean()),
        "selection_low": float(low[0]),
        "selection_high": float(high[0]),
        "positives": int(positive.sum()),
        "true_positive_rate": float(said[positive].mean()) if positive.any() else None,
        "false_positive_rate": float(said[~positive].mean()) if not positive.all() else None,
    }


def _errors(target: Array, predictions: Array, threshold: float | None) -> dict[str, Any]:
    return {"mean_prediction": float(predictions.mean()), "mean_error": float((predictions - target).mean())}


def _class_rates(
    classes: Sequence[str], target: Array, predictions: Array, threshold: float | None
) -> dict[str, Any]:
    said, right = outputs.decided(predictions, threshold), outputs.right(target, predictions, threshold)
    rates = class_metrics.shares(np.bincount(said, minlength=len(classes)), np.full(len(classes), len(said)))
    low, high = wilson(np.array([right.sum()]), np.array([len(said)]))
    return {
        "accuracy": float(right.mean()),
        "accuracy_low": float(low[0]),
        "accuracy_high": float(high[0]),
        "selection_rates": rates.tolist(),
    }


def _class_summary(classes: Sequence[str], groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The ratio of each class, and the least of them; rates and ratios are in the order of `classes`."""
    rates = [[group["selection_rates"][place] for group in groups] for place in range(len(classes))]
    ratios = [_ratio(each) for each in rates]
    least = min((ratio for ratio in ratios if ratio is not None), default=None)
    return {"selection_ratio": least, "selection_ratios": ratios, "classes": list(classes)}


def _ratio(rates: list[float]) -> float | None:
    """The least rate, as a share of the largest; None with fewer than two groups, or where nobody is selected."""
    return min(rates) / max(rates) if len(rates) > 1 and max(rates) > 0 else None


def _summary(groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "selection_ratio": _ratio([group["selection_rate"] for group in groups]),
        "true_positive_difference": _spread(groups, "true_positive_rate"),
        "false_positive_difference": _spread(groups, "false_positive_rate"),
    }


def _spread(groups: list[dict[str, Any]], rate: str) -> float | None:
    rates = [group[rate] for group in groups if group[rate] is not None]
    return max(rates) - min(rates) if len(rates) > 1 else None
