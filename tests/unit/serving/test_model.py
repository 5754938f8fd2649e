"""Loading a model: never one that was not registered."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.errors import ArtifactCorrupt, ModelNotReady
from tidemill.serving.model import load


def change(package: Path, **changes: Any) -> None:
    path = package / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def digest(body: bytes) -> dict[str, str]:
    return {"model.onnx": hashlib.sha256(body).hexdigest()}


def test_the_registered_model_is_loaded(deployed: Path) -> None:
    assert load().document["version"] == 7


def test_an_endpoint_without_a_model_is_not_ready() -> None:
    with pytest.raises(ModelNotReady, match="upload data"):
        load("tidemill_model_that_nobody_released")


def test_a_changed_byte_is_found(deployed: Path) -> None:
    body = bytearray((deployed / "model.onnx").read_bytes())
    body[len(body) // 2] ^= 1
    (deployed / "model.onnx").write_bytes(bytes(body))
    with pytest.raises(ArtifactCorrupt, match="not the registered one"):
        load()


def test_a_file_that_is_no_model_is_corrupt(deployed: Path) -> None:
    (deployed / "model.onnx").write_bytes(b"not a model")
    change(deployed, sha256=digest(b"not a model"))
    with pytest.raises(ArtifactCorrupt, match="cannot be loaded"):
        load()


def test_a_model_with_other_inputs_than_its_document_is_corrupt(deployed: Path) -> None:
    document = json.loads((deployed / "model.json").read_text())
    change(deployed, features=document["features"][:-1])
    with pytest.raises(ArtifactCorrupt, match=r"model\.onnx takes"):
        load()
