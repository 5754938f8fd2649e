"""Reading captured predictions back: gzip objects of the JSON lines that inference functions wrote to their logs.

Called by `build_window`; writes nothing. What cannot be read is counted, never guessed.
"""

import gzip
import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill import names, times
from tidemill.data.profile import PREDICTION
from tidemill.projects import Kind, Project

MODEL_VERSION = "@model_version"


@dataclass(frozen=True)
class Prediction:
    """One answer that was given. `value` is the probability of class 1, the predicted number, or the name of the
    class."""

    prediction_id: str
    at: datetime
    model_version: int
    features: Mapping[str, Any]
    value: float | str


@dataclass
class Captured:
    """What some captured objects hold: each prediction once, by its id, the first one read."""

    predictions: dict[str, Prediction] = field(default_factory=dict)
    duplicates: int = 0
    corrupted_lines: int = 0
    corrupted_objects: int = 0
    masked: set[str] = field(default_factory=set)
    """The features that were left out of some line: of these the predictions are not all known."""

    def read(self, body: bytes, *, project: str) -> None:
        """Add the predictions of one object."""
        try:
            lines = gzip.decompress(body).splitlines()
        except (OSError, EOFError, zlib.error):
            self.corrupted_objects += 1
            return
        for line in filter(None, lines):
            try:
                found = json.loads(line)
                masked = {str(name) for name in found.get("masked", ())}
                self._add(_predictions(found, project))
                self.masked |= masked
            except (ValueError, KeyError, TypeError, AttributeError):
                self.corrupted_lines += 1

    def _add(self, predictions: Iterable[Prediction]) -> None:
        for prediction in list(predictions):  # a line counts as a whole or not at all
            if prediction.prediction_id in self.predictions:
                self.duplicates += 1
            else:
                self.predictions[prediction.prediction_id] = prediction


def columns(
    predictions: Iterable[Prediction], project: Project, *, masked: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """The predictions as arrays of equal length: each input of a model as for a profile, the values under
    PREDICTION, the model versions that answered under MODEL_VERSION (int64). Of named classes the values are
    names. A value of another kind, of a model from before the target was changed, is missing. `masked` features
    are left out: a value that was not told is no missing one, and must not look like a shift."""
    rows = list(predictions)
    arrays: dict[str, NDArray[Any]] = {}
    for name, rule in project.feature_columns().items():
        if name in masked:
            continue
        values = [row.features.get(name) for row in rows]
        if rule.type is Kind.TIMESTAMP:
            arrays |= times.derived(name, times.moments(values), project.recipe.dates)
        else:
            arrays[name] = _array(values, rule.type)
    of_this_kind = [row.value if isinstance(row.value, str) is not project.said.numeric else None for row in rows]
    arrays[PREDICTION] = _array(of_this_kind, project.said)
    arrays[MODEL_VERSION] = np.array([row.model_version for row in rows], dtype=np.int64)
    return arrays


def _predictions(line: Any, project: str) -> Iterable[Prediction]:
    """The predictions of a capture line. Raises ValueError, KeyError, TypeError or AttributeError where it does
    not follow the contract."""
    if line["kind"] != names.CAPTURE_TERM or line["project"] != project:
        raise ValueError("not a capture line of this project")
    at, version = datetime.fromisoformat(line["at"]), int(line["model_version"])
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    for instance in line["instances"]:
        yield Prediction(
            prediction_id=str(instance["prediction_id"]),
            at=at,
            model_version=version,
            features=dict(instance["features"]),
            value=_value(instance),
        )


def _value(instance: Mapping[str, Any]) -> float | str:
    answer, probability = instance["prediction"], instance.get("probability")
    if isinstance(answer, str):
        return answer
    return float(answer if probability is None else probability)


def _array(values: list[Any], kind: Kind) -> NDArray[Any]:
    if kind.numeric:
        return np.array([_number(value) for value in values], dtype=np.float64)
    return np.array(["" if value is None else str(value) for value in values], dtype=np.str_)


def _number(value: Any) -> float:
    """A number, or NaN: the endpoint let nothing else through, and a wrong type is as good as a missing value."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
