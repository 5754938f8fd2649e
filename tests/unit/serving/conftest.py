"""A real model for the serving tests: a scikit-learn pipeline on strings and numbers, as ONNX, in its bundle."""

import hashlib
import importlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.unit.serving.gateway import Gateway, function
from tests.unit.serving.harbour import Harbour
from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.errors import ProjectUnknown
from tidemill.ports import Put
from tidemill.release import bundle
from tidemill.serving.model import Model, load

FEATURES = [
    {"name": "delay", "type": "number", "nullable": False, "minimum": -60, "maximum": 1440},
    {"name": "stops", "type": "integer", "nullable": True, "minimum": 0},
    {"name": "wind", "type": "number", "nullable": True},
    {"name": "carrier", "type": "category", "nullable": False, "allowed": ["AA", "B6", "UA"]},
    {"name": "gate", "type": "category", "nullable": True},
]
NUMBERS = [feature["name"] for feature in FEATURES if feature["type"] != "category"]
CATEGORIES = [feature["name"] for feature in FEATURES if feature["type"] == "category"]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline with its bundle, and rows that it was not fitted on (nullable values missing in some)."""

    pipeline: Any
    rows: list[dict[str, Any]]
    frame: pd.DataFrame
    zipped: bytes


def frame(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "delay": rng.uniform(-30, 300, rows).astype(np.float32),
            "stops": rng.integers(0, 4, rows).astype(np.float32),
            "wind": rng.normal(10, 5, rows).astype(np.float32),
            "carrier": rng.choice(["AA", "B6", "UA"], rows).astype(object),
            "gate": rng.choice(["A1", "B2", ""], rows).astype(object),
        }
    )
    table.loc[rng.random(rows) < 0.2, ["stops", "wind"]] = np.nan
    return table


CLASSES = ["slack", "flood", "ebb"]


def model_json(task: str, body: bytes, version: int = 7) -> dict[str, Any]:
    named, task = task == "named", "regression" if task == "regression" else "classification"
    return {
        **({"classes": CLASSES} if named else {}),
        "project": "tides",
        "version": version,
        "identity": "f" * 64,
        "task": task,
        "run_id": "tides-v00003",
        "dataset_version": 3,
        "features": FEATURES,
        "threshold": 0.4 if task == "classification" and not named else None,
        "sha256": {"model.onnx": hashlib.sha256(body).hexdigest()},
        "max_instances": 300,
    }


def train(task: str, *, seed: int = 1, version: int = 7) -> Trained:
    table = frame(400, seed=seed)
    signal = table["delay"] / 100 + (table["carrier"] == "B6") - table["wind"].fillna(10) / 20
    prepared = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
    )
    if task != "regression":
        cuts = signal.quantile([0.5] if task == "classification" else [0.3, 0.7])
        pipeline = make_pipeline(prepared, LogisticRegression()).fit(table, np.searchsorted(cuts, signal))
        options = {id(pipeline): {"zipmap": False}}
    else:
        pipeline = make_pipeline(prepared, LinearRegression()).fit(table, signal.to_numpy())
        options = None
    kinds = {**dict.fromkeys(NUMBERS, FloatTensorType), **dict.fromkeys(CATEGORIES, StringTensorType)}
    inputs = [(feature["name"], kinds[feature["name"]]([None, 1])) for feature in FEATURES]
    body = to_onnx(pipeline, initial_types=inputs, options=options).SerializeToString()
    zipped = bundle.build({"model.onnx": body, "model.json": json.dumps(model_json(task, body, version)).encode()})
    fresh = frame(60, seed=2)
    rows = [
        {name: value for name, value in row.items() if value == value and value != ""}
        for row in fresh.astype(object).to_dict("records")
    ]
    return Trained(pipeline, rows, fresh, zipped)


@pytest.fixture(scope="session")
def classifier() -> Trained:
    return train("classification")


@pytest.fixture(scope="session")
def later_classifier() -> Trained:
    """A challenger of `classifier`: its own rows, model version 8."""
    return train("classification", seed=3, version=8)


@pytest.fixture(scope="session")
def regressor() -> Trained:
    return train("regression")


@pytest.fixture(scope="session")
def named_classifier() -> Trained:
    """Its model answers with one of CLASSES."""
    return train("named")


def unpacked(trained: Trained, folder: Path) -> Path:
    """The bundle as Lambda lays it out; the folder to put on the path."""
    zipfile.ZipFile(io.BytesIO(trained.zipped)).extractall(folder)
    return folder / "python"


@pytest.fixture(scope="session")
def model(classifier: Trained, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(classifier, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def regression_model(regressor: Trained, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(regressor, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def named_model(named_classifier: Trained, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(named_classifier, tmp_path_factory.mktemp("bundle"))


def loaded(trained: Trained, folder: Path) -> Model:
    path = str(unpacked(trained, folder))
    sys.path.insert(0, path)
    importlib.invalidate_caches()
    try:
        return load()
    finally:
        sys.path.remove(path)
        sys.modules.pop("tidemill_model", None)


@pytest.fixture
def deployed(classifier: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The bundle on the path, as in a function version with the layer; the folder of its package."""
    path = unpacked(classifier, tmp_path)
    monkeypatch.syspath_prepend(path)
    yield path / "tidemill_model"
    sys.modules.pop("tidemill_model", None)


def files_of(trained: Trained) -> dict[str, bytes]:
    """`model.json` and `model.onnx` as registered."""
    with zipfile.ZipFile(io.BytesIO(trained.zipped)) as zipped:
        return {Path(name).name: zipped.read(name) for name in zipped.namelist() if "/model." in name}


@pytest.fixture
def harbour(classifier: Trained) -> Harbour:
    """A deployment whose champion is the classifier."""
    return Harbour(files_of(classifier))


@pytest.fixture
def problem() -> projects.Project:
    """The project file of the model."""
    columns = {
        feature["name"]: {name: rule for name, rule in feature.items() if name != "name"} for feature in FEATURES
    }
    return projects.parse(
        {
            "name": "tides",
            "description": "Will the tide be high?",
            "task": "classification",
            "target": "high",
            "columns": {**columns, "high": {"type": "integer"}},
            "features": list(columns),
            "max_instances": 300,
        }
    )


@pytest.fixture
def model_document(deployed: Path) -> dict[str, Any]:
    """Its `model.json`."""
    found: dict[str, Any] = json.loads((deployed / "model.json").read_bytes())
    return found


@pytest.fixture
def gateway(problem: projects.Project, model_document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """Both deployed functions behind their routes, over stores in memory, with the model as champion."""

    def deployed_project(name: str) -> projects.Project:
        if name != problem.name:
            raise ProjectUnknown(f"no project {name!r} is deployed")
        return problem

    objects, index = MemoryObjects(), MemoryIndex()
    objects.put_new(names.model("tides", 7) + "model.json", json.dumps(model_document).encode())
    index.transact([Put(names.pk("tides"), names.POINTER_LIVE, {"epoch": 1, "champion": {"model": 7}})])
    monkeypatch.setattr(wiring, "objects", lambda: objects)
    monkeypatch.setattr(wiring, "index", lambda: index)
    monkeypatch.setattr(wiring, "auth", lambda: "iam")
    monkeypatch.setattr(projects, "load", deployed_project)
    return Gateway("tides", predict=function("predict").handler, api=function("serve_api").handler)


@pytest.fixture
def document(gateway: Gateway) -> dict[str, Any]:
    """The document that the API gives of the project."""
    found: dict[str, Any] = json.loads(gateway.call("GET", "/projects/tides/openapi.json")["body"])
    return found
