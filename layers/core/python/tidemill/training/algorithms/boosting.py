"""Histogram gradient boosting."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tidemill.projects import Project
from tidemill.training.algorithms.family import Axis, Family, Parameters, Task, on_columns, weights

_SPACE = {
    "learning_rate": Axis(FloatDistribution(0.02, 0.3, log=True), 0.1, (0.05, 0.1, 0.2)),
    "max_iter": Axis(IntDistribution(40, 200), 100, (60, 120)),
    "max_leaf_nodes": Axis(IntDistribution(7, 63, log=True), 31, (15, 31, 63)),
    "min_samples_leaf": Axis(IntDistribution(5, 200, log=True), 20, (20, 60)),
    "l2_regularization": Axis(FloatDistribution(1e-3, 10.0, log=True), 1e-3, (1e-3, 1.0)),
}


def _space(task: Task) -> Mapping[str, Axis]:
    return _SPACE


def _boosting(project: Project, parameters: Parameters, seed: int) -> Any:
    kind = HistGradientBoostingClassifier if project.task == "classification" else HistGradientBoostingRegressor
    return kind(**parameters, **weights(project), early_stopping=False, random_state=seed)


def round_thresholds(boosted: Any) -> None:
    """Round the split thresholds of boosted trees down to float32.

    For float32 x, `x <= t` and `x <= float32 below t` are the same, so this changes no answer. But ONNX holds
    float32 thresholds, and the converter would round to the nearest: between two neighbouring numbers that is
    the upper one, and all rows that have it would take the other branch.
    """
    for trees in boosted._predictors:
        for tree in trees:
            thresholds = tree.nodes["num_threshold"]
            rounded = thresholds.astype(np.float32)
            above = rounded.astype(np.float64) > thresholds
            tree.nodes["num_threshold"] = np.where(above, np.nextafter(rounded, np.float32(-np.inf)), rounded)


GRADIENT_BOOSTING = Family(
    _space,
    on_columns(_boosting, learns_missing=True, takes_sparse=False),
    grows="max_iter",
    settle=round_thresholds,
)
