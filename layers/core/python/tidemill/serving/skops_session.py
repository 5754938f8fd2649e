"""A model in its training form as something that can be asked: it serves where the ONNX form answers otherwise.

Needs the layers `numeric` and `ml` in the place of `serve`: such a function version is published with those
(docs/decisions/0031). The file is data: it names types of an allow-list, and nothing else of it is imported or
built.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tidemill.errors import ArtifactCorrupt
from tidemill.training import artifacts


class Session:
    """Answers as onnxruntime's session does: to columns of shape [n, 1], with one array of shape [n, K]."""

    def __init__(self, pipeline: Any, names: Sequence[str]) -> None:
        self._ask = pipeline.predict_proba if hasattr(pipeline, "predict_proba") else pipeline.predict
        self._names = names

    def run(self, _: Sequence[str], columns: Mapping[str, Any]) -> list[Any]:
        """The one output that the model has, whatever it is called."""
        answers = np.asarray(self._ask(pd.DataFrame({name: _flat(columns[name]) for name in self._names})))
        return [answers.reshape(len(answers), -1)]


def session(source: bytes | str, names: Sequence[str], document: Mapping[str, Any]) -> Session:
    """The session of a skops file's bytes, or of the file of that name, which takes the inputs `names`. `document`
    is its `model.json`. Raises ArtifactCorrupt, with their names if the file holds types that are not allowed."""
    body = Path(source).read_bytes() if isinstance(source, str) else source
    model = artifacts.load(body, document["sha256"]["model.skops"], document.get("types", ()))
    fitted = getattr(getattr(model, "pipeline", model), "feature_names_in_", None)
    if fitted is not None and list(fitted) != list(names):
        raise ArtifactCorrupt(
            f"model.skops takes {list(fitted)}, model.json says {list(names)}; release the model again"
        )
    return Session(model, names)


def _flat(column: Any) -> Any:
    """A column as the pipeline was fitted on it (`training/prepare.py`): float32, or text of fixed width."""
    values = column.reshape(-1)
    return values.astype(np.str_) if values.dtype == object else values
