"""An ONNX model as something that can be asked: onnxruntime's session, held to what the model's document says."""

from collections.abc import Sequence
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as state

from tidemill.errors import ArtifactCorrupt

_UNREADABLE = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented)


def session(source: bytes | str, names: Sequence[str]) -> Any:
    """The session of a model's bytes, or of the file of that name, which takes the inputs `names`. Raises
    ArtifactCorrupt."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a Lambda function of 1 GB has less than one processor
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        made = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except _UNREADABLE as error:
        raise ArtifactCorrupt(f"model.onnx cannot be loaded: {error}") from error
    inputs = [argument.name for argument in made.get_inputs()]
    if sorted(inputs) != sorted(names):
        raise ArtifactCorrupt(f"model.onnx takes {inputs}, model.json says {list(names)}; release the model again")
    return made
