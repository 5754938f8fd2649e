"""Metrics of answers about named classes: targets are class numbers from 0 (shape [n]), answers probabilities
(shape [n, K]). `metrics` asks here.

As in `metrics` the definitions are scikit-learn's, with `average="macro"`: each class counts alike. A class that
neither is in the rows nor was said has no precision and no recall, and does not count.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.training import outputs

Array = NDArray[Any]


def measure(
    target: Array, predictions: Array, losses: Array, areas: list[float | None]
) -> dict[str, float | None]:
    """All metrics; `losses` has each row's, `areas` the area under the curve of each class against the others."""
    table = confusion(target, predictions)
    hits, said, were = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    counts = (said + were) > 0
    defined = [area for area in areas if area is not None]
    return {
        "log_loss": float(losses.mean()),
        "roc_auc": float(np.mean(defined)) if len(defined) == len(areas) else None,
        "brier": float(brier(target, predictions).mean()),
        "accuracy": float(hits.sum() / len(target)),
        "precision": float(shares(hits, said)[counts].mean()),
        "recall": float(shares(hits, were)[counts].mean()),
        "f1": float(shares(2 * hits, said + were)[counts].mean()),
    }


def likelihood(target: Array, predictions: Array) -> Array:
    """The probability that each row's class was given, shape [n]."""
    given: Array = predictions[np.arange(len(target)), target.astype(np.int64)]
    return given


def brier(target: Array, predictions: Array) -> Array:
    """Of each row the squared errors of all classes' probabilities, summed (Brier 1950, "Verification of forecasts
    expressed in terms of probability"); shape [n], from 0 to 2."""
    happened = target[:, None] == np.arange(predictions.shape[1])
    squares: Array = ((predictions - happened) ** 2).sum(axis=1)
    return squares


def confusion(target: Array, predictions: Array) -> NDArray[np.int64]:
    """How many rows of each class (down) were taken for each class (across); shape [K, K]."""
    classes = predictions.shape[1]
    cells = target.astype(np.int64) * classes + outputs.decided(predictions, None)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def shares(part: Array, whole: Array) -> NDArray[np.float64]:
    """Shares, 0 where there is nothing to have a share of; of equal shapes."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)
