"""From the rows of a dataset version to the arrays that models are fitted on, and those arrays as bytes.

Numbers become float32, the type in which the served model is asked, so that what training saw can be asked again
exactly; categories become fixed-width text; a missing number is NaN, a missing category the empty text. Arrays
travel as `.npz` without pickled objects.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidemill import times
from tidemill.errors import ArtifactCorrupt, RunFailed
from tidemill.projects import Kind, Project
from tidemill.training.split import mixed, split

Arrays = dict[str, NDArray[Any]]
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Prepared:
    """The parts: each input of the model and the target under its name, rows in the order of time; the holdout
    also has the columns that it is sliced by, which no model is fitted on, and so has the validation part if
    trials are measured by their fairness. `dropped` counts rows by cause, `cuts` has the first time of validation
    and holdout (empty if the rows are split by something else)."""

    parts: Mapping[str, Arrays]
    dropped: Mapping[str, int]
    cuts: Mapping[str, str]

    @property
    def rows(self) -> dict[str, int]:
        return {part: len(next(iter(arrays.values()))) for part, arrays in self.parts.items()}


def prepare(frame: pd.DataFrame, project: Project) -> Prepared:
    """Drop rows without target or time, order, split, convert. Raises RunFailed when what is left cannot be learnt
    from: too few rows, a class that is unknown, or one that is missing where models are fitted."""
    labelled = frame[frame[project.target].notna()]
    timed = labelled[labelled[project.time].notna()] if project.time else labelled
    dropped = {"no_target": len(frame) - len(labelled), "no_time": len(labelled) - len(timed)}
    keys = _keys(timed, project)
    places = split(keys, validation=project.split.validation, holdout=project.split.holdout)
    arrays = to_arrays(timed, project)
    parts = {part: {name: array[rows] for name, array in arrays.items()} for part, rows in places.items()}
    judged = {name: _array(timed[name], column.type) for name, column in project.judged_columns().items()}
    for part in ("validation", "holdout") if project.search.asks_for("fairness_gap") else ("holdout",):
        parts[part] |= {name: array[places[part]] for name, array in judged.items()}
    _check_target(parts, project)
    cuts = {}
    if split_by(project) == "time":
        times = timed[project.time]
        cuts = {part: str(times.iloc[rows[0]]) for part, rows in places.items() if part != "train"}
    return Prepared(parts, dropped, cuts)


def _keys(frame: pd.DataFrame, project: Project) -> NDArray[Any]:
    by = split_by(project)
    if by == "time":
        times: NDArray[Any] = frame[project.time].to_numpy()
        return times
    # The project's seed, not the run's: all runs of a project shall hold out the same rows.
    columns = [project.entity] if by == "entity" else sorted(project.columns)
    hashes = pd.util.hash_pandas_object(frame[columns], index=False).to_numpy()
    return mixed(hashes, project.search.seed)


def split_by(project: Project) -> str:
    """By what the rows of a project are split: `time`, `entity` or `content`."""
    return project.split.by or ("time" if project.time else "content")


def to_arrays(frame: pd.DataFrame, project: Project) -> Arrays:
    """What a model takes of `frame`, and the target: one array of shape [n] per column."""
    arrays: Arrays = {}
    for name, column in project.feature_columns().items():
        if column.type is Kind.TIMESTAMP:
            moments = frame[name].dt.tz_convert(None).to_numpy(dtype="datetime64[us]")
            arrays |= times.derived(name, moments, project.recipe.dates)
        else:
            arrays[name] = _array(frame[name], column.type)
    arrays[project.target] = _target(frame[project.target], project)
    return arrays


def _target(column: "pd.Series[Any]", project: Project) -> NDArray[np.float64]:
    """The target as numbers, shape [n]: named classes by their place in `classes`. Raises RunFailed where a row is
    of none of them."""
    if not project.classes:
        values: NDArray[np.float64] = column.to_numpy(dtype=np.float64)
        return values
    places = {name: place for place, name in enumerate(project.classes)}
    numbers = column.map(places)
    unknown = column[numbers.isna()].value_counts()
    if len(unknown):
        few = ", ".join(f"{name!r} ({rows} rows)" for name, rows in unknown.head(5).items())
        raise RunFailed(
            f"target {project.target!r} has classes that the project does not name: {few}; add them to"
            f" `columns.{project.target}.allowed`, or upload data without those rows"
        )
    found: NDArray[np.float64] = numbers.to_numpy(dtype=np.float64)
    return found


def _array(column: "pd.Series[Any]", kind: Kind) -> NDArray[Any]:
    if kind.numeric:
        numbers: NDArray[Any] = column.to_numpy(dtype=np.float32)
        return numbers
    text: NDArray[Any] = column.astype(object).where(column.notna(), "").to_numpy(dtype=np.str_)
    return text


def _check_target(parts: Mapping[str, Arrays], project: Project) -> None:
    if project.task == "regression":
        return
    values = {part: np.unique(arrays[project.target]).tolist() for part, arrays in parts.items()}
    if project.classes:
        absent = [name for place, name in enumerate(project.classes) if place not in values["train"]]
        if absent:
            raise RunFailed(
                f"target {project.target!r} is never one of {absent} in the training part, and none can learn"
                f" what it has not seen; upload data with them, or take them out of"
                f" `columns.{project.target}.allowed`"
            )
        return
    others = sorted({value for part in values.values() for value in part} - {0.0, 1.0})
    if others:
        raise RunFailed(
            f"target {project.target!r} has the values {others[:5]}; classification needs 0 and 1 alone"
        )
    if len(values["train"]) < 2:
        raise RunFailed(
            f"target {project.target!r} is {values['train'][0]:g} in all rows of the training"
            " part; there is nothing to tell apart, upload data with both classes"
        )


def shuffled(arrays: Arrays, target: str, seed: int) -> Arrays:
    """The same rows with the targets permuted among them: what is left to learn is their distribution."""
    return {**arrays, target: np.random.default_rng(seed).permutation(arrays[target])}


def dump(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """`.npz` bytes: equal arrays give equal bytes. Raises ValueError for an array of objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            archive.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return buffer.getvalue()


def load(body: bytes) -> Arrays:
    """The arrays of `.npz` bytes. Raises ArtifactCorrupt if they are not that, or hold pickled objects."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ArtifactCorrupt(f"prepared rows cannot be read ({error}); start a new run") from error
