"""Each algorithm and task: the pipeline, and its ONNX form by the reference evaluator and the serving runtime."""

import copy
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from tidemill import projects
from tidemill.errors import ProjectInvalid
from tidemill.training import pipeline, served_form
from tidemill.training.algorithms import BUILT_IN
from tidemill.training.prepare import Arrays

ALGORITHMS = {
    "linear": {},
    "gradient_boosting": {"max_iter": 30, "min_samples_leaf": 5},
    "lightgbm": {"n_estimators": 30, "min_child_samples": 5},
    "random_forest": {"max_leaf_nodes": 64},
    "elastic_net": {"l1_ratio": 0.5},
    "extra_trees": {"max_leaf_nodes": 64},
}
TASKS = ("classification", "named", "regression")
CLASSES = ("neap", "mean", "spring")
each = pytest.mark.parametrize("algorithm", ALGORITHMS)
both = pytest.mark.parametrize("task", TASKS)


def project_of(task: str, *features: str, **changes: Any) -> projects.Project:
    kinds = {"level": "number", "gates": "integer", "wind": "category", "harbour": "category"}
    columns = {name: {"type": kind, "nullable": True} for name, kind in kinds.items()}
    document = {
        "name": "tides",
        "description": "Is the mill pond full?",
        "task": "regression" if task == "regression" else "classification",
        "target": "full",
        "columns": {
            **columns,
            "full": {"type": "category", "allowed": CLASSES} if task == "named" else {"type": "number"},
        },
        "features": features or tuple(kinds),
    }
    return projects.parse({**document, **changes})


def arrays_of(task: str, count: int = 400, seed: int = 0) -> Arrays:
    random = np.random.default_rng(seed)
    level = random.normal(size=count).astype(np.float32)
    gates = random.integers(0, 9, count).astype(np.float32)
    wind = random.choice(["N", "E", "S", "W", ""], count)
    harbour = random.choice(["Brest", "Bilbao", "Cork", "Galway"], count)
    strength = level - 0.3 * gates + (wind == "N") + 2 * (harbour == "Cork")
    noisy = strength + random.normal(size=count)
    level[random.random(count) < 0.1] = np.nan
    targets = {
        "classification": (noisy > noisy.mean()).astype(float),
        "named": np.searchsorted(np.quantile(noisy, [0.3, 0.7]), noisy).astype(float),
        "regression": 1000 * noisy,
    }
    target = targets[task]
    return {"level": level, "gates": gates, "wind": wind, "harbour": harbour, "full": target}


def strange(arrays: Arrays) -> Arrays:
    """Requests as training never saw them: no number, an unknown category, no category, far values."""
    asked = {name: array[:120].copy() for name, array in arrays.items()}
    asked["level"][:20] = np.nan
    asked["gates"][10:30] = np.nan
    asked["harbour"] = asked["harbour"].astype("U20")
    asked["harbour"][30:60] = "Santiago de Compostela"
    asked["harbour"][60:70] = ""
    asked["level"][80:100] = np.float32(1e30)
    return asked


def served(body: bytes, arrays: Arrays, project: projects.Project) -> np.ndarray:
    """What onnxruntime answers."""
    columns = project.feature_columns()
    feeds = {
        name: arrays[name].astype(np.float32 if column.type.numeric else object).reshape(-1, 1)
        for name, column in columns.items()
    }
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    output = "probabilities" if project.task == "classification" else "variable"
    answers = session.run([output], feeds)[0]
    columns = 1 if project.task == "regression" else len(project.classes) or 2
    assert answers.shape == (len(arrays["full"]), columns)
    return answers if project.classes else answers[:, -1]


def fitted(algorithm: str, arrays: Arrays, project: projects.Project) -> Any:
    return pipeline.fit(algorithm, ALGORITHMS[algorithm], arrays, project=project, seed=1)


def require_parity(model: Any, arrays: Arrays, project: projects.Project, *, within: float = 2e-6) -> None:
    body = served_form.convert(model, project)
    trained = pipeline.predict(model, arrays, project.inputs(), project.classes)
    scale = 1.0 if project.task == "classification" else float(np.abs(trained).max())
    np.testing.assert_allclose(served(body, arrays, project), trained, atol=within * scale, rtol=2e-6)
    np.testing.assert_allclose(served_form.predict(body, arrays, project), trained, atol=within * scale, rtol=2e-6)


