"""LightGBM's trees as estimators: what they hold, what changes no bit, and what is refused."""

import builtins
import json
import zipfile
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tests.unit.training.test_pipeline_parity import arrays_of, project_of, require_parity, strange
from tidemill.errors import LibraryMissing
from tidemill.training import artifacts, pipeline, served_form
from tidemill.training.algorithms import boosters
from tidemill.training.algorithms.booster_onnx import rounded_down
from tidemill.training.algorithms.boosters import LightGBMClassifier, LightGBMRegressor
from tidemill.training.threads import limited

POINT = {"n_estimators": 12, "min_child_samples": 5}


def rows(count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    inputs = random.normal(size=(count, 4)).astype(np.float32)
    inputs[random.random(inputs.shape) < 0.1] = np.nan
    return inputs, np.nan_to_num(inputs[:, 0]) - inputs[:, 3] * (inputs[:, 1] > 0)


@pytest.mark.parametrize("threads", ["2", "3"])
def test_the_number_of_threads_changes_no_bit(threads: str) -> None:
    inputs, target = rows()
    target = np.nan_to_num(target)
    texts = []
    for number in ("1", threads):
        with limited({"OMP_NUM_THREADS": number}):
            texts.append(LightGBMRegressor(**{**POINT, "n_estimators": 3}).fit(inputs, target).model_)
    assert texts[0] == texts[1]


def test_its_openmp_is_held_to_the_limit_that_others_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosters, "_LOADED", {})
    with limited({"OMP_NUM_THREADS": "1"}):
        boosters.library()
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"} == {1}


def test_where_openmp_is_missing_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file")
        return found(name, *rest)

    monkeypatch.setattr(boosters, "_LOADED", {})
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(LibraryMissing, match=r"libgomp.so.1: cannot open.*install it .*apt-get install libgomp1"):
        boosters.library()


def test_the_file_holds_a_text_and_plain_parameters_also_after_it_was_asked() -> None:
    project, arrays = project_of("classification"), arrays_of("classification")
    model = pipeline.fit("lightgbm", POINT, arrays, project=project, seed=1)
    before = artifacts.save(model)
    pipeline.predict(model, arrays, project.features)
    served_form.convert(model, project)
    assert artifacts.save(model) == before
    with zipfile.ZipFile(BytesIO(before)) as archive:
        schema = json.loads(archive.read("schema.json"))
    steps = schema["content"]["content"]["steps"]["content"]
    state = steps[1]["content"][1]["content"]["content"]
    kinds = {name: state[name]["__loader__"] for name in state if name != "key_types"}
    assert set(kinds.values()) == {"JsonNode", "NdArrayNode"}
    assert [name for name, kind in kinds.items() if kind == "NdArrayNode"] == ["classes_"]
    assert json.loads(state["model_"]["content"]).startswith("tree\nversion=")
    assert "machines" not in state["model_"]["content"]


def test_what_cannot_be_fitted_is_a_fault_of_the_point_or_of_the_rows() -> None:
    inputs, _ = rows(50)
    with pytest.raises(ValueError, match="two classes are needed, the rows have 1"):
        LightGBMClassifier().fit(inputs, np.zeros(50))
    with pytest.raises(ValueError, match=r"lightgbm: .*num_leaves"):
        LightGBMRegressor(num_leaves=1).fit(inputs, np.ones(50))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_without_a_split_that_helps_the_answer_is_the_mean(task: str) -> None:
    project, arrays = project_of(task), arrays_of(task, 60)
    model = pipeline.fit("lightgbm", {"min_child_samples": 200}, arrays, project=project, seed=1)
    answers = pipeline.predict(model, arrays, project.features)
    np.testing.assert_allclose(answers, arrays["full"].mean(), rtol=1e-6)
    require_parity(model, arrays, project)
    parts: list[int] = []
    grown = pipeline.fit(
        "lightgbm",
        {"min_child_samples": 200},
        arrays,
        project=project,
        seed=1,
        on_step=lambda step, of, _: parts.append(step),
    )
    assert artifacts.save(grown) == artifacts.save(model)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_number_that_was_never_missing_in_training_is_served_as_in_training_if_it_is(task: str) -> None:
    # LightGBM takes it for 0, wherever the threshold lies.
    project, arrays = project_of(task, "level", "gates"), arrays_of(task)
    for shift in (-3, 0, 3):
        shifted = {**arrays, "level": np.nan_to_num(arrays["level"]) + np.float32(shift)}
        model = pipeline.fit("lightgbm", POINT, shifted, project=project, seed=1)
        require_parity(model, strange(shifted), project)


@pytest.mark.parametrize("seed", range(5))
def test_rows_at_the_very_thresholds_are_served_alike(seed: int) -> None:
    project, arrays = project_of("regression", "level"), arrays_of("regression", 1000, seed)
    arrays["level"] = np.nan_to_num(arrays["level"]).round(2).astype(np.float32)
    arrays["full"] = np.sin(20 * arrays["level"]).astype(float)
    model = pipeline.fit("lightgbm", POINT, arrays, project=project, seed=1)
    nodes = [tree for tree in model[-1].trees() if "threshold" in tree]
    exact = np.array([node["threshold"] for node in nodes])
    near = np.array([rounded_down(threshold) for threshold in exact], dtype=np.float32)
    assert (near.astype(np.float64) <= exact).all()
    asked = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    require_parity(model, {"level": asked, "full": np.zeros(len(asked))}, project)


@pytest.mark.parametrize("threshold", [0.1, -0.1, 1e-35, 1e300, -1e300, 16777217.0, 0.5])
def test_rounding_down_parts_float32_numbers_as_before(threshold: float) -> None:
    limit = np.float32(rounded_down(threshold))
    with np.errstate(over="ignore"):
        above = np.nextafter(limit, np.float32(np.inf))
    assert float(limit) <= threshold
    assert float(above) > threshold or limit == np.finfo(np.float32).max
