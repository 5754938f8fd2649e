"""Forests: each tree has a seed of its own, so they grow in parts, and by several workers."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from tidemill.projects import Project
from tidemill.training.algorithms.family import Axis, Build, Family, Parameters, Task, on_columns, weights

_SIZE = 100
_GROWS = "n_estimators"
# Leaves are bounded, because the size of the served model grows with them.
_SPACE = {
    "max_leaf_nodes": Axis(IntDistribution(32, 512, log=True), 256, (64, 256, 512)),
    "min_samples_leaf": Axis(IntDistribution(1, 100, log=True), 5, (2, 10, 50)),
    "max_features": Axis(FloatDistribution(0.2, 1.0), 0.5, (0.33, 0.66, 1.0)),
}


def _space(task: Task) -> Mapping[str, Axis]:
    return _SPACE


def _forest(classifier: Any, regressor: Any) -> Build:
    def estimator(project: Project, parameters: Parameters, seed: int) -> Any:
        kind = classifier if project.task == "classification" else regressor
        return kind(**parameters, **weights(project), n_estimators=_SIZE, random_state=seed)

    return on_columns(estimator)


RANDOM_FOREST = Family(_space, _forest(RandomForestClassifier, RandomForestRegressor), grows=_GROWS, sharded=True)
EXTRA_TREES = Family(
    _space, _forest(ExtraTreesClassifier, ExtraTreesRegressor), grows="n_estimators", sharded=True
)
