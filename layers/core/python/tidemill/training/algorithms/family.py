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
    """`space` gives what is varied for a task, by the estimator's parameter name; `estimator` an unfitted
    estimator for a project, with those parameters and a seed."""

    space: Callable[[Task], Mapping[str, Axis]]
    estimator: Callable[[Project, Parameters, int], Any]
    linear: bool = False
    """Numbers are filled and scaled for it, and categories are columns of 0 and 1 if the recipe leaves it open."""
    learns_missing: bool = False
    """It takes missing numbers as they are."""
    takes_sparse: bool = True
    grows: str | None = None
    """The parameter that says how many trees there are; None if it does not grow in parts."""
    sharded: bool = False
    """Whether its trees have seeds of their own, so that several workers can grow them (`shards`)."""
    parted: bool = False
    """Whether machines can grow it together, each on its share of the rows: the estimator's `fit` takes a
    `team`."""
    settle: Callable[[Any], None] = _as_it_is
    """What is done to a fitted estimator so that its served form answers alike. Doing it again changes nothing."""
    register_converter: Callable[[], None] = _known
    """Tells skl2onnx how the estimator becomes ONNX. Doing it again changes nothing."""

    @property
    def shared(self) -> bool:
        """Whether several machines of a job can share its fit."""
        return self.sharded or self.parted

    def unfitted(self, parameters: Parameters, frame: pd.DataFrame, *, project: Project, seed: int) -> Pipeline:
        """The pipeline that is fitted on these rows. It depends on them where columns have no value, or rare
        ones."""
        steps = columns(
            project,
            frame,
            linear=self.linear,
            learns_missing=self.learns_missing,
            takes_sparse=self.takes_sparse,
        )
        return Pipeline([(COLUMNS, steps), (ESTIMATOR, self.estimator(project, parameters, seed))])


def weights(project: Project) -> dict[str, Any]:
    """The argument of scikit-learn's classifiers for the classes' weights, if the recipe asks for any."""
    return {"class_weight": "balanced"} if project.recipe.class_weight == "balanced" else {}
