"""What a family of algorithms tells about itself: the interface behind each name in `search.algorithms`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.pipeline import Pipeline

from tidemill.projects import Project
from tidemill.training.algorithms.columns import columns

Task = Literal["classification", "regression"]
Number = int | float
Parameters = Mapping[str, Number]
Build = Callable[[Parameters, pd.DataFrame, Project, int], Pipeline]
COLUMNS = "columns"
ESTIMATOR = "estimator"


@dataclass(frozen=True)
class Axis:
    """One varied parameter: its range, the value of the first point (a good guess, so that the smallest search is
    worth running), and the values of a grid."""

    range: FloatDistribution | IntDistribution
    first: Number
    grid: tuple[Number, ...]


def _as_it_is(estimator: Any) -> None:
    """Most estimators are served as they were fitted."""


def _known() -> None:
    """skl2onnx knows scikit-learn's estimators."""


@dataclass(frozen=True)
class Family:
    """`space` gives what is varied for a task, by the estimator's parameter name; `build` the unfitted pipeline
    for parameters, the rows that it will be fitted on, a project and a seed. It depends on the rows where columns
    have no value, or rare ones."""

    space: Callable[[Task], Mapping[str, Axis]]
    build: Build
    grows: str | None = None
    """The parameter that says how many trees there are; None if it does not grow in parts."""
    sharded: bool = False
    """Whether its trees have seeds of their own, so that several workers can grow them (`shards`)."""
    parted: bool = False
    """Whether machines can grow it together, each on its share of the rows: the estimator's `fit` takes a
    `team`."""
    settle: Callable[[Any], None] = _as_it_is
    """What is done to a fitted estimator so that its served form answers alike. Doing it again changes nothing."""
    own: bool = False
    """Whether it is a project's, and not known to be savable and servable."""
    register_converter: Callable[[], None] = _known
    """Tells skl2onnx how the estimator becomes ONNX. Doing it again changes nothing."""

    @property
    def shared(self) -> bool:
        """Whether several machines of a job can share its fit."""
        return self.sharded or self.parted


def on_columns(
    estimator: Callable[[Project, Parameters, int], Any],
    *,
    linear: bool = False,
    learns_missing: bool = False,
    takes_sparse: bool = True,
) -> Build:
    """Pipelines of the columns as the recipe prepares them (`columns.columns`) and what `estimator` gives."""

    def build(parameters: Parameters, frame: pd.DataFrame, project: Project, seed: int) -> Pipeline:
        prepared = columns(project, frame, linear=linear, learns_missing=learns_missing, takes_sparse=takes_sparse)
        return Pipeline([(COLUMNS, prepared), (ESTIMATOR, estimator(project, parameters, seed))])

    return build


def weights(project: Project) -> dict[str, Any]:
    """The argument of scikit-learn's classifiers for the classes' weights, if the recipe asks for any."""
    return {"class_weight": "balanced"} if project.recipe.class_weight == "balanced" else {}
