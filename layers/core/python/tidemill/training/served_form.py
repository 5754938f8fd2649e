"""The served form of a model: the pipeline as ONNX, and whether that answers as the pipeline does.

FitFinal converts, EvaluateCandidate checks. The check runs ONNX's reference evaluator, not the runtime that
serves: onnxruntime and scikit-learn together do not fit into one Lambda function. The contract tests hold the
two together.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from tidemill.projects import Column, Project
from tidemill.projects.inputs import identifier
from tidemill.training import algorithms, outputs
from tidemill.training.calibration import CERTAIN, Calibrated, Model
from tidemill.training.prepare import Arrays

# The operator sets of ONNX 1.13; later ones bring nothing for these operators.
OPSET: Mapping[str, int] = {"": 18, "ai.onnx.ml": 3}
TOLERANCE = 1e-4
PROBABILITIES = "probabilities"


def convert(trained: Model, project: Project) -> bytes:
    """The pipeline as an ONNX model: one input [n, 1] for each of `Project.inputs`, float32 or string; output
    `probabilities` [n, 2], or [n, K] of named classes, or `variable` [n, 1]. Equal pipelines give equal bytes."""
    columns = project.inputs()
    pipeline = trained.pipeline if isinstance(trained, Calibrated) else trained
    options = {id(pipeline[-1]): {"zipmap": False}} if project.task == "classification" else None
    algorithms.register_converters()
    model = convert_sklearn(
        pipeline,
        name=project.name,
        initial_types=[(name, _tensor(column)) for name, column in columns.items()],
        target_opset=dict(OPSET),
        options=options,
    )
    _name_inputs(model, columns)
    if isinstance(trained, Calibrated):
        _calibrate(model, trained)
    model.producer_name, model.producer_version, model.domain = "tidemill", "", ""
    # The converter collects the operator sets in a `set`, whose order changes from process to process.
    used = sorted(model.opset_import, key=lambda each: each.domain)
    del model.opset_import[:]
    model.opset_import.extend(used)
    body: bytes = model.SerializeToString(deterministic=True)
    return body


def _calibrate(model: Any, trained: Calibrated) -> None:
    """Let the map of the probabilities follow. The label, which is that of the largest of them before, is not
    answered any more."""
    graph = model.graph
    named = _unused(graph)
    raw = named("uncalibrated")
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [raw if name == PROBABILITIES else name for name in names]
    bounds = {"low": CERTAIN, "high": 1 - CERTAIN}
    constants: dict[str, Any] = {**bounds, "slope": trained.slope, "intercepts": trained.intercepts}
    places = {name: named(name) for name in constants}
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, dtype=np.float32), places[name])
        for name, value in constants.items()
    )
    taken = raw
    for operator, others, output in (
        ("Clip", ("low", "high"), named("clipped")),
        ("Log", (), named("logarithms")),
        ("Mul", ("slope",), named("scaled")),
        ("Add", ("intercepts",), named("scores")),
        ("Softmax", (), PROBABILITIES),
    ):
        inputs = [taken, *(places[name] for name in others)]
        axis: dict[str, Any] = {"axis": 1} if operator == "Softmax" else {}
        graph.node.append(helper.make_node(operator, inputs, [output], named(operator), **axis))
        taken = output
    kept = [each for each in graph.output if each.name == PROBABILITIES]
    del graph.output[:]
    graph.output.extend(kept)


def _unused(graph: Any) -> Callable[[str], str]:
    """Gives names that nothing in the graph has, each once: a feature may be called anything."""
    used = {each.name for each in (*graph.input, *graph.initializer, *graph.node)}
    used |= {name for node in graph.node for name in (*node.input, *node.output)}

    def named(wanted: str) -> str:
        name = f"calibration/{wanted}"
        while name in used:
            name += "_"
        used.add(name)
        return name

    return named


def _name_inputs(model: Any, names: Iterable[str]) -> None:
    """Give the inputs their own names back, of which the converter made identifiers."""
    made = {identifier(name): name for name in names}
    for given in model.graph.input:
        given.name = made.get(given.name, given.name)
    for node in model.graph.node:
        for place, taken in enumerate(node.input):
            node.input[place] = made.get(taken, taken)


def _tensor(column: Column) -> Any:
    return (FloatTensorType if column.type.numeric else StringTensorType)([None, 1])


def predict(body: bytes, arrays: Arrays, project: Project) -> NDArray[np.float64]:
    """What the served form answers, by the reference evaluator, as `pipeline.predict` gives it. Meant for some
    hundred rows: trees are walked in Python."""
    inputs = {
        name: arrays[name].astype(np.float32 if column.type.numeric else object).reshape(-1, 1)
        for name, column in project.inputs().items()
    }
    output = PROBABILITIES if project.task == "classification" else "variable"
    (found,) = ReferenceEvaluator(onnx.load_from_string(body)).run([output], inputs)
    return outputs.taken(np.asarray(found), project.classes)


def parity(
    served: NDArray[Any], trained: NDArray[Any], *, threshold: float | None, scale: float
) -> dict[str, Any]:
    """How far two sets of answers to the same rows agree (shape [n], or [n, K] of named classes, each). A row
    disagrees if the answers are further apart than TOLERANCE (of 1 for probabilities, each of them; of `scale`,
    the spread of the target, for values), or if they decide for different classes."""
    distance = outputs.apart(served, trained)
    classification = threshold is not None or outputs.named(trained)
    tolerance = TOLERANCE if classification else TOLERANCE * scale
    apart = distance > tolerance
    if classification:
        apart |= outputs.decided(served, threshold) != outputs.decided(trained, threshold)
    return {
        "rows": len(served),
        "disagreeing": int(apart.sum()),
        "share": float(apart.mean()),
        "largest_difference": float(distance.max()),
        "tolerance": tolerance,
    }
