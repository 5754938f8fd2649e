"""Metrics of predictions, under their standard names, as pure functions of numpy arrays.

The definitions are scikit-learn's, against which the tests hold them; written out here because they need nothing
but numpy. A metric that is not defined for the rows (a ROC curve of one class) is None. Those of named classes are
in `class_metrics`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.training import class_metrics, outputs

Array = NDArray[Any]
Metrics = dict[str, float | None]


def measure(task: str, target: Array, predictions: Array, threshold: float | None) -> Metrics:
    """All metrics of the task. `target` has shape [n]; predictions are probabilities of class 1, shape [n]
    (classification, cut at `threshold`), of each named class, shape [n, K], or values (regression)."""
    if task == "regression":
        return _regression(target, predictions)
    if outputs.named(predictions):
        areas = [roc_auc(target == number, scores) for number, scores in enumerate(predictions.T)]
        return class_metrics.measure(target, predictions, losses(task, target, predictions), areas)
    return {
        "log_loss": float(losses(task, target, predictions).mean()),
        "roc_auc": roc_auc(target, predictions),
        "brier": float(((predictions - target) ** 2).mean()),
        **_decisions(target == 1, predictions >= (0.5 if threshold is None else threshold)),
    }


def losses(task: str, target: Array, predictions: Array) -> Array:
    """The loss of each row, shape [n]: negative log-likelihood in nats, or squared error. Their mean is
    log_loss, or the square of rmse."""
    if task == "regression":
        squared: Array = (predictions - target) ** 2
        return squared
    tiny = np.finfo(np.float64).eps
    chance = np.clip(predictions.astype(np.float64), tiny, 1 - tiny)
    if outputs.named(chance):
        return -np.log(class_metrics.likelihood(target, chance))
    likelihood: Array = np.where(target == 1, chance, 1 - chance)
    return -np.log(likelihood)


def roc_auc(target: Array, scores: Array) -> float | None:
    """The area under the ROC curve: the share of (positive, negative) pairs in order, ties counting half (Hanley &
    McNeil 1982). None with one class only."""
    positives = int((target == 1).sum())
    negatives = len(target) - positives
    if not positives or not negatives:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    pairs = ranks[target == 1].sum() - positives * (positives + 1) / 2
    return float(pairs / (positives * negatives))


def best_constant(target: Array, classes: Sequence[str] = ()) -> Array:
    """The constant prediction with the least loss on `target`: the share of each named class, shape [K]; else the
    mean, shape [], which minimises log_loss (it is the share of class 1) and rmse alike."""
    if classes:
        return np.bincount(target.astype(np.int64), minlength=len(classes)) / len(target)
    return np.asarray(target.mean())


def _decisions(positive: Array, said: Array) -> Metrics:
    """Accuracy, precision, recall and f1; 0 where nothing was said, or was, positive."""
    hits = int((positive & said).sum())
    precision = hits / said.sum() if said.any() else 0.0
    recall = hits / positive.sum() if positive.any() else 0.0
    return {
        "accuracy": float((positive == said).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(2 * precision * recall / (precision + recall)) if hits else 0.0,
    }


def _regression(target: Array, predictions: Array) -> Metrics:
    squares = losses("regression", target, predictions)
    spread = float(((target - target.mean()) ** 2).sum())
    return {
        "rmse": float(np.sqrt(squares.mean())),
        "mae": float(np.abs(predictions - target).mean()),
        "r2": 1 - float(squares.sum()) / spread if spread > 0 else None,
    }


def compare(candidate: Array, reference: Array) -> dict[str, float | int | None]:
    """The paired difference of two models' losses on the same rows (shape [n] each): its mean (negative: the
    candidate loses less), standard error and 95 % interval by the normal approximation. None where one row gives
    no error."""
    differences = candidate - reference
    rows, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1) / np.sqrt(rows)) if rows > 1 else None
    reach = None if error is None else 1.959963984540054 * error
    return {
        "rows": rows,
        "difference": mean,
        "standard_error": error,
        "low": None if reach is None else mean - reach,
        "high": None if reach is None else mean + reach,
    }
