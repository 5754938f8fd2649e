"""A candidate whose ONNX form answers otherwise: refused, or served in its training form if the project wants."""

import importlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemill import canonical, names
from tidemill.errors import ArtifactCorrupt, RequestInvalid
from tidemill.release.register_model import register_model
from tidemill.serving import model as serving_model
from tidemill.serving.endpoint import respond
from tidemill.serving.model import Model, load
from tidemill.training import artifacts, fallback, gates, pipeline
from tidemill.training.plan import read_plan
from tidemill.training.run_trial import part_of

FOLDER = "runs/tides/tides-v00001/"
KINDS = ("binary", "named", "regression")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SEARCH = {"search": {"trials": 1, "algorithms": ["linear"]}}


def mill_of(new_mill: Any, kind: str, seed: int = 1, **changes: Any) -> Any:
    """A mill before its first run, with rows by that seed."""
    if kind == "named":
        mill = new_mill.named(**SEARCH, **changes)
        if seed != 1:
            mill.objects.versions.clear()
            mill.add_version(1, new_mill.rows(300, seed=seed, task="named"))
        return mill
    task = "regression" if kind == "regression" else "classification"
    return new_mill(new_mill.rows(300, seed=seed, task=task), task=task, **SEARCH, **changes)


def fitted(mill: Any) -> Any:
    mill.plan()
    mill.search()
    mill.step("select_best")
    mill.step("fit_final")
    return mill


def disagreeing(new_mill: Any, kind: str = "binary", **changes: Any) -> Any:
    """A mill with a final model whose ONNX form is another one's."""
    mill, other = fitted(mill_of(new_mill, kind, **changes)), fitted(mill_of(new_mill, kind, seed=5))
    foreign = other.objects.get(f"{FOLDER}final/model.onnx")
    final = mill.file("final/final.json")
    final["sha256"]["model.onnx"] = canonical.sha256(foreign)
    mill.objects.put(f"{FOLDER}final/model.onnx", foreign)
    mill.objects.put(f"{FOLDER}final/final.json", json.dumps(final).encode())
    return mill


@pytest.fixture(params=KINDS)
def mill(request: pytest.FixtureRequest, new_mill: Any) -> Any:
    """One with the fallback, that needs it."""
    return disagreeing(new_mill, request.param, serving={"fallback": "skops"})


def holdout(mill: Any) -> dict[str, Any]:
    return part_of(read_plan(mill.objects, "tides", mill.RUN), "holdout", mill.objects)


def test_without_a_fallback_it_is_refused(new_mill: Any) -> None:
    mill = disagreeing(new_mill)
    assert not mill.step("evaluate_candidate")["passed"]
    evaluation = mill.file("evaluation.json")
    assert not {"form", "parity_of_onnx"} & evaluation.keys()
    assert "the ONNX model answers" in evaluation["reason"]


def test_with_one_it_passes_by_the_parity_of_what_is_served(mill: Any) -> None:
    assert mill.step("evaluate_candidate")["passed"]
    evaluation = mill.file("evaluation.json")
    assert evaluation["form"] == evaluation["parity"]["form"] == "skops"
    assert evaluation["parity"]["disagreeing"] == 0
    assert evaluation["parity"]["largest_difference"] < 1e-12
    assert evaluation["parity_of_onnx"]["disagreeing"] > 0
    parity = next(gate for gate in evaluation["gates"] if gate["gate"] == "parity")
    assert parity["verdict"] == gates.PASSED
    assert parity["reason"].startswith("the skops model answers 0 of")


def test_an_onnx_form_that_agrees_is_served_also_with_a_fallback(new_mill: Any) -> None:
    mill = mill_of(new_mill, "binary", serving={"fallback": "skops"})
    assert mill.walk()["passed"]
    assert not {"form", "parity_of_onnx"} & mill.file("evaluation.json").keys()


def test_the_share_that_the_gate_permits_is_no_reason_for_a_fallback(new_mill: Any) -> None:
    project = mill_of(new_mill, "binary", serving={"fallback": "skops"}, gates={"parity": 0.02}).project
    assert not fallback.wanted(project, {"share": 0.02})
    assert fallback.wanted(project, {"share": 0.021})
    assert not fallback.wanted(mill_of(new_mill, "binary").project, {"share": 1.0})


