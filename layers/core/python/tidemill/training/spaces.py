"""What is varied of each algorithm: the parameters, their ranges, and a good first guess."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from optuna.distributions import FloatDistribution, IntDistribution

from tidemill.projects.search import Algorithm

Task = Literal["classification", "regression"]
Number = int | float


@dataclass(frozen=True)
class Axis:
    """One varied parameter: its range, the value of the first point (a good guess, so that the smallest search is
    worth running), and the values of a grid."""

    range: FloatDistribution | IntDistribution
    first: Number
    grid: tuple[Number, ...]


_BOOSTING = {
    "learning_rate": Axis(FloatDistribution(0.02, 0.3, log=True), 0.1, (0.05, 0.1, 0.2)),
    "max_iter": Axis(IntDistribution(40, 200), 100, (60, 120)),
    "max_leaf_nodes": Axis(IntDistribution(7, 63, log=True), 31, (15, 31, 63)),
    "min_samples_leaf": Axis(IntDistribution(5, 200, log=True), 20, (20, 60)),
    "l2_regularization": Axis(FloatDistribution(1e-3, 10.0, log=True), 1e-3, (1e-3, 1.0)),
}
# Leaves are bounded, because the size of the served model grows with them.
_FOREST = {
    "max_leaf_nodes": Axis(IntDistribution(32, 512, log=True), 256, (64, 256, 512)),
    "min_samples_leaf": Axis(IntDistribution(1, 100, log=True), 5, (2, 10, 50)),
    "max_features": Axis(FloatDistribution(0.2, 1.0), 0.5, (0.33, 0.66, 1.0)),
}
# Below 0.1 the normal equations of one-hot columns are singular in single precision.
_RIDGE = {"alpha": Axis(FloatDistribution(0.1, 1e3, log=True), 1.0, (0.1, 1.0, 10.0, 100.0, 1000.0))}
# Half and half to begin with; at 1 the penalty is the lasso's, which drops columns.
_MIX = {"l1_ratio": Axis(FloatDistribution(0.0, 1.0), 0.5, (0.1, 0.5, 0.9))}
_ELASTIC = {"alpha": Axis(FloatDistribution(1e-4, 1e2, log=True), 0.01, (1e-4, 0.01, 1.0)), **_MIX}
_LOGISTIC = {"C": Axis(FloatDistribution(1e-3, 1e2, log=True), 1.0, (0.001, 0.01, 0.1, 1.0, 10.0, 100.0))}


def space(algorithm: Algorithm, task: Task) -> Mapping[str, Axis]:
    """What is varied of an algorithm, by scikit-learn's parameter name."""
    if algorithm == "gradient_boosting":
        return _BOOSTING
    if algorithm in ("random_forest", "extra_trees"):
        return _FOREST
    if algorithm == "elastic_net":
        return {**_LOGISTIC, **_MIX} if task == "classification" else _ELASTIC
    return _LOGISTIC if task == "classification" else _RIDGE
