"""Fairness: how the decisions fall on the groups of sensitive columns."""

from typing import Any

import numpy as np

from tidemill.projects import Project
from tidemill.training.evidence.intervals import wilson
from tidemill.training.evidence.slices import members
from tidemill.training.metrics import Array
from tidemill.training.prepare import Arrays


def fairness(project: Project, rows: Arrays, predictions: Array, threshold: float | None) -> list[dict[str, Any]]:
    """Per sensitive column its groups; for classification also the ratio of the least selection rate to the
    largest (below 0.8 is evidence of adverse impact: the four-fifths rule, 29 CFR 1607.4(D)) and the differences
    of the rates of true and false positives (equalised odds: Hardt, Price & Srebro 2016, "Equality of
    opportunity in supervised learning"). Groups of fewer rows than `slices.rows` are told but do not count."""
    target = rows[project.target]
    measure = _errors if project.task == "regression" else _rates
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
        summary = {} if project.task == "regression" else _summary(counted, project.slices.rows)
        found.append({"column": name, "groups": groups, **summary})
    return found


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


def _summary(groups: list[dict[str, Any]], least: int) -> dict[str, float | None]:
    selected = [group["selection_rate"] for group in groups]
    ratio = min(selected) / max(selected) if len(selected) > 1 and max(selected) > 0 else None
    return {
        "selection_ratio": ratio,
        "true_positive_difference": _spread(groups, "true_positive_rate"),
        "false_positive_difference": _spread(groups, "false_positive_rate"),
    }


def _spread(groups: list[dict[str, Any]], rate: str) -> float | None:
    rates = [group[rate] for group in groups if group[rate] is not None]
    return max(rates) - min(rates) if len(rates) > 1 else None
