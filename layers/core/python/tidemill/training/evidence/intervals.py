"""Metrics with confidence intervals: bootstrap, and DeLong's variance for the area under the ROC curve."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.training import metrics
from tidemill.training.evidence.resampling import LEVEL, Resampling, limits, replicated
from tidemill.training.metrics import Array

_NORMAL = 1.959963984540054  # the normal quantile of LEVEL


def intervals(
    task: str, target: Array, predictions: Array, threshold: float | None, how: Resampling
) -> dict[str, dict[str, Any]]:
    """Per metric of `metrics.measure` {low, high, method}: two-sided, 95 %. None where it is not defined. Those of
    named classes are in `class_intervals`."""
    resampled = from_sums(task, replicated(contributions(task, target, predictions, threshold), how))
    found: dict[str, dict[str, Any]] = {}
    for name, values in resampled.items():
        low, high = limits(values)
        found[name] = {"low": low, "high": high, "level": LEVEL, "method": "bootstrap"}
    if task == "classification":
        low, high = auc_interval(target, predictions)
        found["roc_auc"] = {"low": low, "high": high, "level": LEVEL, "method": "DeLong"}
    return found


def contributions(task: str, target: Array, predictions: Array, threshold: float | None) -> NDArray[np.float64]:
    """What each row adds to the sums that `from_sums` needs; shape [n, k]."""
    losses, ones = metrics.losses(task, target, predictions), np.ones(len(target))
    if task == "regression":
        centred = target - target.mean()
        return np.column_stack([losses, np.abs(predictions - target), centred, centred**2, ones])
    positive, said = target == 1, predictions >= (0.5 if threshold is None else threshold)
    cells = [positive & said, ~positive & said, positive & ~said]
    return np.column_stack([losses, (predictions - target) ** 2, *cells, ones])


def from_sums(task: str, sums: Array) -> dict[str, NDArray[np.float64]]:
    """Each metric of each row of sums; NaN where it is not defined. The definitions are those of `metrics`."""
    rows = sums[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        if task == "regression":
            squares, distances, first, second = sums[:, :4].T
            r2 = 1 - squares / (second - first**2 / rows)
            return {"rmse": np.sqrt(squares / rows), "mae": distances / rows, "r2": r2}
        losses, squares, hits, false_alarms, misses = sums[:, :5].T
        return {
            "log_loss": losses / rows,
            "brier": squares / rows,
            "accuracy": 1 - (false_alarms + misses) / rows,
            "precision": np.nan_to_num(hits / (hits + false_alarms)),
            "recall": np.nan_to_num(hits / (hits + misses)),
            "f1": np.nan_to_num(2 * hits / (2 * hits + false_alarms + misses)),
        }


def auc_parts(target: Array, scores: Array) -> tuple[Array, Array] | None:
    """DeLong's structural components: of each row of class 1 the share of other rows that it is above, and of each
    other row the share of class 1's that are above it (DeLong, DeLong & Clarke-Pearson 1988), by midranks (Sun &
    Xu 2014, "Fast implementation of DeLong's algorithm"). None with fewer than two rows of a side."""
    positive = target == 1
    above, below = scores[positive], scores[~positive]
    if len(above) < 2 or len(below) < 2:
        return None
    together = _midranks(np.concatenate([above, below]))
    of_positives = (together[: len(above)] - _midranks(above)) / len(below)
    of_negatives = 1 - (together[len(above) :] - _midranks(below)) / len(above)
    return of_positives, of_negatives


def auc_variance(target: Array, scores: Array) -> float | None:
    """The variance of the area under the ROC curve, by DeLong. None with fewer than two rows of a class."""
    parts = auc_parts(target, scores)
    return None if parts is None else float(sum(part.var(ddof=1) / len(part) for part in parts))


def auc_interval(target: Array, scores: Array) -> tuple[float | None, float | None]:
    """95 % interval of the area, as `around_area`."""
    return around_area(metrics.roc_auc(target, scores), auc_variance(target, scores))


def around_area(area: float | None, variance: float | None) -> tuple[float | None, float | None]:
    """The 95 % interval around an area, on the logit scale so that it stays within 0 and 1 (Pepe 2003, "The
    Statistical Evaluation of Medical Tests", 5.2). None for an area of 0 or 1, whose variance is estimated as
    0."""
    if area is None or variance is None or not 0 < area < 1:
        return None, None
    centre, reach = np.log(area / (1 - area)), _NORMAL * np.sqrt(variance) / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(centre + np.array([-reach, reach]))))
    return float(low), float(high)


def wilson(hits: Array, rows: Array) -> tuple[Array, Array]:
    """95 % intervals of shares (Wilson 1927, "Probable inference"); shapes [k]. `rows` must be above 0."""
    share, z2 = hits / rows, _NORMAL**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    reach = _NORMAL / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    return np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)


def _midranks(values: Array) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks
