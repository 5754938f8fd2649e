"""Confidence intervals of the metrics of named classes (`class_metrics`). `intervals` asks here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.training import class_metrics, metrics, outputs
from tidemill.training.evidence.intervals import around_area, auc_parts, wilson
from tidemill.training.evidence.resampling import LEVEL, Resampling, limits, replicated
from tidemill.training.metrics import Array


def intervals(target: Array, predictions: Array, how: Resampling) -> dict[str, dict[str, Any]]:
    """Per metric {low, high, level, method}: two-sided, 95 %. None where it is not defined. Accuracy is a share,
    and has Wilson's interval, unless rows are resampled in blocks because they are no proofs by themselves."""
    found: dict[str, dict[str, Any]] = {}
    for name, values in from_sums(replicated(contributions(target, predictions), how)).items():
        found[name] = _told(*limits(values), "bootstrap")
    if how.block == 1:
        hits = outputs.right(target, predictions, None).sum()
        low, high = wilson(np.array([hits]), np.array([len(target)]))
        found["accuracy"] = _told(float(low[0]), float(high[0]), "Wilson")
    area = metrics.measure("classification", target, predictions, None)["roc_auc"]
    found["roc_auc"] = _told(*around_area(area, auc_variance(target, predictions)), "DeLong")
    return found


def _told(low: float | None, high: float | None, method: str) -> dict[str, Any]:
    return {"low": low, "high": high, "level": LEVEL, "method": method}


def contributions(target: Array, predictions: Array) -> NDArray[np.float64]:
    """What each row adds to the sums that `from_sums` needs; shape [n, 3 K + 3]."""
    classes = np.arange(predictions.shape[1])
    said = outputs.decided(predictions, None)[:, None] == classes
    were = target[:, None] == classes
    losses = metrics.losses("classification", target, predictions)
    squares = class_metrics.brier(target, predictions)
    return np.column_stack([losses, squares, said & were, said, were, np.ones(len(target))])


def from_sums(sums: Array) -> dict[str, NDArray[np.float64]]:
    """Each metric of each row of sums, as `class_metrics.measure` defines it; shape [replicates] each."""
    rows, classes = sums[:, -1], (sums.shape[1] - 3) // 3
    hits, said, were = np.split(sums[:, 2:-1], [classes, 2 * classes], axis=1)
    counts = (said + were) > 0

    def macro(part: Array, whole: Array) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = class_metrics.shares(part, whole).sum(axis=1) / counts.sum(axis=1)
        return mean

    return {
        "log_loss": sums[:, 0] / rows,
        "brier": sums[:, 1] / rows,
        "accuracy": hits.sum(axis=1) / rows,
        "precision": macro(hits, said),
        "recall": macro(hits, were),
        "f1": macro(2 * hits, said + were),
    }


def auc_variance(target: Array, predictions: Array) -> float | None:
    """The variance of the mean area of each class against the others: DeLong's components of a row, over the share
    of its side, are its influence on one area; their mean over classes is its influence on the mean of the areas,
    whose variance is the mean square over the rows (infinitesimal jackknife: Efron 1982, "The Jackknife, the
    Bootstrap and Other Resampling Plans", ch. 6). So it knows that all areas are of the same rows. Of two classes
    it is DeLong's, with n for n - 1. None with fewer than two rows of a class."""
    rows, classes = predictions.shape
    influence = np.zeros(rows)
    for number, scores in enumerate(predictions.T):
        inside = target == number
        parts = auc_parts(inside, scores)
        if parts is None:
            return None
        for where, part in zip((inside, ~inside), parts, strict=True):
            influence[where] += (part - part.mean()) / len(part) / classes
    return float((influence**2).sum())
