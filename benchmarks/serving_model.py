"""The model that everybody serves: a logistic regression on the columns of project flights, fitted on drawn rows.

Tidemill gets it as a release makes it (ONNX in its bundle), the peers as scikit-learn's pipeline.
"""

import io
import json
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infra.project_files import folder, read_one
from tidemill import canonical
from tidemill.projects import Column, Project
from tidemill.projects.features import described
from tidemill.release import bundle
from tidemill.training import artifacts, pipeline, served_form
from tidemill.training.prepare import Arrays

ROWS = 5000
CARRIERS = ("9E", "AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
SPREAD = 100.0


@dataclass(frozen=True)
class Served:
    """Where the model lies in each form, and the row that everybody is asked."""

    package: Path
    """The folder that holds `tidemill_model`."""
    trained: Path
    """The same of the model in its training form."""
    pickled: Path
    row: dict[str, Any]
    probability: float
    """What scikit-learn says of the row."""


def make(work: Path) -> Served:
    project = read_one(folder() / "flights.yaml")
    random = np.random.default_rng(20261125)
    arrays: Arrays = {name: _values(column, random) for name, column in project.feature_columns().items()}
    signal = arrays["departure_delay"] / 50 + (arrays["carrier"] == "EV") + random.normal(size=ROWS)
    arrays[project.target] = (signal > 1).astype(float)
    model = pipeline.fit("linear", {}, arrays, project=project, seed=1)
    pickled = work / "pipeline.pickle"
    pickled.write_bytes(pickle.dumps(model))
    _unpack(project, "onnx", served_form.convert(model, project), work)
    _unpack(project, "skops", artifacts.save(model), work / "trained")
    row = {name: array[0].item() for name, array in arrays.items() if name != project.target}
    row |= {name: int(row[name]) for name in row if project.columns[name].type == "integer"}
    one = {name: array[:1] for name, array in arrays.items()}
    answer = float(pipeline.predict(model, one, project.inputs())[0])
    return Served(work / "python", work / "trained" / "python", pickled, row, answer)


def _values(column: Column, random: np.random.Generator) -> Any:
    if not column.type.numeric:
        return random.choice([str(name) for name in column.allowed or CARRIERS], ROWS)
    low = column.minimum or 0.0
    high = min(column.maximum or SPREAD, low + 3 * SPREAD)
    drawn = random.uniform(low, high, ROWS)
    return (np.round(drawn) if column.type == "integer" else drawn).astype(np.float32)


def _unpack(project: Project, form: str, body: bytes, work: Path) -> None:
    """The layer of a model version, as RegisterModel packs it and Lambda unpacks it."""
    document = {
        "project": project.name,
        "version": 1,
        "task": project.task,
        "features": described(project),
        "threshold": project.threshold,
        "form": form,
        "sha256": {f"model.{form}": canonical.sha256(body)},
        "max_instances": project.max_instances,
    }
    zipped = bundle.build({f"model.{form}": body, "model.json": json.dumps(document).encode()})
    zipfile.ZipFile(io.BytesIO(zipped)).extractall(work)
