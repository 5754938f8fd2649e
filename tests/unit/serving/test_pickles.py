"""Pickles are known by name, mark and opcodes, and what is none is left alone."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from tests.unit.serving.conftest import Trained
from tidemill.serving import pickles

VALUES = [{"weights": [1.0, 2.0]}, [1, "two", None], ("a",), "text", 1.5, b"x" * 300, Exception("boo")]


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("tail", [b"", b"and more"])
def test_a_pickle_of_any_protocol_is_found(value: object, protocol: int, tail: bytes) -> None:
    assert "pickle" in (pickles.found("model.onnx", pickle.dumps(value, protocol) + tail) or "")


def test_a_pickle_without_its_mark_is_found() -> None:
    assert pickles.found("model.onnx", pickle.dumps(VALUES[0], 3)[2:]) == "model.onnx is a pickle"


@pytest.mark.parametrize("name", ["model.pkl", "MODEL.PICKLE", "a/model.joblib", "model.pt", "m.dill"])
def test_a_name_is_enough(name: str) -> None:
    assert pickles.found(name, b"") == f"{name} is named as a pickle"


def test_archives_are_looked_into() -> None:
    inner = zipped(**{"data": pickle.dumps({}, 2)})
    assert pickles.found("m.skops", zipped(a=b"{}", b=inner)) == "m.skops: b: data is a pickle of protocol 2"
    assert pickles.found("m.skops", zipped(**{"x.pkl": b"{}"})) == "m.skops: x.pkl is named as a pickle"
    assert pickles.found("m.skops", zipped(a=b"{}", b=saved(np.zeros(3)))) is None


def test_archives_in_archives_end_somewhere() -> None:
    body = zipped(a=b"{}")
    for _ in range(3):
        body = zipped(a=body)
    assert "deeper than can be looked into" in (pickles.found("m", body) or "")


def test_an_archive_that_was_cut_off_is_not_trusted() -> None:
    assert "cannot be read" in (pickles.found("m.skops", zipped(a=b"{}" * 50)[:-10]) or "")


def test_an_array_of_objects_is_an_array_of_pickles() -> None:
    assert pickles.found("a.npy", saved(np.array([{}, 1], dtype=object))) == "a.npy is an array of pickles"
    assert pickles.found("a.npy", saved(np.array(["one"]))) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'"""doc"""', b"not a model", b"tree\nversion=v4\nnum_class=1\n.", b"\x80", b"\x80\x01.", b"."],
)
def test_what_is_no_pickle_is_left_alone(body: bytes) -> None:
    assert pickles.found("file", body) is None


def test_real_models_are_none(classifier: Trained, regressor: Trained) -> None:
    for trained in (classifier, regressor):
        assert pickles.found("bundle.zip", trained.zipped) is None
