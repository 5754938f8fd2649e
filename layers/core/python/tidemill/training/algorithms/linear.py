"""Linear models: logistic and ridge regression, and elastic nets."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import FloatDistribution
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

from tidemill.projects import Project
from tidemill.training.algorithms.family import Axis, Family, Parameters, Task, on_columns, weights

# Below 0.1 the normal equations of one-hot columns are singular in single precision.
_RIDGE = {"alpha": Axis(FloatDistribution(0.1, 1e3, log=True), 1.0, (0.1, 1.0, 10.0, 100.0, 1000.0))}
# Half and half to begin with; at 1 the penalty is the lasso's, which drops columns.
_MIX = {"l1_ratio": Axis(FloatDistribution(0.0, 1.0), 0.5, (0.1, 0.5, 0.9))}
_ELASTIC = {"alpha": Axis(FloatDistribution(1e-4, 1e2, log=True), 0.01, (1e-4, 0.01, 1.0)), **_MIX}
_LOGISTIC = {"C": Axis(FloatDistribution(1e-3, 1e2, log=True), 1.0, (0.001, 0.01, 0.1, 1.0, 10.0, 100.0))}


def _linear_space(task: Task) -> Mapping[str, Axis]:
    return _LOGISTIC if task == "classification" else _RIDGE


def _linear(project: Project, parameters: Parameters, seed: int) -> Any:
    if project.task == "regression":
        return Ridge(**parameters)
    return LogisticRegression(**parameters, **weights(project), max_iter=1000)


def _elastic_space(task: Task) -> Mapping[str, Axis]:
    return {**_LOGISTIC, **_MIX} if task == "classification" else _ELASTIC


def _elastic_net(project: Project, parameters: Parameters, seed: int) -> Any:
    if project.task == "regression":
        return ElasticNet(**parameters, max_iter=5000)
    return LogisticRegression(**parameters, **weights(project), solver="saga", max_iter=2000, random_state=seed)


LINEAR = Family(_linear_space, on_columns(_linear, linear=True))
ELASTIC_NET = Family(_elastic_space, on_columns(_elastic_net, linear=True))
