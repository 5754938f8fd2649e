"""A model that is served in its training form: the same contract as ONNX, from a file that is data alone."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from tests.unit.serving.conftest import Trained, files_of, loaded, model_json
from tidemill import canonical
from tidemill.errors import ArtifactCorrupt
from tidemill.release import bundle
from tidemill.serving.endpoint import respond
from tidemill.serving.model import Model, load_from, opened
from tidemill.training import artifacts

TASKS = {"classifier": "classification", "regressor": "regression", "named_classifier": "named"}


def as_skops(trained: Trained, task: str, **document: Any) -> Trained:
    """The same model, to be served in its training form."""
    body = artifacts.save(trained.pipeline)
    types = artifacts.extras(body)
    told = {**model_json(task, b""), "form": "skops", "sha256": {"model.skops": canonical.sha256(body)}}
    told |= {"types": types, **document}
    return replace(trained, zipped=bundle.build({"model.skops": body, "model.json": json.dumps(told).encode()}))


def answer(model: Model, instances: list[dict[str, Any]]) -> Any:
    return respond(
        {"instances": instances},
        model=lambda: model,
        request_id="8f5a",
        variant="12",
        at=datetime(2026, 3, 2, tzinfo=UTC),
        write=lambda line: None,
    )


@pytest.mark.parametrize("name", TASKS)
def test_it_answers_as_the_trained_model_and_in_the_form_of_onnx(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    trained, task = request.getfixturevalue(name), TASKS[name]
    onnx = loaded(trained, tmp_path / "onnx")
    skops = loaded(as_skops(trained, task), tmp_path / "skops")
    told, expected = answer(skops, trained.rows), answer(onnx, trained.rows)
    assert told.keys() == expected.keys()
    for one, other in zip(told["predictions"], expected["predictions"], strict=True):
        assert one.keys() == other.keys()
        assert {key: type(value) for key, value in one.items()} == {k: type(v) for k, v in other.items()}
    if task == "named":
        found = [list(row["probabilities"].values()) for row in told["predictions"]]
        np.testing.assert_array_equal(found, trained.pipeline.predict_proba(trained.frame))
    elif task == "regression":
        found = [row["prediction"] for row in told["predictions"]]
        np.testing.assert_array_equal(found, trained.pipeline.predict(trained.frame))
    else:
        found = [row["probability"] for row in told["predictions"]]
        np.testing.assert_array_equal(found, trained.pipeline.predict_proba(trained.frame)[:, 1])
        assert [row["prediction"] for row in told["predictions"]] == [int(value >= 0.4) for value in found]


def test_a_request_is_refused_alike(classifier: Trained, model: Model, tmp_path: Path) -> None:
    skops = loaded(as_skops(classifier, "classification"), tmp_path)
    wrong = [{"delay": "late", "carrier": "UA", "more": 1}]
    assert answer(skops, wrong) == answer(model, wrong)
    assert answer(skops, wrong)["status"] == 422


@pytest.fixture
def skops(classifier: Trained) -> dict[str, bytes]:
    return files_of(as_skops(classifier, "classification"))


def open_it(files: dict[str, bytes], **document: Any) -> Model:
    return opened({**json.loads(files["model.json"]), **document}, files["model.skops"])


def test_a_changed_file_is_not_loaded(skops: dict[str, bytes]) -> None:
    body = skops["model.skops"]
    with pytest.raises(ArtifactCorrupt, match=r"model\.skops has SHA-256"):
        open_it({**skops, "model.skops": body[:-1] + bytes([body[-1] ^ 1])})


def replaced(body: bytes, old: str, new: str) -> bytes:
    """The file with other types in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, text.replace(old.encode(), new.encode()) if name == "schema.json" else text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"__module__": "sklearn.linear_model._logistic"', '"__module__": "os"', "os.LogisticRegression"),
        ('"ObjectNode"', '"ReduceNode"', "ReduceNode"),
        ('"ObjectNode"', '"FunctionNode"', "FunctionNode"),
    ],
)
def test_a_file_with_forbidden_types_is_refused_with_their_names(
    skops: dict[str, bytes], old: str, new: str, named: str
) -> None:
    body = replaced(skops["model.skops"], old, new)
    with pytest.raises(ArtifactCorrupt, match=named):
        open_it({**skops, "model.skops": body}, sha256={"model.skops": canonical.sha256(body)})


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"\x80\x04\x95pickle"], ids=["empty", "cut", "pickle"])
def test_what_is_no_skops_file_is_refused(skops: dict[str, bytes], body: bytes) -> None:
    with pytest.raises(ArtifactCorrupt, match=r"not a skops file|archive that cannot be read|is a pickle"):
        open_it({**skops, "model.skops": body}, sha256={"model.skops": canonical.sha256(body)})


