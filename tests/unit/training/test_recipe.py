"""What a project's recipe does: encoding, rare categories, weights, costs of decisions; and splits by entity."""

from typing import Any

import numpy as np
import pytest

from tests.unit.training.test_pipeline_parity import arrays_of, project_of, require_parity, strange
from tidemill import projects
from tidemill.errors import ProjectInvalid
from tidemill.training import metrics, pipeline
from tidemill.training.prepare import prepare, split_by

ALGORITHMS: dict[str, dict[str, Any]] = {
    "linear": {},
    "elastic_net": {"l1_ratio": 0.5},
    "gradient_boosting": {"max_iter": 20, "min_samples_leaf": 5},
    "lightgbm": {"n_estimators": 20, "min_child_samples": 5},
    "random_forest": {"max_leaf_nodes": 32},
    "extra_trees": {"max_leaf_nodes": 32},
}
each = pytest.mark.parametrize("algorithm", ALGORITHMS)


def fitted(algorithm: Any, arrays: Any, project: projects.Project) -> Any:
    return pipeline.fit(algorithm, ALGORITHMS[algorithm], arrays, project=project, seed=1)


@each
@pytest.mark.parametrize("encode", ["one_hot", "ordinal"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_either_encoding_is_served_alike(algorithm: str, encode: str, task: str) -> None:
    recipe = {"encode": encode, "rare": 0.22, "impute": "mean"}
    recipe |= {"class_weight": "balanced"} if task == "classification" else {}
    project, arrays = project_of(task, recipe=recipe), arrays_of(task)
    model = fitted(algorithm, arrays, project)
    require_parity(model, arrays, project)
    require_parity(model, strange(arrays), project)


@each
def test_a_rare_category_is_answered_as_an_unknown_one(algorithm: str) -> None:
    project, arrays = project_of("classification", recipe={"rare": 0.05}), arrays_of("classification")
    arrays["harbour"] = arrays["harbour"].astype("U20")
    arrays["harbour"][:12] = "Vigo"  # three of a hundred
    model = fitted(algorithm, arrays, project)
    answers = []
    for harbour in ("Vigo", "nowhere", "Brest"):
        asked = {name: array[50:150].copy() for name, array in arrays.items()}
        asked["harbour"][:] = harbour
        answers.append(pipeline.predict(model, asked, project.features))
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_where_all_categories_are_rare_the_most_frequent_is_known() -> None:
    project, arrays = project_of("classification", "harbour", recipe={"rare": 0.45}), arrays_of("classification")
    (known,) = fitted("linear", arrays, project)["columns"].transformers_[0][1].categories_
    names, counts = np.unique(arrays["harbour"], return_counts=True)
    assert known.tolist() == [names[counts.argmax()]]


@each
def test_balanced_classes_are_found_more_often(algorithm: str) -> None:
    arrays = arrays_of("classification", 2000)
    few = (arrays["full"] == 0) | (np.random.default_rng(2).random(2000) < 0.1)
    arrays = {name: array[few] for name, array in arrays.items()}
    recalls = []
    for weight in ("none", "balanced"):
        project = project_of("classification", recipe={"class_weight": weight})
        said = pipeline.predict(fitted(algorithm, arrays, project), arrays, project.features)
        recalls.append(metrics.measure("classification", arrays["full"], said, 0.5)["recall"] or 0.0)
    assert recalls[1] > recalls[0] + 0.05


def test_costs_move_the_threshold_to_where_decisions_cost_least(new_mill: Any) -> None:
    costs = {"false_positive": 1.0, "false_negative": 4.0}
    mill = new_mill(recipe={"costs": costs})
    mill.plan()
    threshold = mill.file("plan.json")["threshold"]
    assert threshold == pytest.approx(0.2)
    # Calibrated probabilities: no other threshold costs less.
    random = np.random.default_rng(0)
    chance = random.random(200_000)
    target = random.random(200_000) < chance

    def cost(cut: float) -> float:
        said = chance >= cut
        return float((said & ~target).sum() + 4 * (~said & target).sum())

    grid = np.linspace(0.05, 0.95, 19)
    assert grid[np.argmin([cost(cut) for cut in grid])] == pytest.approx(threshold, abs=0.051)
    assert new_mill().project.threshold == 0.5
    assert new_mill(task="regression").project.threshold is None


def test_rows_of_an_entity_are_in_one_part(new_mill: Any) -> None:
    mill = new_mill(entity="harbour", split={"by": "entity", "validation": 0.3, "holdout": 0.3})
    frame = mill.rows(400).assign(full=lambda rows: rows["full"])
    frame["at"] = np.datetime64("2026-01-01") + np.arange(400).astype("timedelta64[h]")
    frame["harbour"] = [f"harbour {number % 40:02d}" for number in range(400)]
    prepared = prepare(frame, mill.project)
    places = {part: set(arrays["harbour"]) for part, arrays in prepared.parts.items()}
    assert sum(len(each) for each in places.values()) == len(set.union(*places.values())) == 40
    assert all(len(each) >= 5 for each in places.values())
    assert prepared.cuts == {}
    again = prepare(frame.sample(frac=1, random_state=3), mill.project)
    assert {part: set(arrays["harbour"]) for part, arrays in again.parts.items()} == places


def test_the_split_is_by_time_where_there_is_one(new_mill: Any) -> None:
    assert split_by(new_mill().project) == "time"
    assert split_by(new_mill(time=None).project) == "content"
    assert split_by(new_mill(split={"by": "content"}).project) == "content"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "regression", "recipe": {"class_weight": "balanced"}}, "costs and class_weight"),
        ({"task": "regression", "recipe": {"costs": {"false_negative": 2}}}, "costs and class_weight"),
        ({"split": {"by": "entity"}}, "split.by: entity needs `entity`"),
        ({"time": None, "split": {"by": "time"}}, "split.by: time needs `time`"),
        ({"recipe": {"encode": "hashing"}}, "recipe.encode"),
    ],
)
def test_what_does_not_fit_the_project_is_refused(new_mill: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProjectInvalid, match=reason):
        new_mill(**changes)
