"""LightGBM: boosted trees that grow leaf by leaf."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from tidemill.projects import Project
from tidemill.training.algorithms.boosters import LightGBMClassifier, LightGBMRegressor
from tidemill.training.algorithms.family import Axis, Family, Parameters, Task, on_columns, weights

# Nothing that LightGBM draws by chance (shares of rows or columns): `boosters` says why.
_SPACE = {
    "learning_rate": Axis(FloatDistribution(0.02, 0.3, log=True), 0.1, (0.05, 0.1, 0.2)),
    "n_estimators": Axis(IntDistribution(40, 200), 100, (60, 120)),
    "num_leaves": Axis(IntDistribution(7, 63, log=True), 31, (15, 31, 63)),
    "min_child_samples": Axis(IntDistribution(5, 200, log=True), 20, (20, 60)),
    "reg_lambda": Axis(FloatDistribution(1e-3, 10.0, log=True), 1e-3, (1e-3, 1.0)),
}


def _space(task: Task) -> Mapping[str, Axis]:
    return _SPACE


def _lightgbm(project: Project, parameters: Parameters, seed: int) -> Any:
    kind: Any = LightGBMClassifier if project.task == "classification" else LightGBMRegressor
    return kind(**parameters, **weights(project), random_state=seed)


def _register_converter() -> None:
    # Only who converts needs skl2onnx.
    from tidemill.training.algorithms import booster_onnx

    booster_onnx.register()


LIGHTGBM = Family(
    _space,
    on_columns(_lightgbm, learns_missing=True, takes_sparse=False),
    grows="n_estimators",
    parted=True,
    register_converter=_register_converter,
)
