"""What can be fitted: one module per family of algorithms, and the table of their names."""

from collections.abc import Mapping

from tidemill.projects import Project
from tidemill.projects.search import Algorithm
from tidemill.training.algorithms.boosting import GRADIENT_BOOSTING
from tidemill.training.algorithms.family import Axis, Family
from tidemill.training.algorithms.forests import EXTRA_TREES, RANDOM_FOREST
from tidemill.training.algorithms.lightgbm import LIGHTGBM
from tidemill.training.algorithms.linear import ELASTIC_NET, LINEAR
from tidemill.training.algorithms.own import own

BUILT_IN: Mapping[str, Family] = {
    "linear": LINEAR,
    "elastic_net": ELASTIC_NET,
    "gradient_boosting": GRADIENT_BOOSTING,
    "lightgbm": LIGHTGBM,
    "random_forest": RANDOM_FOREST,
    "extra_trees": EXTRA_TREES,
}


def of(algorithm: Algorithm, project: Project) -> Family:
    """What that name stands for in a project."""
    return own(project) if algorithm == "own" else BUILT_IN[algorithm]


def space(algorithm: Algorithm, project: Project) -> Mapping[str, Axis]:
    """What is varied of it there, by the estimator's parameter name."""
    return of(algorithm, project).space(project.task)


def register_converters() -> None:
    """Tell skl2onnx how the estimators become ONNX that it does not know by itself."""
    for family in BUILT_IN.values():
        family.register_converter()
