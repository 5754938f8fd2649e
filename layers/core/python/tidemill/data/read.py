"""A dataset version as a data frame, for training and for notebooks.

Numbers and integers are float64 (NaN where missing), categories object (str or None), timestamps
datetime64[us, UTC] (NaT).
"""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from tidemill.data import rows
from tidemill.data.manifests import Manifest
from tidemill.ports import ObjectStore
from tidemill.projects import Kind, Project


def read_dataset(objects: ObjectStore, manifest: Manifest | Mapping[str, Any], project: Project) -> pd.DataFrame:
    """All rows of a dataset version in the order of its files, with the columns that the project file has rules
    for. `manifest` is a Manifest or its JSON object. Raises RecordNotFound, ProjectInvalid."""
    kinds = {name: column.type for name, column in project.columns.items()}
    nullable = {name for name, column in project.columns.items() if column.nullable}
    return frame(objects, manifest, kinds, lacking=nullable)


def frame(
    objects: ObjectStore,
    manifest: Manifest | Mapping[str, Any],
    kinds: Mapping[str, Kind],
    *,
    lacking: Collection[str] = (),
) -> pd.DataFrame:
    """The same with the columns of `kinds`; see `tidemill.data.rows.batches`."""
    table = rows.table(objects, Manifest.model_validate(manifest).files, kinds, lacking=lacking)
    return pd.DataFrame({name: _series(table.column(name), kind) for name, kind in kinds.items()})


def _series(column: Any, kind: Kind) -> "pd.Series[Any]":
    if kind is Kind.CATEGORY:
        return pd.Series(column.to_pylist(), dtype=object)
    if kind is Kind.TIMESTAMP:
        return column.to_pandas().dt.as_unit("us")  # type: ignore[no-any-return]
    return pd.Series(column.to_numpy())