def test_a_document_of_other_inputs_is_refused(skops: dict[str, bytes]) -> None:
    features = json.loads(skops["model.json"])["features"]
    with pytest.raises(ArtifactCorrupt, match=r"model\.skops takes"):
        open_it(skops, features=features[:-1])
    with pytest.raises(ArtifactCorrupt, match=r"model\.skops takes"):
        open_it(skops, features=features[::-1])


@pytest.mark.parametrize("form", ["pickle", "joblib", "", None])
def test_a_form_that_no_endpoint_opens_is_refused(skops: dict[str, bytes], form: Any) -> None:
    with pytest.raises(ArtifactCorrupt, match="endpoints open"):
        open_it(skops, form=form)


def test_texts_reach_the_pipeline_as_they_were_fitted(classifier: Trained, tmp_path: Path) -> None:
    seen: list[Any] = []

    class Watching(Pipeline):
        def predict_proba(self, frame: Any) -> Any:
            seen.append(frame)
            return super().predict_proba(frame)

    from tidemill.serving.skops_session import Session

    model = loaded(as_skops(classifier, "classification"), tmp_path)
    watched = Watching(classifier.pipeline.steps)
    answer(replace(model, session=Session(watched, model.features.inputs())), classifier.rows)
    (frame,) = seen
    assert [str(kind) for kind in frame.dtypes] == ["float32"] * 3 + ["str"] * 2


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Trained], Path]]:
    import sys

    def deployed(trained: Trained) -> Path:
        zipfile.ZipFile(io.BytesIO(trained.zipped)).extractall(tmp_path)
        monkeypatch.syspath_prepend(tmp_path / "python")
        return tmp_path / "python" / "tidemill_model"

    yield deployed
    sys.modules.pop("tidemill_model", None)


def test_from_the_bucket_too(
    classifier: Trained, deploy: Callable[[Trained], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidemill.adapters.memory import MemoryObjects
    from tidemill.serving import bucket_model
    from tidemill.serving.model import load

    layer = deploy(as_skops(classifier, "classification"))
    body = (layer / "model.skops").read_bytes()
    (layer / "model.skops").unlink()
    pointer = {"key": "k", "version_id": "1", "sha256": canonical.sha256(body), "bytes": len(body)}
    (layer / "pointer.json").write_text(json.dumps(pointer))
    objects = MemoryObjects()
    objects.put("k", body)
    monkeypatch.setattr(bucket_model.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    assert "predictions" in answer(load(bucket=lambda: objects), classifier.rows)


def layer(folder: Path, document: dict[str, Any], body: bytes) -> Path:
    folder.joinpath("model.json").write_bytes(canonical.dumps(document))
    folder.joinpath("model.skops").write_bytes(body)
    return folder


def test_a_pickle_in_a_skops_file_is_refused_before_anything_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("weights", pickle.dumps({"a": 1}))
    body = buffer.getvalue()
    told = {
        **model_json("classification", b""),
        "form": "skops",
        "sha256": {"model.skops": canonical.sha256(body)},
    }
    monkeypatch.setattr("tidemill.serving.skops_session.session", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ArtifactCorrupt, match=r"model\.skops: weights is a pickle"):
        load_from(layer(tmp_path, told, body))


def test_the_digest_that_is_needed_is_that_of_the_file_that_is_served(tmp_path: Path) -> None:
    told = {**model_json("classification", b""), "form": "skops", "sha256": {"model.onnx": "0" * 64}}
    with pytest.raises(ArtifactCorrupt, match="lacks a digest"):
        load_from(layer(tmp_path, told, b"x"))
