"""Loading a model: never one that was not registered."""

import hashlib
import io
import json
import pickle
import zipfile
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


def replaced(package: Path, body: bytes, *, told: bool = False) -> None:
    """The model file is another one; with `told` the document names its digest."""
    (package / "model.onnx").write_bytes(body)
    if told:
        change(package, sha256=digest(body))


def test_a_tampered_model_is_refused(deployed: Path) -> None:
    body = (deployed / "model.onnx").read_bytes()
    replaced(deployed, body + b"\x00")
    with pytest.raises(ArtifactCorrupt, match="not the registered one"):
        load(project="tides")


@pytest.mark.parametrize("left", [0, 1, 100])
@pytest.mark.parametrize("file", ["model.onnx", "model.json"])
def test_a_truncated_file_is_refused(deployed: Path, file: str, left: int) -> None:
    (deployed / file).write_bytes((deployed / file).read_bytes()[:left])
    with pytest.raises(ArtifactCorrupt, match=r"not the registered one|cannot be read"):
        load(project="tides")


@pytest.mark.parametrize("file", ["model.onnx", "model.json"])
def test_a_missing_file_is_refused(deployed: Path, file: str) -> None:
    (deployed / file).unlink()
    with pytest.raises(ArtifactCorrupt, match="is missing"):
        load(project="tides")


def test_another_model_s_file_is_refused(deployed: Path, regressor: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(regressor.zipped)) as archive:
        replaced(deployed, archive.read("python/tidemill_model/model.onnx"))
    with pytest.raises(ArtifactCorrupt, match="not the registered one"):
        load(project="tides")


def test_another_project_s_model_is_refused(deployed: Path) -> None:
    assert load(project="tides").document["version"] == 7
    with pytest.raises(ArtifactCorrupt, match="of project 'tides', not of 'wines'"):
        load(project="wines")


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("file", ["model.onnx", "model.json"])
def test_a_pickle_is_refused_before_anything_reads_it(
    deployed: Path, file: str, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = pickle.dumps({"sha256": {}}, protocol)
    (deployed / file).write_bytes(body)
    if file == "model.onnx":
        change(deployed, sha256=digest(body))  # whoever put it there told its digest
        monkeypatch.setattr("tidemill.serving.onnx_session.session", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(ArtifactCorrupt, match=f"{file} is a pickle"):
        load(project="tides")


def test_a_pickle_beside_the_model_is_refused(deployed: Path) -> None:
    (deployed / "weights.pkl").write_bytes(b"")
    with pytest.raises(ArtifactCorrupt, match=r"weights\.pkl"):
        load(project="tides")


@pytest.mark.parametrize("document", ["[]", "null", "{}", '{"project": "tides"}'])
def test_a_document_that_lacks_what_is_needed_is_refused(deployed: Path, document: str) -> None:
    (deployed / "model.json").write_text(document)
    with pytest.raises(ArtifactCorrupt, match=r"model\.json"):
        load(project="tides")


@pytest.mark.parametrize("digests", [None, [], {}])
def test_a_document_without_the_digest_is_refused(deployed: Path, digests: Any) -> None:
    change(deployed, sha256=digests)
    with pytest.raises(ArtifactCorrupt, match="lacks a digest"):
        load(project="tides")