@each
@both
def test_the_served_form_answers_alike_also_to_missing_and_unknown_values(algorithm: str, task: str) -> None:
    project, arrays = project_of(task), arrays_of(task)
    model = fitted(algorithm, arrays, project)
    require_parity(model, arrays, project)
    require_parity(model, strange(arrays), project)


@each
@pytest.mark.parametrize("features", [("level",), ("wind",), ("wind", "level"), ("harbour", "wind")])
def test_any_choice_of_features_is_served(algorithm: str, features: tuple[str, ...]) -> None:
    project, arrays = project_of("classification", *features), arrays_of("classification")
    require_parity(fitted(algorithm, arrays, project), arrays, project)


@each
@both
def test_a_feature_may_have_any_name(algorithm: str, task: str) -> None:
    project, arrays = project_of(task), arrays_of(task)
    named = {"level": "Pegel (m)", "gates": "2.gates", "wind": "wind-from", "harbour": "höfn.name", "full": "full"}
    columns = {named[name]: column for name, column in project.columns.items()}
    changes = {"columns": columns, "features": [named[name] for name in project.features]}
    other = projects.parse({**project.model_dump(mode="json", exclude={"columns", "features"}), **changes})
    model = fitted(algorithm, {named[name]: array for name, array in arrays.items()}, other)
    require_parity(model, {named[name]: array for name, array in strange(arrays).items()}, other)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        (("a b", "a.b"), "differ by signs alone"),
        (("1st", "_1st"), "differ by signs alone"),
        (("variable", "a b"), "what a served model"),
        (("a", "a.npy"), "no names of columns"),
        (("", "a"), "no names of columns"),
    ],
)
def test_names_that_a_served_model_cannot_have_are_refused(features: tuple[str, ...], reason: str) -> None:
    columns = {name: {"type": "number"} for name in (*features, "full")}
    with pytest.raises(ProjectInvalid, match=reason):
        project_of("regression", *features, columns=columns)


@pytest.mark.parametrize(("task", "name"), [("regression", "probabilities"), ("classification", "variable")])
def test_the_name_of_what_the_other_task_answers_may_be_a_features(task: str, name: str) -> None:
    columns = {name: {"type": "number", "nullable": True}, "full": {"type": "number"}}
    project, arrays = project_of(task, name, columns=columns), arrays_of(task)
    arrays[name] = arrays["level"]
    require_parity(fitted("gradient_boosting", arrays, project), arrays, project)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"type": "timestamp", "minimum": 0}, "minimum and maximum are of numbers"),
        ({"type": "category", "maximum": 0}, "minimum and maximum are of numbers"),
        ({"type": "timestamp", "allowed": ["2026-01-01"]}, "leave `allowed` out"),
    ],
)
def test_rules_that_a_feature_cannot_keep_are_refused(rule: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProjectInvalid, match=reason):
        project_of("regression", "wind", columns={"wind": rule, "full": {"type": "number"}})


@each
@both
def test_a_column_without_a_value_or_with_one_value_alone_is_served(algorithm: str, task: str) -> None:
    project, arrays = project_of(task), arrays_of(task)
    arrays["level"][:] = np.nan
    arrays["wind"][:] = "N"
    asked = copy.deepcopy(arrays)
    asked["level"][:50] = 3.0
    asked["wind"][:70] = "S"
    require_parity(fitted(algorithm, arrays, project), asked, project)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("algorithm", ["gradient_boosting", "lightgbm"])
def test_numbers_next_to_each_other_are_told_apart_as_in_training(algorithm: str, task: str) -> None:
    # Around 1e6 neighbouring float32 values are 1/16 apart: a threshold between two of them is none itself.
    project, arrays = project_of(task, "level"), arrays_of(task, 3000)
    steps = np.random.default_rng(0).integers(0, 100, 3000)
    arrays["level"] = (1e6 + steps / 16).astype(np.float32)
    arrays["full"] = (steps % 2).astype(float)
    model = fitted(algorithm, arrays, project)
    body = served_form.convert(model, project)
    trained = pipeline.predict(model, arrays, project.inputs())
    assert np.abs(served(body, arrays, project) - trained).max() < 1e-5
    assert np.abs(trained - arrays["full"]).mean() < 0.45, "the model must have learnt to tell them apart"


