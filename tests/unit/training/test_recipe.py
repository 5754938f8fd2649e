"""What a project's recipe does: encoding, rare categories, weights, costs of decisions; and splits by entity."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import _sigmoid_calibration

from tests.unit.training.test_pipeline_parity import arrays_of, project_of, require_parity, strange
from tidemill import canonical, projects
from tidemill.errors import ProjectInvalid
from tidemill.training import artifacts, metrics, pipeline
from tidemill.training.calibration import fitted_on, scaling
from tidemill.training.evidence.calibration import calibration
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
@pytest.mark.parametrize("encode", ["one_hot", "ordinal", "target"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_each_encoding_is_served_alike(algorithm: str, encode: str, task: str) -> None:
    recipe = {"encode": encode, "rare": 0.22, "impute": "mean"}
    recipe |= {"class_weight": "balanced"} if task == "classification" else {}
    project, arrays = project_of(task, recipe=recipe), arrays_of(task)
    model = fitted(algorithm, arrays, project)
    require_parity(model, arrays, project)
    require_parity(model, strange(arrays), project)


@each
@pytest.mark.parametrize("watched", [False, True])
def test_means_of_the_target_are_held_in_single_precision(algorithm: str, watched: bool) -> None:
    project, arrays = project_of("regression", recipe={"encode": "target"}), arrays_of("regression")
    arrays["full"] += 1e6
    on_step = (lambda step, of, model: None) if watched else None
    how: Any = {"project": project, "seed": 1, "on_step": on_step}
    encoder = encoder_of(pipeline.fit(algorithm, ALGORITHMS[algorithm], arrays, **how))
    held = np.concatenate([*encoder.encodings_, [encoder.target_mean_]])
    np.testing.assert_array_equal(held, held.astype(np.float32))
    assert abs(encoder.target_mean_ - arrays["full"].mean()) < 1


def encoder_of(model: Any) -> Any:
    found = model["columns"].named_transformers_["category"]
    return found["encode"] if hasattr(found, "named_steps") else found


def test_no_row_is_told_its_own_target() -> None:
    project, arrays = project_of("regression", "harbour", recipe={"encode": "target"}), arrays_of("regression")
    random = np.random.default_rng(1)
    # Forty harbours that mean nothing. A row could be answered that is told a mean with its own target in it.
    arrays["harbour"] = random.permutation(np.repeat([f"harbour {number:02d}" for number in range(40)], 10))
    arrays["full"] = random.normal(size=400)
    model = fitted("linear", arrays, project)
    told = encoder_of(model).transform(pipeline.to_frame(arrays, project.inputs()))[:, 0]
    with_its_own = np.polyfit(told, arrays["full"], 1)[0]
    assert with_its_own > 0.8
    scale = model["columns"].named_transformers_["category"]["scale"].scale_[0]
    assert model["estimator"].coef_[0] / scale < 0.3


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
        answers.append(pipeline.predict(model, asked, project.inputs()))
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
        said = pipeline.predict(fitted(algorithm, arrays, project), arrays, project.inputs())
        recalls.append(metrics.measure("classification", arrays["full"], said, 0.5)["recall"] or 0.0)
    assert recalls[1] > recalls[0] + 0.05


@each
def test_calibrated_probabilities_are_the_shares_of_rows_that_were_not_fitted_on(algorithm: str) -> None:
    arrays, later = (arrays_of("classification", 4000, seed) for seed in (0, 1))
    errors = []
    for recipe in ({"class_weight": "balanced"}, {"class_weight": "balanced", "calibrate": 0.3}):
        # Of ten rows of class 0 one is kept: balanced, all models say far too little of class 0.
        project = project_of("classification", recipe=recipe)
        model = fitted(algorithm, unequal(arrays), project)
        told = pipeline.predict(model, unequal(later), project.inputs())
        errors.append(calibration(unequal(later)["full"], told)["expected_error"])
        # The logit of a probability in single precision has lost some digits where that is near 0 or 1.
        require_parity(model, arrays, project, within=2e-5)
        require_parity(model, strange(arrays), project, within=2e-5)
        body = artifacts.save(model)
        assert artifacts.save(artifacts.load(body, canonical.sha256(body))) == body
    assert errors[1] < 0.03 < errors[0]


def unequal(arrays: Any) -> Any:
    few = (arrays["full"] == 1) | (np.random.default_rng(2).random(len(arrays["full"])) < 0.1)
    return {name: array[few] for name, array in arrays.items()}


@pytest.mark.parametrize("by", ["content", "entity"])
def test_the_rows_that_calibrate_are_spread_or_of_the_last_entities(by: str) -> None:
    # A column of one's own in the place of a model: which rows reach it?
    changes = {"recipe": {"calibrate": 0.25}, "entity": "harbour", "split": {"by": by}}
    project, arrays = project_of("classification", **changes), arrays_of("classification", 401)
    arrays["level"] = np.arange(401, dtype=np.float32)
    kept = fitted_on(arrays, project)["level"]
    assert len(kept) == pytest.approx(301, abs=1)
    if by == "entity":
        np.testing.assert_array_equal(kept, arrays["level"][:301])
    else:
        for part in np.array_split(np.arange(401), 4):
            assert np.isin(arrays["level"][part], kept).mean() == pytest.approx(0.75, abs=0.07)
        # Five sources that report in turn: of each as many are held back, whatever the share.
        for source in range(5):
            assert np.isin(arrays["level"][source::5], kept).mean() == pytest.approx(0.75, abs=0.07)
    whole = project_of("classification")
    np.testing.assert_array_equal(fitted_on(arrays, whole)["level"], arrays["level"])


def test_too_few_rows_to_calibrate_by_are_told() -> None:
    project = project_of("classification", recipe={"calibrate": 0.005})
    with pytest.raises(ValueError, match=r"recipe\.calibrate: 0\.005 holds back \d rows, too few"):
        fitted("linear", arrays_of("classification", 400), project)


@pytest.mark.parametrize("name", ["calibration/scores", "slope", "scores", "uncalibrated", "calibration/low"])
def test_a_calibrated_model_is_served_whatever_its_features_are_called(name: str) -> None:
    columns = {name: {"type": "number", "nullable": True}, "full": {"type": "number"}}
    project = project_of("classification", name, columns=columns, recipe={"calibrate": 0.2})
    arrays = arrays_of("classification")
    arrays[name] = arrays["level"]
    require_parity(fitted("linear", arrays, project), arrays, project, within=2e-5)


def test_of_two_classes_the_map_is_platts() -> None:
    random = np.random.default_rng(3)
    score = random.normal(size=50_000)
    positive = random.random(50_000) < 1 / (1 + np.exp(-(0.5 * score - 1)))

    def platt(score: Any, positive: Any) -> tuple[float, float]:
        slope, intercepts = scaling(np.column_stack([0 * score, score]), positive.astype(int))
        return slope, intercepts[1] - intercepts[0]

    assert platt(score, positive) == pytest.approx((0.5, -1.0), abs=0.05)
    reference = _sigmoid_calibration(score, positive.astype(float))  # of scikit-learn, with the signs turned
    assert platt(score, positive) == pytest.approx((-reference[0], -reference[1]), rel=1e-4)
    for few in (np.ones(20, bool), np.zeros(20, bool), np.arange(20) > 9):
        assert np.isfinite(platt(np.linspace(-1, 1, 20), few)).all()


def test_the_map_of_several_classes_finds_what_was_done_to_their_probabilities() -> None:
    random = np.random.default_rng(4)
    honest = random.dirichlet([1, 2, 3], 60_000)
    target = (honest.cumsum(axis=1) < random.random(60_000)[:, None]).sum(axis=1)
    told = 2 * np.log(honest) + [0.7, 0.0, -0.7]  # twice as sure, and the first class too high
    slope, intercepts = scaling(told - np.log(np.exp(told).sum(axis=1, keepdims=True)), target)
    assert slope == pytest.approx(0.5, abs=0.02)
    assert intercepts == pytest.approx([-0.35, 0.0, 0.35], abs=0.02)


@each
def test_named_classes_are_calibrated_and_served_alike(algorithm: str) -> None:
    arrays, later = (arrays_of("named", 3000, seed) for seed in (0, 1))
    keep = {name: array[(arrays["full"] != 0) | (np.arange(3000) % 8 == 0)] for name, array in arrays.items()}
    seen = {name: array[(later["full"] != 0) | (np.arange(3000) % 8 == 0)] for name, array in later.items()}
    found = []
    for recipe in ({"class_weight": "balanced"}, {"class_weight": "balanced", "calibrate": 0.3}):
        project = project_of("named", recipe=recipe)
        model = fitted(algorithm, keep, project)
        told = pipeline.predict(model, seen, project.inputs(), project.classes)
        np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-6)
        found.append(metrics.measure("classification", seen["full"], told, None)["log_loss"])
        require_parity(model, seen, project, within=2e-5)
        require_parity(model, strange(seen), project, within=2e-5)
    assert found[1] < found[0]


def test_a_class_of_which_no_row_is_left_to_fit_on_is_told() -> None:
    arrays = arrays_of("named", 200)
    arrays = {name: array[arrays["full"] != 0] for name, array in arrays.items()}
    project = project_of("named", recipe={"calibrate": 0.25})
    arrays["full"][1] = 0.0  # which is held back: twice the golden ratio is 1.236
    with pytest.raises(ValueError, match="all rows of 1 of 3 classes"):
        fitted("linear", arrays, project)


@pytest.mark.parametrize("of", [1, 3])
def test_a_calibrated_model_is_made_by_every_way_of_fitting(new_mill: Any, of: int) -> None:
    changes: dict[str, Any] = {
        "search": {"trials": 1, "algorithms": ["random_forest"]},
        "recipe": {"calibrate": 0.2},
    }
    whole, parted = new_mill(**changes), new_mill(**changes, compute={"shards": of})
    for mill in (whole, parted):
        mill.plan()
        mill.search()
        mill.step("select_best")
    parted.objects.put_new("runs/tides/tides-v00001/slices/final.begun.json", b"{}")  # in parts, if in one process
    for mill in (whole, parted):
        assert mill.step("fit_final")["more"] is False
    key = "runs/tides/tides-v00001/final/model.skops"
    assert whole.objects.get(key) == parted.objects.get(key)
    assert b"Calibrated" in zipfile.ZipFile(io.BytesIO(whole.objects.get(key))).read("schema.json")
    whole.step("evaluate_candidate")
    assert whole.gate("parity")["verdict"] == "passed"


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
        ({"task": "regression", "recipe": {"class_weight": "balanced"}}, "costs, class_weight"),
        ({"task": "regression", "recipe": {"costs": {"false_negative": 2}}}, "costs, class_weight"),
        ({"task": "regression", "recipe": {"calibrate": 0.1}}, "costs, class_weight"),
        ({"split": {"by": "entity"}}, "split.by: entity needs `entity`"),
        ({"time": None, "split": {"by": "time"}}, "split.by: time needs `time`"),
        ({"recipe": {"encode": "hashing"}}, "recipe.encode"),
    ],
)
def test_what_does_not_fit_the_project_is_refused(new_mill: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProjectInvalid, match=reason):
        new_mill(**changes)
