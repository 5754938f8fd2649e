"""What is done to the columns before an estimator sees them; all of kinds that ONNX has operators for."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from tidemill.projects import Project

FOLDS = 5
"""In how many parts rows are told the mean target of the others' categories (Micci-Barreca 2001, "A preprocessing
scheme for high-cardinality categorical attributes"; cross-fitted as scikit-learn does it)."""


def columns(
    project: Project, frame: pd.DataFrame, *, linear: bool, learns_missing: bool, takes_sparse: bool
) -> ColumnTransformer:
    """The transformer for these rows, by the project's recipe and what the estimator takes (`on_columns`)."""
    inputs = project.inputs()
    numbers = [name for name, column in inputs.items() if column.type.numeric]
    categories = [name for name in inputs if name not in numbers]
    filled = SimpleImputer(strategy=project.recipe.impute, keep_empty_features=True)
    if linear:
        steps = [("number", Pipeline([("impute", filled), ("scale", StandardScaler())]), numbers)]
    else:
        kept = [name for name in numbers if learns_missing and _learnable(frame[name], project)]
        steps = [
            ("number", "passthrough", kept),
            ("filled", filled, [name for name in numbers if name not in kept]),
        ]
    encoder = _encoder(project, frame[categories], linear=linear, takes_sparse=takes_sparse)
    steps.append(("category", encoder, categories))
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _learnable(column: "pd.Series[Any]", project: Project) -> bool:
    """Whether boosted trees can learn from these rows where a missing value goes. A column with no value at all,
    they refuse. One that is never missing, they take for granted; where missing ones may be asked for all the
    same, LightGBM would take them for 0, which is no value to take for granted."""
    known = column.notna()
    return bool(known.any()) and not (project.serving.imputes and known.all())


def settle(fitted: Any) -> None:
    """Round what categories became by the target to float32, in which the served model holds it. Doing it again
    changes nothing."""
    found = fitted.named_transformers_.get("category") if isinstance(fitted, ColumnTransformer) else None
    encoder = found["encode"] if isinstance(found, Pipeline) else found
    if isinstance(encoder, TargetEncoder):
        encoder.encodings_ = [values.astype(np.float32).astype(np.float64) for values in encoder.encodings_]
        encoder.target_mean_ = np.float64(np.float32(encoder.target_mean_))


def _encoder(project: Project, frame: pd.DataFrame, *, linear: bool, takes_sparse: bool) -> Any:
    """Known categories as columns of 0 and 1, as numbers in the order of their names, or as the mean of the target
    that their rows have. What is unknown, or rare, has 0 in all columns, is -1, or is the mean of all rows."""
    recipe = project.recipe
    known: Any = [_frequent(frame[name], recipe.rare) for name in frame] if recipe.rare else "auto"
    if recipe.encode == "one_hot" or (recipe.encode == "auto" and linear):
        return OneHotEncoder(
            categories=known, handle_unknown="ignore", dtype=np.float32, sparse_output=takes_sparse
        )
    if recipe.encode == "target":
        # A row that is fitted on is told the mean of other rows, or its own target would be in it.
        kind = "binary" if project.task == "classification" else "continuous"
        encoder = TargetEncoder(categories=known, target_type=kind, cv=KFold(FOLDS))
        return Pipeline([("encode", encoder), ("scale", StandardScaler())]) if linear else encoder
    return OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)


def _frequent(column: "pd.Series[Any]", share: float) -> NDArray[Any]:
    """The categories of a column that have at least that share of its rows, by name; the most frequent one if none
    has."""
    counts = column.value_counts().sort_index()
    frequent = counts[counts >= share * len(column)]
    names: NDArray[Any] = (frequent if len(frequent) else counts.nlargest(1)).index.to_numpy(dtype=np.str_)
    return names