def test_a_fallback_that_answers_otherwise_is_refused_too(mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Model.predict

    def otherwise(self: Model, columns: Any) -> Any:
        return [
            {
                **row,
                **({"prediction": 1e6} if "probability" not in row and "probabilities" not in row else {}),
                **({"probability": 1 - row["probability"]} if "probability" in row else {}),
                **(
                    {"probabilities": {name: 1 - each for name, each in row["probabilities"].items()}}
                    if "probabilities" in row
                    else {}
                ),
            }
            for row in told(self, columns)
        ]

    monkeypatch.setattr(serving_model.Model, "predict", otherwise)
    assert not mill.step("evaluate_candidate")["passed"]
    assert mill.gate("parity")["verdict"] == gates.REFUSED
    assert "the skops model answers" in mill.gate("parity")["reason"]


def test_a_fallback_that_does_not_answer_agrees_on_no_row(mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: Model, columns: Any) -> Any:
        raise RequestInvalid("instances[0]", "the model has no finite answer")

    monkeypatch.setattr(serving_model.Model, "predict", refuses)
    assert not mill.step("evaluate_candidate")["passed"]
    parity = mill.file("evaluation.json")["parity"]
    assert parity["disagreeing"] == parity["rows"]


def test_the_size_that_a_gate_limits_is_that_of_the_served_form(new_mill: Any) -> None:
    mill = disagreeing(new_mill, serving={"fallback": "skops"}, gates={"model_bytes": 1})
    mill.step("evaluate_candidate")
    size = len(mill.objects.get(f"{FOLDER}final/model.skops"))
    assert mill.gate("model_bytes")["value"] == size


def test_a_changed_training_form_is_not_asked(new_mill: Any) -> None:
    mill = fitted(mill_of(new_mill, "binary", serving={"fallback": "skops"}))
    final = mill.file("final/final.json")
    with pytest.raises(ArtifactCorrupt, match=r"model\.skops has SHA-256"):
        fallback.predict(b"changed", holdout(mill), mill.project, final)


@pytest.fixture
def registered(mill: Any) -> Any:
    mill.step("evaluate_candidate")
    mill.step("close_run", state="passed")
    register_model(
        problem=mill.project, run_id=mill.RUN, objects=mill.objects, index=mill.index, clock=lambda: NOW
    )
    return mill


@pytest.fixture
def model(registered: Any, tmp_path: Path) -> Iterator[Model]:
    """The registered bundle, loaded as the endpoint loads it."""
    body = registered.objects.get(names.model("tides", 1) + "bundle.zip")
    zipfile.ZipFile(io.BytesIO(body)).extractall(tmp_path)
    assert not (tmp_path / "python" / "tidemill_model" / "model.onnx").exists()
    sys.path.insert(0, str(tmp_path / "python"))
    importlib.invalidate_caches()
    try:
        yield load()
    finally:
        sys.path.remove(str(tmp_path / "python"))
        sys.modules.pop("tidemill_model", None)


def test_what_is_released_answers_requests_as_the_trained_model(registered: Any, model: Model) -> None:
    rows, project = holdout(registered), registered.project
    final = registered.file("final/final.json")
    body = registered.objects.get(f"{FOLDER}final/model.skops")
    trained = artifacts.load(body, final["sha256"]["model.skops"])
    expected = pipeline.predict(trained, rows, project.inputs(), project.classes)
    instances = [
        {
            "gates": int(rows["gates"][row]),
            "harbour": str(rows["harbour"][row]),
            **({} if np.isnan(rows["level"][row]) else {"level": float(rows["level"][row])}),
            **({"wind": str(rows["wind"][row])} if rows["wind"][row] else {}),
        }
        for row in range(len(expected))
    ]
    told = respond(
        {"instances": instances},
        model=lambda: model,
        request_id="8f5a",
        variant="2",
        at=NOW,
        write=lambda line: None,
    )["predictions"]
    if project.classes:
        found = [[each["probabilities"][name] for name in project.classes] for each in told]
    else:
        found = [each["prediction" if project.task == "regression" else "probability"] for each in told]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