@both
def test_rounding_thresholds_changes_no_answer(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project, arrays = project_of(task), arrays_of(task)
    rounded = fitted("gradient_boosting", arrays, project)
    as_it_is = replace(BUILT_IN["gradient_boosting"], settle=lambda boosted: None)
    monkeypatch.setitem(BUILT_IN, "gradient_boosting", as_it_is)
    plain = fitted("gradient_boosting", arrays, project)
    for asked in (arrays, strange(arrays)):
        ask = (project.inputs(), project.classes)
        answers = [pipeline.predict(model, asked, *ask) for model in (rounded, plain)]
        np.testing.assert_array_equal(*answers)


@each
@both
def test_the_model_has_learnt_something(algorithm: str, task: str) -> None:
    project, arrays, later = project_of(task), arrays_of(task), arrays_of(task, seed=1)
    predictions = pipeline.predict(fitted(algorithm, arrays, project), later, project.inputs(), project.classes)
    expected = predictions @ np.arange(3) if project.classes else predictions
    assert np.corrcoef(expected, later["full"])[0, 1] > 0.5


@each
@both
def test_the_interface_is_one_named_input_per_feature(algorithm: str, task: str) -> None:
    project = project_of(task)
    model = onnx.load_from_string(served_form.convert(fitted(algorithm, arrays_of(task), project), project))
    inputs = {value.name: value.type.tensor_type for value in model.graph.input}
    assert list(inputs) == ["level", "gates", "wind", "harbour"]
    types = [onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT, onnx.TensorProto.STRING, onnx.TensorProto.STRING]
    assert [tensor.elem_type for tensor in inputs.values()] == types
    assert all(tensor.shape.dim[1].dim_value == 1 for tensor in inputs.values())
    wanted = "variable" if task == "regression" else "probabilities"
    assert wanted in [value.name for value in model.graph.output]
    onnx.checker.check_model(model)


@each
@both
def test_equal_fits_give_equal_bytes(algorithm: str, task: str) -> None:
    project, arrays = project_of(task), arrays_of(task)
    one, other = (served_form.convert(fitted(algorithm, arrays, project), project) for _ in range(2))
    assert one == other


def test_parity_counts_what_is_apart_on_another_side_or_no_number() -> None:
    trained = np.array([0.2, 0.2, 0.499_99, 0.9, 0.9])
    answers = np.array([0.2, 0.201, 0.500_01, 0.900_01, np.nan])
    found = served_form.parity(answers, trained, threshold=0.5, scale=1.0)
    assert (found["rows"], found["disagreeing"], found["share"]) == (5, 3, 0.6)
    assert np.isfinite(found["largest_difference"])
    close = served_form.parity(answers[:2], trained[:2], threshold=None, scale=100.0)
    assert (close["disagreeing"], close["tolerance"]) == (0, 0.01)


def test_two_named_classes_are_answered_by_both_their_probabilities() -> None:
    columns = project_of("named").model_dump()["columns"]
    columns["full"]["allowed"] = ("ebb", "flood")
    project, arrays = project_of("named", columns=columns), arrays_of("classification")
    for algorithm in ALGORITHMS:
        model = fitted(algorithm, arrays, project)
        require_parity(model, arrays, project)
        answers = pipeline.predict(model, arrays, project.inputs(), project.classes)
        assert answers.shape == (400, 2)
        np.testing.assert_allclose(answers.sum(axis=1), 1)


def test_parity_of_named_classes_counts_any_probability_and_the_answer() -> None:
    trained = np.array([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5], [0.3, 0.35, 0.35], [0.1, 0.1, 0.8]])
    answers = trained.copy()
    answers[1] += [0.001, -0.001, 0]
    answers[2, 1:] += [-1e-6, 1e-6]
    answers[3, 0] = np.nan
    found = served_form.parity(answers, trained, threshold=None, scale=1e6)
    assert (found["rows"], found["disagreeing"]) == (4, 3)


def test_another_process_makes_the_same_bytes_whatever_the_order_of_its_sets() -> None:
    script = f"""
import hashlib, importlib.util
spec = importlib.util.spec_from_file_location("here", {__file__!r})
here = importlib.util.module_from_spec(spec)
spec.loader.exec_module(here)
for algorithm, parameters in here.ALGORITHMS.items():
    for task in ("classification", "named"):
        project, arrays = here.project_of(task), here.arrays_of(task)
        model = here.pipeline.fit(algorithm, parameters, arrays, project=project, seed=1)
        print(hashlib.sha256(here.served_form.convert(model, project)).hexdigest())
"""
    made = set()
    for seed in ("0", "1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        made.add(done.stdout)
    assert len(made) == 1
