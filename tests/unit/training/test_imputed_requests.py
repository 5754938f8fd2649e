"""`serving: {missing: impute}`: what is missing in a request is filled by the pipeline as in training, by each
algorithm, also where no row of training lacked it."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tidemill import projects
from tidemill.errors import ProjectInvalid
from tidemill.projects.features import described
from tidemill.serving.instances import Features
from tidemill.serving.model import Model
from tidemill.serving.predict import predict
from tidemill.training import pipeline, served_form
from tidemill.training.prepare import Arrays

AT = datetime(2026, 5, 4, tzinfo=UTC)
ALGORITHMS = {
    "linear": {},
    "gradient_boosting": {"max_iter": 30, "min_samples_leaf": 5},
    "lightgbm": {"n_estimators": 30, "min_child_samples": 5},
    "random_forest": {"max_leaf_nodes": 64},
    "elastic_net": {"l1_ratio": 0.5},
    "extra_trees": {"max_leaf_nodes": 64},
}
IMPUTE = {"missing": "impute", "out_of_range": "impute"}
GOOD = {"gates": 22, "level": 0.3, "harbour": "Cork"}


def project_of(task: str, **changes: Any) -> projects.Project:
    columns = {
        "gates": {"type": "integer", "minimum": 10, "maximum": 40},
        "level": {"type": "number", "nullable": True, "maximum": 9},
        "harbour": {"type": "category"},
        "full": {"type": "number"},
    }
    common = {"name": "tides", "description": "?", "target": "full", "columns": columns}
    return projects.parse(
        {**common, "task": task, "features": ["gates", "level", "harbour"], "serving": IMPUTE, **changes}
    )


def arrays_of(task: str, count: int = 401) -> Arrays:
    """`gates` lies far from 0 and is never missing; `level` is, in a tenth of the rows."""
    random = np.random.default_rng(0)
    gates = random.integers(10, 41, count).astype(np.float32)
    level = random.normal(size=count).astype(np.float32)
    harbour = random.choice(["Brest", "Bilbao", "Cork"], count)
    value = (gates - 25) / 5 + level + 2 * (harbour == "Cork") + random.normal(size=count)
    level[random.random(count) < 0.1] = np.nan
    target = (value > 0).astype(float) if task == "classification" else value
    return {"gates": gates, "level": level, "harbour": harbour, "full": target}


def endpoint(algorithm: str, task: str, arrays: Arrays, **changes: Any) -> Model:
    """What is served of a model of that algorithm, with the documents that travel along."""
    project = project_of(task, **changes)
    model = pipeline.fit(algorithm, ALGORITHMS[algorithm], arrays, project=project, seed=1)
    body = served_form.convert(model, project)
    features = described(project)
    document = {"project": "tides", "version": 1, "task": task, "features": features, "threshold": None}
    document |= {"threshold": 0.5} if task == "classification" else {}
    carried = project.serving.carried().get("serving")
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    return Model(document, Features(features, carried), session)


def ask(model: Model, *instances: dict[str, Any]) -> Any:
    return predict({"instances": list(instances)}, model=model, request_id="r", variant="1", at=AT)


def value(item: dict[str, Any]) -> float:
    return float(item.get("probability", item["prediction"]))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_missing_number_is_the_median_of_training_and_a_missing_category_an_unknown_one(
    algorithm: str, task: str
) -> None:
    arrays = arrays_of(task)
    model = endpoint(algorithm, task, arrays)
    median = float(np.median(arrays["gates"]))
    without = {name: each for name, each in GOOD.items() if name != "gates"}
    found = ask(
        model,
        {**GOOD, "gates": median},
        without,
        {**GOOD, "gates": 1000},
        {**GOOD, "harbour": "Galway"},
        {**GOOD, "harbour": None},
    ).answer["predictions"]
    assert [item.get("imputed") for item in found] == [None, ["gates"], ["gates"], None, ["harbour"]]
    assert value(found[1]) == value(found[2]) == value(found[0])
    assert value(found[4]) == value(found[3])
    low, high = (
        value(item) for item in ask(model, {**GOOD, "gates": 10}, {**GOOD, "gates": 40}).answer["predictions"]
    )
    assert low < value(found[0]) < high


def test_what_is_captured_is_what_the_model_was_told() -> None:
    arrays = arrays_of("regression")
    found = ask(endpoint("linear", "regression", arrays), {**GOOD, "gates": 1000}, {**GOOD, "level": 9.5})
    first, second = json.loads(next(found.captured))["instances"]
    assert (first["features"], "imputed" in first) == ({**GOOD, "gates": None}, False)
    assert second["features"] == {**GOOD, "level": None}
    assert [item["imputed"] for item in found.answer["predictions"]] == [["gates"], ["level"]]


def test_the_recipe_says_what_fills_them() -> None:
    arrays = arrays_of("regression")
    arrays["gates"][:240] = 10
    model = endpoint("lightgbm", "regression", arrays, recipe={"impute": "mean"})
    mean, median = float(np.mean(arrays["gates"], dtype=np.float64)), float(np.median(arrays["gates"]))
    assert not math.isclose(mean, median, rel_tol=0.05)
    features = Features(
        [{**rule, "type": "number"} for rule in model.document["features"][:2]] + model.document["features"][2:]
    )
    whole = ask(Model(model.document, features, model.session), {**GOOD, "gates": mean}).answer["predictions"][0]
    assert value(ask(model, {**GOOD, "gates": None}).answer["predictions"][0]) == value(whole)


@pytest.mark.parametrize("algorithm", ["gradient_boosting", "lightgbm"])
def test_without_the_setting_boosted_trees_are_fitted_as_before(algorithm: str) -> None:
    arrays = arrays_of("regression")
    plain = project_of("regression", serving={})
    model = pipeline.fit(algorithm, ALGORITHMS[algorithm], arrays, project=plain, seed=1)
    kept = {name: list(columns) for name, _, columns in model[0].transformers_}
    assert kept == {"number": ["gates", "level"], "category": ["harbour"]}
    imputing = pipeline.fit(algorithm, ALGORITHMS[algorithm], arrays, project=project_of("regression"), seed=1)
    kept = {name: list(columns) for name, _, columns in imputing[0].transformers_}
    assert kept == {"number": ["level"], "filled": ["gates"], "category": ["harbour"]}


def test_a_run_carries_the_setting_it_was_trained_under(new_mill: Any) -> None:
    mill = new_mill(serving={"missing": "impute"})
    mill.walk()
    assert mill.file("final/final.json")["serving"] == {"missing": "impute", "out_of_range": "refuse"}


def test_where_nothing_is_imputed_nothing_is_said(walked: Any) -> None:
    assert "serving" not in walked.file("final/final.json")


def test_the_section_is_strict() -> None:
    with pytest.raises(ProjectInvalid, match="serving"):
        project_of("regression", serving={"missing": "guess"})
