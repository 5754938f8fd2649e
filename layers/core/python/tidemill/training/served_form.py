"""The served form of a model: the pipeline as ONNX, and whether that answers as the pipeline does.

FitFinal converts, EvaluateCandidate checks. The check runs ONNX's reference evaluator, not the runtime that
serves: onnxruntime and scikit-learn together do not fit into one Lambda function. The contract tests hold the
two together.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from tidemill.projects import Column, Project
from tidemill.training import algorithms
from tidemill.training.algorithms.family import ESTIMATOR
from tidemill.training.prepare import Arrays

# The operator sets of ONNX 1.13; later ones bring nothing for these operators.
OPSET: Mapping[str, int] = {"": 18, "ai.onnx.ml": 3}
TOLERANCE = 1e-4


def convert(pipeline: Pipeline, project: Project) -> bytes:
    """The pipeline as an ONNX model: one input [n, 1] per feature, float32 or string; output `probabilities` [n,
    2] or `variable` [n, 1]. Equal pipelines give equal bytes."""
    columns = project.feature_columns()
    options = (
        {id(pipeline.named_steps[ESTIMATOR]): {"zipmap": False}} if project.task == "classification" else None
    )
    algorithms.register_converters()
    model = convert_sklearn(
        pipeline,
        name=project.name,
        initial_types=[(name, _tensor(column)) for name, column in columns.items()],
        target_opset=dict(OPSET),
        options=options,
    )
    model.producer_name, model.producer_version, model.domain = "tidemill", "", ""
    # The converter collects the operator sets in a `set`, whose order changes from process to process.
    used = sorted(model.opset_import, key=lambda each: each.domain)
    del model.opset_import[:]
    model.opset_import.extend(used)
    body: bytes = model.SerializeToString(deterministic=True)
    return body


def _tensor(column: Column) -> Any:
    return (FloatTensorType if column.type.numeric else StringTensorType)([None, 1])


def predict(body: bytes, arrays: Arrays, project: Project) -> NDArray[np.float64]:
    """What the served form answers, by the reference evaluator: per row the probability of class 1, or the value;
    shape [n]. Meant for some hundred rows: trees are walked in Python."""
    inputs = {
        name: arrays[name].astype(np.float32 if column.type.numeric else object).reshape(-1, 1)
        for name, column in project.feature_columns().items()
    }
    output = "probabilities" if project.task == "classification" else "variable"
    answers: Any = ReferenceEvaluator(onnx.load_from_string(body)).run([output], inputs)
    rows: NDArray[np.float64] = np.asarray(answers[0], dtype=np.float64)
    return rows.reshape(len(rows), -1)[:, -1]


def parity(
    served: NDArray[Any], trained: NDArray[Any], *, threshold: float | None, scale: float
) -> dict[str, Any]:
    """How far two sets of answers to the same rows agree (shape [n] each). A row disagrees if the answers are
    further apart than TOLERANCE (of 1 for probabilities; of `scale`, the spread of the target, for values), or
    if they fall on different sides of the threshold."""
    distance = np.nan_to_num(np.abs(served - trained), nan=np.finfo(np.float64).max)
    tolerance = TOLERANCE if threshold is not None else TOLERANCE * scale
    apart = distance > tolerance
    if threshold is not None:
        apart |= (served >= threshold) != (trained >= threshold)
    return {
        "rows": len(served),
        "disagreeing": int(apart.sum()),
        "share": float(apart.mean()),
        "largest_difference": float(distance.max()),
        "tolerance": tolerance,
    }
