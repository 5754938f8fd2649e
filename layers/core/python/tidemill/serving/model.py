"""The model that this function version serves: package data of the layer, checked before it is trusted.

The hot path: nothing here imports more than numpy and onnxruntime. The latter is imported where a model is opened,
so that this module can be had where it is not.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import ArtifactCorrupt, ModelNotReady
from tidemill.serving.faults import refused
from tidemill.serving.forms import SKOPS, file_of, form_of
from tidemill.serving.instances import Column, Features
from tidemill.serving.values import Fault

PACKAGE = "tidemill_model"
_NO_ANSWER = Fault("no_answer", {}, "the model has no finite answer; are the values in their units?")
_OUTPUTS = {"classification": "probabilities", "regression": "variable"}


@dataclass(frozen=True)
class Model:
    """A loaded model. `document` is its `model.json`."""

    document: Mapping[str, Any]
    features: Features
    session: Any

    def predict(self, columns: Mapping[str, Column]) -> list[dict[str, Any]]:
        """`prediction` of each row, from one session run; for a classification with the `probability` of outcome
        1, or, of named classes, with the `probabilities` of all.

        Raises RequestInvalid for a row on which the arithmetic overflows: an answer is a finite number.
        """
        (answers,) = self.session.run([_OUTPUTS[self.document["task"]]], columns)
        finite = np.isfinite(answers)
        if not finite.all():
            row = int(np.argmin(finite.all(axis=1)))
            raise refused(f"instances[{row}]", _NO_ANSWER)
        return self._told(answers)

    def _told(self, answers: NDArray[np.float32]) -> list[dict[str, Any]]:
        """What the model gives (shape [n, columns]), as the API tells it."""
        if classes := self.document.get("classes"):
            said = answers.argmax(axis=1).tolist()
            rows = [dict(zip(classes, row, strict=True)) for row in answers.tolist()]
            return [
                {"prediction": classes[place], "probabilities": row} for place, row in zip(said, rows, strict=True)
            ]
        values = answers[:, -1].tolist()
        if self.document["task"] == "regression":
            return [{"prediction": value} for value in values]
        cut = self.document["threshold"]
        return [{"prediction": int(value >= cut), "probability": value} for value in values]


def load(package: str = PACKAGE, bucket: Callable[[], Any] | None = None) -> Model:
    """The model in that package, or the one that it points to in `bucket`.

    Raises ModelNotReady if there is none (the endpoint before its first release), ArtifactCorrupt if the file
    is not the registered one, or onnxruntime cannot read it, ModelUnreachable if it cannot be had.
    """
    # `importlib.resources` would do, and be a tenth of the cold start.
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModelNotReady("no model was released to this endpoint yet; upload data, or wait for the run")
    files = Path(found.origin).parent
    document = json.loads((files / "model.json").read_bytes())
    try:
        body = (files / file_of(document)).read_bytes()
    except FileNotFoundError:
        from tidemill.serving import bucket_model  # most models are in their layer

        return _of(document, bucket_model.path(files, document, file_of(document), bucket))
    return opened(document, body)


def opened(document: Mapping[str, Any], body: bytes) -> Model:
    """The model of that `model.json` and its file. Raises ArtifactCorrupt as `load` does."""
    digest, file = hashlib.sha256(body).hexdigest(), file_of(document)
    if digest != document["sha256"][file]:
        raise ArtifactCorrupt(f"{file} has SHA-256 {digest}, not the registered one; release the model again")
    return _of(document, body)


def _of(document: Mapping[str, Any], source: bytes | str) -> Model:
    """The model of a file whose digest was checked: of its bytes, or of its path."""
    features = Features(document["features"], document.get("serving"))
    if form_of(document) == SKOPS:
        from tidemill.serving import skops_session

        return Model(document, features, skops_session.session(source, features.inputs(), document))
    from tidemill.serving import onnx_session

    return Model(document, features, onnx_session.session(source, features.inputs()))
