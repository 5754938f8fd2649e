"""The trained pipeline as bytes: what comes back, and what is refused."""

import io
import json
import operator
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tidemill import canonical
from tidemill.errors import ArtifactCorrupt
from tidemill.training import artifacts, pipeline, prepare

ROOT = Path(__file__).resolve().parents[3]
POINTS = {
    "linear": {},
    "gradient_boosting": {"max_iter": 5},
    "lightgbm": {"n_estimators": 5},
    "random_forest": {"max_leaf_nodes": 16},
    "elastic_net": {"l1_ratio": 0.5},
    "extra_trees": {"max_leaf_nodes": 16},
}


def train(mill: Any) -> prepare.Arrays:
    mill.plan()
    return prepare.load(mill.objects.get("runs/tides/tides-v00001/prepared/train.npz"))


def load(body: bytes) -> Any:
    return artifacts.load(body, canonical.sha256(body))


@pytest.mark.parametrize("task", ["classification", "named", "regression"])
@pytest.mark.parametrize("algorithm", POINTS)
def test_a_model_comes_back_as_it_was(new_mill: Any, algorithm: str, task: str) -> None:
    mill = new_mill.named() if task == "named" else new_mill(task=task)
    arrays = train(mill)
    model = pipeline.fit(algorithm, POINTS[algorithm], arrays, project=mill.project, seed=1)
    body = artifacts.save(model)
    again = load(body)
    asked = (arrays, mill.project.inputs(), mill.project.classes)
    np.testing.assert_array_equal(pipeline.predict(again, *asked), pipeline.predict(model, *asked))


def test_memory_that_nobody_wrote_is_not_in_the_file(mill: Any) -> None:
    model = pipeline.fit("random_forest", {"max_leaf_nodes": 8}, train(mill), project=mill.project, seed=1)
    before = artifacts.save(model)
    state = model["estimator"].estimators_[0].tree_.__getstate__()
    nodes = state["nodes"].copy()
    nodes.view(np.uint8).reshape(len(nodes), -1)[:, 57:] = 170  # behind the last field, which is one byte
    model["estimator"].estimators_[0].tree_.__setstate__({**state, "nodes": nodes})
    assert artifacts.save(model) == before


def test_a_changed_file_is_refused_before_it_is_read(mill: Any) -> None:
    body = artifacts.save(pipeline.fit("linear", {}, train(mill), project=mill.project, seed=1))
    tampered = body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(ArtifactCorrupt, match=r"SHA-256 .*; restore it or train again"):
        artifacts.load(tampered, canonical.sha256(body))


@pytest.mark.parametrize("body", [b"", b"\x80\x04pickle", b"PK\x05\x06" + bytes(18)])
def test_what_is_not_a_skops_file_is_refused(body: bytes) -> None:
    with pytest.raises(ArtifactCorrupt, match="not a skops file"):
        load(body)


def foreign_models() -> list[tuple[Any, str]]:
    return [
        (SGDClassifier().fit([[0.0], [1.0]], [0, 1]), "SGDClassifier"),
        (Pipeline([("f", FunctionTransformer(np.log1p)), ("m", LogisticRegression())]), "log1p"),
        (Pipeline([("f", FunctionTransformer(json.dumps))]), "json"),
        (Pipeline([("f", FunctionTransformer(operator.methodcaller("mean")))]), "OperatorFuncNode"),
        (Path("/etc/passwd"), "pathlib"),
    ]


@pytest.mark.parametrize(("model", "name"), foreign_models(), ids=lambda value: str(value)[:20])
def test_a_type_that_no_model_of_ours_has_is_refused_even_if_skops_trusts_it(model: Any, name: str) -> None:
    with pytest.raises(ArtifactCorrupt, match=name):
        load(skops.io.dumps(model))


def test_a_loader_that_calls_by_name_is_refused_whatever_type_it_claims_to_make(mill: Any) -> None:
    body = artifacts.save(pipeline.fit("linear", {}, train(mill), project=mill.project, seed=1))
    disguised = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as archive, zipfile.ZipFile(disguised, "w") as target:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                schema["content"]["__loader__"] = "MethodNode"
                content = json.dumps(schema).encode()
            target.writestr(name, content)
    with pytest.raises(ArtifactCorrupt, match="MethodNode"):
        load(disguised.getvalue())


SCRIPT = """
import sys
from tidemill import canonical, projects
from tidemill.training import artifacts, pipeline, prepare, served_form
project = projects.parse({document!r})
arrays = prepare.load(open(sys.argv[1], "rb").read())
for algorithm, point in {points!r}.items():
    model = pipeline.fit(algorithm, point, arrays, project=project, seed=1)
    print(canonical.sha256(artifacts.save(model)), canonical.sha256(served_form.convert(model, project)))
"""


@pytest.mark.parametrize("target", ["0 and 1", "named"])
def test_another_process_writes_the_same_bytes(new_mill: Any, target: str, tmp_path: Path) -> None:
    mill = new_mill.named() if target == "named" else new_mill()
    arrays = train(mill)
    rows = tmp_path / "train.npz"
    rows.write_bytes(prepare.dump(arrays))
    script = SCRIPT.format(document=mill.project.model_dump(mode="json"), points=POINTS)
    printed = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(rows)],
            env={
                "PYTHONPATH": str(ROOT / "layers/core/python"),
                "OMP_NUM_THREADS": "1",
                "PYTHONHASHSEED": str(seed),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(printed) == 1
    assert printed.pop().count("\n") == len(POINTS)
