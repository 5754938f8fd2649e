"""The model: a scikit-learn pipeline over named columns, built so that its ONNX form answers alike.

RunTrial and FitFinal fit one, EvaluateCandidate asks it. Everything before the estimator is of kinds that ONNX
has operators for, and works in float32, in which the served model is asked. So the two differ by float32 sums
alone; a tree never takes the other branch (`_round_thresholds`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tidemill.projects import Project
from tidemill.projects.recipe import Recipe
from tidemill.projects.search import Algorithm
from tidemill.training.prepare import Arrays

COLUMNS = "columns"
ESTIMATOR = "estimator"
STEPS = 10
"""In how many parts trees grow if somebody watches."""
OnStep = Callable[[int, int, Pipeline], None]


class Begun(NamedTuple):
    """A fit that was left after that part, with the pipeline so far."""

    step: int
    pipeline: Pipeline


_FOREST_SIZE = 100
_GROWS = {"gradient_boosting": "max_iter", "random_forest": "n_estimators", "extra_trees": "n_estimators"}
_LINEAR = ("linear", "elastic_net")
FORESTS = {
    "random_forest": (RandomForestClassifier, RandomForestRegressor),
    "extra_trees": (ExtraTreesClassifier, ExtraTreesRegressor),
}


def fit(
    algorithm: Algorithm,
    parameters: Mapping[str, int | float],
    arrays: Arrays,
    *,
    project: Project,
    seed: int,
    on_step: OnStep | None = None,
    begun: Begun | None = None,
) -> Pipeline:
    """A pipeline of `algorithm`, fitted on the features and the target in `arrays`.

    With `on_step`, forests and boosted trees grow in STEPS parts, and it is called after each with the number of
    the part, how many there are, and the pipeline so far; it may raise, which ends the fit. The result is the
    same, bit by bit, with and without, and if it goes on with a fit that was `begun` on the same rows. Raises what
    scikit-learn raises for data or parameters it cannot work with (ValueError, ArithmeticError).
    """
    frame, target = to_frame(arrays, project.features), known(arrays, project)
    fresh = unfitted(algorithm, parameters, arrays, project=project, seed=seed)
    pipeline = begun.pipeline if begun else fresh
    if on_step is None or algorithm not in _GROWS:
        pipeline.fit(frame, target)
        _settle(algorithm, pipeline)
        if on_step is not None:
            on_step(1, 1, pipeline)
    else:
        size = getattr(fresh[ESTIMATOR], _GROWS[algorithm])
        _grow(algorithm, pipeline, size, frame, target, on_step, done=begun.step if begun else 0)
    return pipeline


def unfitted(
    algorithm: Algorithm, parameters: Mapping[str, int | float], arrays: Arrays, *, project: Project, seed: int
) -> Pipeline:
    """The pipeline that is fitted on these rows. It depends on them where columns have no value, or rare ones."""
    frame = to_frame(arrays, project.features)
    numbers = [name for name, column in project.feature_columns().items() if column.type.numeric]
    categories = [name for name in project.features if name not in numbers]
    return Pipeline(
        [
            (COLUMNS, _columns(algorithm, project.recipe, numbers, categories, frame)),
            (ESTIMATOR, _estimator(algorithm, project, parameters, seed)),
        ]
    )


def known(arrays: Arrays, project: Project) -> NDArray[Any]:
    """The target as it is fitted, shape [n]: classes as integers."""
    target = arrays[project.target]
    return target.astype(np.int64) if project.task == "classification" else target


def _grow(
    algorithm: Algorithm,
    pipeline: Pipeline,
    whole: int,
    frame: pd.DataFrame,
    target: NDArray[Any],
    on_step: OnStep,
    *,
    done: int,
) -> None:
    """Fit `whole` trees, part after part, each going on where the one before ended; the first ones are `done`."""
    columns, estimator, size = pipeline[COLUMNS], pipeline[ESTIMATOR], _GROWS[algorithm]
    parts = sorted({round(whole * step / STEPS) for step in range(1, STEPS + 1)} - {0})
    inputs = columns.transform(frame) if done else columns.fit_transform(frame)
    estimator.set_params(warm_start=True)
    for step, trees in enumerate(parts[done:], start=done + 1):
        estimator.set_params(**{size: trees}).fit(inputs, target)
        _settle(algorithm, pipeline)
        if step == len(parts):
            estimator.set_params(warm_start=False)
        on_step(step, len(parts), pipeline)


def _settle(algorithm: Algorithm, pipeline: Pipeline) -> None:
    """What is done to a fitted pipeline so that its served form answers alike. Doing it again changes nothing."""
    if algorithm == "gradient_boosting":
        _round_thresholds(pipeline)


def predict(pipeline: Pipeline, arrays: Arrays, features: Sequence[str]) -> NDArray[np.float64]:
    """Per row the probability of class 1 (a classifier), or the predicted value; shape [n]."""
    frame = to_frame(arrays, features)
    if hasattr(pipeline, "predict_proba"):
        answers: NDArray[Any] = pipeline.predict_proba(frame)[:, 1]
    else:
        answers = pipeline.predict(frame)
    return answers.astype(np.float64)


def to_frame(arrays: Arrays, features: Sequence[str]) -> pd.DataFrame:
    """The features as a frame, in their order: float32 numbers, text categories."""
    return pd.DataFrame({name: arrays[name] for name in features})


def _columns(
    algorithm: Algorithm, recipe: Recipe, numbers: list[str], categories: list[str], frame: pd.DataFrame
) -> ColumnTransformer:
    filled = SimpleImputer(strategy=recipe.impute, keep_empty_features=True)
    if algorithm in _LINEAR:
        steps = [("number", Pipeline([("impute", filled), ("scale", StandardScaler())]), numbers)]
    else:
        # Boosted trees learn where a missing value goes; but a column with no value at all, they refuse.
        kept = [name for name in numbers if algorithm == "gradient_boosting" and frame[name].notna().any()]
        steps = [
            ("number", "passthrough", kept),
            ("filled", filled, [name for name in numbers if name not in kept]),
        ]
    steps.append(("category", _encoder(algorithm, recipe, frame[categories]), categories))
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _encoder(algorithm: Algorithm, recipe: Recipe, frame: pd.DataFrame) -> Any:
    """Known categories as columns of 0 and 1, or as numbers in the order of their names. What is unknown, or rare,
    has 0 in all columns, or is -1."""
    known: Any = [_frequent(frame[name], recipe.rare) for name in frame] if recipe.rare else "auto"
    if recipe.encode == "one_hot" or (recipe.encode == "auto" and algorithm in _LINEAR):
        dense = algorithm == "gradient_boosting"  # which takes no sparse columns
        return OneHotEncoder(categories=known, handle_unknown="ignore", dtype=np.float32, sparse_output=not dense)
    return OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)


def _frequent(column: "pd.Series[Any]", share: float) -> NDArray[Any]:
    """The categories of a column that have at least that share of its rows, by name; the most frequent one if none
    has."""
    counts = column.value_counts().sort_index()
    frequent = counts[counts >= share * len(column)]
    names: NDArray[Any] = (frequent if len(frequent) else counts.nlargest(1)).index.to_numpy(dtype=np.str_)
    return names


def _estimator(algorithm: Algorithm, project: Project, parameters: Mapping[str, int | float], seed: int) -> Any:
    classifies = project.task == "classification"
    weight: dict[str, Any] = {"class_weight": "balanced"} if project.recipe.class_weight == "balanced" else {}
    if algorithm == "gradient_boosting":
        boosting = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
        return boosting(**parameters, **weight, early_stopping=False, random_state=seed)
    if algorithm in FORESTS:
        classifier, regressor = FORESTS[algorithm]
        forest = classifier if classifies else regressor
        return forest(**parameters, **weight, n_estimators=_FOREST_SIZE, random_state=seed)
    if algorithm == "elastic_net":
        if not classifies:
            return ElasticNet(**parameters, max_iter=5000)
        return LogisticRegression(**parameters, **weight, solver="saga", max_iter=2000, random_state=seed)
    return LogisticRegression(**parameters, **weight, max_iter=1000) if classifies else Ridge(**parameters)


def _round_thresholds(pipeline: Pipeline) -> None:
    """Round the split thresholds of boosted trees down to float32.

    For float32 x, `x <= t` and `x <= float32 below t` are the same, so this changes no answer. But ONNX holds
    float32 thresholds, and the converter would round to the nearest: between two neighbouring numbers that is
    the upper one, and all rows that have it would take the other branch.
    """
    for trees in pipeline[-1]._predictors:
        for tree in trees:
            thresholds = tree.nodes["num_threshold"]
            rounded = thresholds.astype(np.float32)
            above = rounded.astype(np.float64) > thresholds
            tree.nodes["num_threshold"] = np.where(above, np.nextafter(rounded, np.float32(-np.inf)), rounded)
