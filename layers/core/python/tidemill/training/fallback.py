"""Which form of a candidate is served: ONNX, or, where that answers otherwise and the project has a fallback, the
training form itself.

EvaluateCandidate asks. The answers of the fallback are those of `serving/model.py`, which the endpoint's handler
calls once a request is checked. Not of whole requests: the held-out rows have single precision and the parts of
times, and a request with a value rounded past its bound would be refused.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import RequestInvalid
from tidemill.projects import Project
from tidemill.serving import model as served
from tidemill.serving.forms import SKOPS
from tidemill.training.prepare import Arrays


def wanted(project: Project, parity: Mapping[str, Any]) -> bool:
    """Whether the ONNX form disagrees by more than the gate permits, and the project then takes the training
    form."""
    return project.serving.fallback == SKOPS and parity["share"] > project.gates.parity


def predict(body: bytes, rows: Arrays, project: Project, final: Mapping[str, Any]) -> NDArray[np.float64]:
    """What the endpoint answers from `model.skops`, shape [n], or [n, K] of named classes; NaN in all rows if it
    refuses to answer. `final` is `final.json`. Raises ArtifactCorrupt."""
    count = len(rows[project.target])
    try:
        told = served.opened({**final, "form": SKOPS}, body).predict(_columns(rows, project))
    except RequestInvalid:
        return np.full((count, len(project.classes)) if project.classes else count, np.nan)
    if project.classes:
        return np.array([[row["probabilities"][name] for name in project.classes] for row in told])
    field = "prediction" if project.task == "regression" else "probability"
    return np.array([row[field] for row in told], dtype=np.float64)


def _columns(rows: Arrays, project: Project) -> dict[str, Any]:
    """The inputs as `serving.instances.Features.columns` gives them."""
    return {
        name: rows[name].astype(np.float32 if column.type.numeric else object).reshape(-1, 1)
        for name, column in project.inputs().items()
    }
