"""Calibration: the probabilities of a classifier, mapped so that they are shares of rows that it has not seen.

`pipeline.fit` and FitFinal call it if the recipe asks for it. The map is Platt's (1999, "Probabilistic outputs for
support vector machines and comparisons to regularized likelihood methods"), on the logit of the probability; of
more than two classes its generalisation, a slope for all of them and an intercept for each (Guo, Pleiss, Sun,
Weinberger 2017, "On calibration of modern neural networks", between temperature and vector scaling). So few
numbers need few rows.
"""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from tidemill.projects import Project
from tidemill.training.prepare import Arrays, split_by

CERTAIN = 1e-5
"""Probabilities are kept so far from 0 and 1, near which single precision is too coarse for their logarithm."""
FEWEST_ROWS = 10
GOLDEN = (5**0.5 - 1) / 2
Array = NDArray[np.float64]


class Calibrated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted pipeline whose probabilities p become proportional to exp(slope * log p + intercepts); the
    intercepts have shape [classes]."""

    def __init__(self, pipeline: Pipeline, slope: float, intercepts: Array) -> None:
        self.pipeline = pipeline
        self.slope = slope
        self.intercepts = intercepts

    def predict_proba(self, frame: pd.DataFrame) -> Array:
        """The probability of each class, shape [n, classes]."""
        mapped: Array = softmax(self.slope * logs(self.pipeline.predict_proba(frame)) + self.intercepts, axis=1)
        return mapped


Model: TypeAlias = Pipeline | Calibrated
"""What is fitted, asked and served."""


def logs(chances: NDArray[Any]) -> Array:
    """The logarithms of probabilities, any shape."""
    found: Array = np.log(np.clip(chances.astype(np.float64), CERTAIN, 1 - CERTAIN))
    return found


def fitted_on(arrays: Arrays, project: Project) -> Arrays:
    """The rows that the model itself is fitted on: all, or those that do not calibrate it."""
    return _rows(arrays, ~_held(arrays, project)) if project.recipe.calibrate else arrays


def calibrated(pipeline: Pipeline, arrays: Arrays, project: Project) -> Model:
    """The pipeline with its probabilities mapped by the rows that were held back, if the recipe asks for that.
    Raises ValueError if that leaves a class without a row to fit on."""
    if not project.recipe.calibrate:
        return pipeline
    held = _rows(arrays, _held(arrays, project))
    count = len(held[project.target])
    if count < FEWEST_ROWS:
        raise ValueError(
            f"recipe.calibrate: {project.recipe.calibrate} holds back {count} rows, too few; set more"
        )
    frame = pd.DataFrame({name: held[name] for name in project.inputs()})
    told, classes = logs(pipeline.predict_proba(frame)), len(project.classes) or 2
    if told.shape[1] != classes:
        raise ValueError(
            f"recipe.calibrate holds back all rows of {classes - told.shape[1]} of {classes} classes; upload more"
            " of them, or leave it out"
        )
    return Calibrated(pipeline, *scaling(told, held[project.target].astype(np.int64)))


def scaling(told: Array, target: NDArray[np.int64]) -> tuple[float, Array]:
    """Slope and intercepts of the most likely map of the logarithms `told` (shape [n, classes]) to the classes of
    the rows (shape [n]), for targets that are moved a little from 0 and 1 (Platt 1999, section 2.2), so that it
    exists for separated classes, and for classes that no row is of. The intercepts have the mean 0."""
    rows, classes = told.shape
    counts = np.bincount(target, minlength=classes)
    smoothed = (counts[:, None] * np.eye(classes) + 1) / (counts[:, None] + classes)
    wanted = smoothed[target]

    def loss(point: Array) -> tuple[float, Array]:
        found = log_softmax(point[0] * told + point[1:], axis=1)
        gaps = (np.exp(found) - wanted) / rows
        return -float((wanted * found).sum()) / rows, np.append((gaps * told).sum(), gaps.sum(axis=0))

    start = np.append(1.0, np.zeros(classes))
    best = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    )
    return float(best.x[0]), best.x[1:] - best.x[1:].mean()


def _held(arrays: Arrays, project: Project) -> NDArray[np.bool_]:
    """Which rows are held back, shape [n]. They lie evenly among the others, and at no period: the latest alone
    would teach the level of a few days, a model without them would miss it, and sources that report in turn are
    held back alike (multiples of the golden ratio, whose fractions are spread evenly: Weyl 1916). Where rows are
    split by entities, in whose order they are, it is the last rows, so that at most one entity is on both
    sides."""
    rows, share = len(arrays[project.target]), project.recipe.calibrate
    if split_by(project) == "entity":
        return np.arange(rows) >= rows - round(rows * share)
    return np.arange(1, rows + 1) * GOLDEN % 1 < share


def _rows(arrays: Arrays, which: NDArray[np.bool_]) -> Arrays:
    return {name: array[which] for name, array in arrays.items()}
