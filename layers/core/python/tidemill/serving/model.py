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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import ArtifactCorrupt, ModelNotReady
from tidemill.serving import layer_files, pickles
from tidemill.serving.faults import refused
from tidemill.serving.forms import SKOPS, file_of, form_of
from tidemill.serving.instances import Column, Features
from tidemill.serving.values import Fault

if TYPE_CHECKING:
    from tidemill.serving.arms import Experiment

Bucket = Callable[[], Any]
"""Gives the store of a model that its layer only points to; called for no other."""
_NEEDED = {"project", "version", "task", "features", "sha256"}
_NO_ANSWER = Fault("no_answer", {}, "the model has no finite answer; are the values in their units?")
_OUTPUTS = {"classification": "probabilities", "regression": "variable"}


@dataclass(frozen=True)
class Model:
    """A loaded model. `document` is its `model.json`."""

    document: Mapping[str, Any]
    features: Features
    session: Any

    @property
    def by_entity(self) -> bool:
        """Whether requests must say whom they are about: the project assigns entities when it releases."""
        return self.document.get("assignment") == "entity"

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


def load(package: str = layer_files.PACKAGE, *, project: str | None = None, bucket: Bucket | None = None) -> Model:
    """The model in that package, or the one that it points to in `bucket`; of that project, if one is given.

    Raises ModelNotReady if there is none (the endpoint before its first release), ArtifactCorrupt if the file
    is not the registered one, is a pickle, or cannot be opened, ModelUnreachable if it cannot be had.
    """
    return load_from(folder_of(package), project=project, bucket=bucket)


def load_served(
    package: str = layer_files.PACKAGE, *, project: str | None = None, bucket: Bucket | None = None
) -> "Model | Experiment":
    """The model in that package, or the models of both arms while entities are assigned: those are in the layer
    (release/arms.py). Raises as `load` does; a model of an arm is loaded, and told to be corrupt, when it is first
    asked for."""
    files = folder_of(package)
    if not (files / layer_files.ARMS).exists():
        return load_from(files, project=project, bucket=bucket)
    # Only here: what is imported is added to each cold start.
    from tidemill.serving.arms import Experiment

    return Experiment(files, project=project)


def folder_of(package: str) -> Path:
    """Where its files lie. Raises ModelNotReady if there is no such package."""
    # `importlib.resources` would do, and be a tenth of the cold start.
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModelNotReady("no model was released to this endpoint yet; upload data, or wait for the run")
    return Path(found.origin).parent


def load_from(files: Path, *, project: str | None = None, bucket: Bucket | None = None) -> Model:
    """The model in that folder, or the one to which that points, which must be of that project, if one is given.
    Raises ArtifactCorrupt, ModelUnreachable."""
    refuse_pickles(files)
    document = _document(_read(files, layer_files.DOCUMENT))
    if project is not None and document["project"] != project:
        raise ArtifactCorrupt(
            f"the model is of project {document['project']!r}, not of {project!r}; release the model again"
        )
    file = file_of(document)
    if (files / file).exists() or not (files / layer_files.POINTER).exists():
        return opened(document, _read(files, file))
    from tidemill.serving import bucket_model  # most models are in their layer

    path = bucket_model.path(files, document, file, bucket)
    with Path(path).open("rb") as fetched:
        _refuse(pickles.found_in(file, fetched))
    return _of(document, path)


def refuse_pickles(files: Path) -> None:
    """Raises ArtifactCorrupt if a file of that folder is named as a pickle."""
    if named := sorted(each.name for each in files.iterdir() if pickles.named(each.name)):
        raise ArtifactCorrupt(f"beside the model lie {named}, which are named as pickles; release the model again")


def _read(files: Path, name: str) -> bytes:
    try:
        return (files / name).read_bytes()
    except FileNotFoundError as error:
        raise ArtifactCorrupt(f"{name} is missing; release the model again") from error


def _refuse(pickle: str | None) -> None:
    if pickle:
        raise ArtifactCorrupt(f"{pickle}; release the model again")


def _document(body: bytes) -> Mapping[str, Any]:
    """`model.json`, with what everything else relies on."""
    _refuse(pickles.found("model.json", body))
    try:
        document = json.loads(body)
        missing = _NEEDED - document.keys()
    except (ValueError, AttributeError) as error:
        raise ArtifactCorrupt(f"model.json cannot be read ({error}); release the model again") from error
    if missing or not isinstance(document["sha256"], dict) or file_of(document) not in document["sha256"]:
        raise ArtifactCorrupt(f"model.json lacks {sorted(missing) or 'a digest'}; release the model again")
    told: Mapping[str, Any] = document
    return told


def opened(document: Mapping[str, Any], body: bytes) -> Model:
    """The model of that `model.json` and its file. Raises ArtifactCorrupt as `load` does."""
    digest, file = hashlib.sha256(body).hexdigest(), file_of(document)
    if digest != document["sha256"][file]:
        raise ArtifactCorrupt(f"{file} has SHA-256 {digest}, not the registered one; release the model again")
    _refuse(pickles.found(file, body))
    return _of(document, body)


def _of(document: Mapping[str, Any], source: bytes | str) -> Model:
    """The model of a file whose digest was checked: of its bytes, or of its path."""
    features = Features(document["features"], document.get("serving"))
    if form_of(document) == SKOPS:
        from tidemill.serving import skops_session

        return Model(document, features, skops_session.session(source, features.inputs(), document))
    from tidemill.serving import onnx_session

    return Model(document, features, onnx_session.session(source, features.inputs()))
