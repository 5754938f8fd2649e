"""What is done to the columns before an estimator sees them; all of kinds that ONNX has operators for."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tidemill.projects import Project
from tidemill.projects.recipe import Recipe


def columns(
    project: Project, frame: pd.DataFrame, *, linear: bool, learns_missing: bool, takes_sparse: bool
) -> ColumnTransformer:
    """The transformer for these rows, by the project's recipe and what the estimator takes (`Family`)."""
    numbers = [name for name, column in project.feature_columns().items() if column.type.numeric]
    categories = [name for name in project.features if name not in numbers]
    filled = SimpleImputer(strategy=project.recipe.impute, keep_empty_features=True)
    if linear:
        steps = [("number", Pipeline([("impute", filled), ("scale", StandardScaler())]), numbers)]
    else:
        # Boosted trees learn where a missing value goes; but a column with no value at all, they refuse.
        kept = [name for name in numbers if learns_missing and frame[name].notna().any()]
        steps = [
            ("number", "passthrough", kept),
            ("filled", filled, [name for name in numbers if name not in kept]),
        ]
    encoder = _encoder(project.recipe, frame[categories], linear=linear, takes_sparse=takes_sparse)
    steps.append(("category", encoder, categories))
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _encoder(recipe: Recipe, frame: pd.DataFrame, *, linear: bool, takes_sparse: bool) -> Any:
    """Known categories as columns of 0 and 1, or as numbers in the order of their names. What is unknown, or rare,
    has 0 in all columns, or is -1."""
    known: Any = [_frequent(frame[name], recipe.rare) for name in frame] if recipe.rare else "auto"
    if recipe.encode == "one_hot" or (recipe.encode == "auto" and linear):
        return OneHotEncoder(
            categories=known, handle_unknown="ignore", dtype=np.float32, sparse_output=takes_sparse
        )
    return OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)


def _frequent(column: "pd.Series[Any]", share: float) -> NDArray[Any]:
    """The categories of a column that have at least that share of its rows, by name; the most frequent one if none
    has."""
    counts = column.value_counts().sort_index()
    frequent = counts[counts >= share * len(column)]
    names: NDArray[Any] = (frequent if len(frequent) else counts.nlargest(1)).index.to_numpy(dtype=np.str_)
    return names
