"""Calibration: the probabilities of a classifier, mapped so that they are shares of rows that it has not seen.

`pipeline.fit` and FitFinal call it if the recipe asks for it. The map is Platt's (1999, "Probabilistic outputs for
support vector machines and comparisons to regularized likelihood methods"), on the logit of the probability: two
numbers, so that a few hundred rows are enough, and the order of rows stays.
"""

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from tidemill.projects import Project
from tidemill.training.prepare import Arrays, split_by

CERTAIN = 1e-5
"""Probabilities are kept so far from 0 and 1, near which single precision is too coarse for their logit."""


class Calibrated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted pipeline whose probability p of class 1 becomes 1 / (1 + exp(-(slope * logit p + intercept)))."""

    def __init__(self, pipeline: Pipeline, slope: float, intercept: float) -> None:
        self.pipeline = pipeline
        self.slope = slope
        self.intercept = intercept

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The probabilities of both classes, shape [n, 2]."""
        score = self.slope * logit(self.pipeline.predict_proba(frame)[:, 1]) + self.intercept
        chance = 1 / (1 + np.exp(-score))
        return np.column_stack([1 - chance, chance])


Model: TypeAlias = Pipeline | Calibrated
"""What is fitted, asked and served."""


def logit(chance: NDArray[Any]) -> NDArray[np.float64]:
    """The log odds of probabilities, shape [n]."""
    kept = np.clip(chance.astype(np.float64), CERTAIN, 1 - CERTAIN)
    odds: NDArray[np.float64] = np.log(kept) - np.log(1 - kept)
    return odds


def fitted_on(arrays: Arrays, project: Project) -> Arrays:
    """The rows that the model itself is fitted on: all, or those that do not calibrate it."""
    return _rows(arrays, ~_held(arrays, project))


def calibrated(pipeline: Pipeline, arrays: Arrays, project: Project) -> Model:
    """The pipeline with its probabilities mapped by the rows that were held back, if the recipe asks for that."""
    if not project.recipe.calibrate:
        return pipeline
    held = _rows(arrays, _held(arrays, project))
    frame = pd.DataFrame({name: held[name] for name in project.inputs()})
    positive = held[project.target] == 1
    score = logit(pipeline.predict_proba(frame)[:, 1])
    return Calibrated(pipeline, *platt(score, positive))


def platt(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of the most likely logistic map, for targets that are moved a little from 0 and 1 (Platt
    1999, section 2.2), so that it exists for separated classes, and for rows of one class alone. Shapes [n]."""
    hits, rows = int(positive.sum()), len(positive)
    target = np.where(positive, (hits + 1) / (hits + 2), 1 / (rows - hits + 2))
    # A row of target t is t of a row of class 1 and 1 - t of one of class 0.
    doubled, labels = np.concatenate([score, score]), np.repeat([1, 0], rows)
    weights = np.concatenate([target, 1 - target])
    found = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-8).fit(doubled[:, None], labels, weights)
    return float(found.coef_[0, 0]), float(found.intercept_[0])


def _held(arrays: Arrays, project: Project) -> NDArray[np.bool_]:
    """Which rows are held back, shape [n]. They lie evenly among the others: the latest alone would teach the
    level of a few days, and a model without them would miss it. But rows of an entity stay together: rows are in
    the order of entities if they are split by them, so there it is the last ones."""
    rows, share = len(arrays[project.target]), project.recipe.calibrate
    counts = np.floor(np.arange(rows + 1) * share + 1e-9)
    if split_by(project) == "entity":
        return np.arange(rows) >= rows - int(counts[-1])
    found: NDArray[np.bool_] = np.diff(counts) > 0
    return found


def _rows(arrays: Arrays, which: NDArray[np.bool_]) -> Arrays:
    return {name: array[which] for name, array in arrays.items()}
