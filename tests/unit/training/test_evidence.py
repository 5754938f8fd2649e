"""The evidence about a candidate: against published figures and reference libraries, and what it decides."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tidemill import projects
from tidemill.projects.recipe import Costs
from tidemill.release import card_evidence
from tidemill.training.evidence import paired, slices
from tidemill.training.evidence.calibration import calibration
from tidemill.training.evidence.costs import latency
from tidemill.training.evidence.decisions import decisions
from tidemill.training.evidence.explanation import importance
from tidemill.training.evidence.fairness import fairness
from tidemill.training.evidence.intervals import auc_interval, auc_variance, intervals, wilson
from tidemill.training.evidence.resampling import Resampling, replicated
from tidemill.training.evidence.robustness import robustness

SECOND = "tides-v00002"
HOW = Resampling(seed=1)


def project(**changes: Any) -> projects.Project:
    kinds = {"level": "number", "harbour": "category", "sex": "category", "full": "number"}
    document = {
        "name": "tides",
        "description": "Is the mill pond full?",
        "task": "classification",
        "target": "full",
        "columns": {name: {"type": kind, "nullable": name == "level"} for name, kind in kinds.items()},
        "features": ["level", "harbour"],
        "sensitive": ["sex"],
    }
    return projects.parse({**document, **changes})


# --- what is decided -------------------------------------------------------------------------------------------
def spoiled(new_mill: Any, count: int, seed: int, harbours: list[str]) -> pd.DataFrame:
    """Rows whose labels, in those harbours, are chance; but for the last fifth, on which models are judged."""
    frame = new_mill.rows(count, seed=seed)
    where = frame.harbour.isin(harbours).to_numpy() & (np.arange(count) < 0.8 * count)
    frame.loc[where, "full"] = np.random.default_rng(9).integers(0, 2, where.sum()).astype(float)
    return frame


def test_a_model_that_is_better_on_average_but_worse_on_a_protected_slice_is_refused(new_mill: Any) -> None:
    search = {"trials": 1, "concurrency": 1, "algorithms": ["gradient_boosting"]}
    first = spoiled(new_mill, 900, 1, ["Brest", "Bilbao"])
    mill = new_mill(first, search=search, sensitive=["harbour"], gates={"over_baseline": -1.0})
    mill.walk()
    mill.crown()
    mill.add_version(2, spoiled(new_mill, 3000, 2, ["Cork"]))
    evaluation = mill.walk(run_id=SECOND, dataset_version=2)
    assert mill.gate("champion", SECOND)["verdict"] == "passed", "on average it is better, beyond noise"
    gate = mill.gate("slices", SECOND)
    assert gate["verdict"] == "refused"
    assert gate["slice"]["column"] == "harbour"
    assert gate["slice"]["slice"] == "Cork"
    assert gate["value"] > gate["threshold"] == 0.1
    assert "harbour = Cork" in gate["reason"]
    assert (evaluation["passed"], mill.row(SECOND)["state"]) == (False, "refused")
    assert gate["reason"] in mill.row(SECOND)["reason"]


def test_a_gain_within_noise_is_refused(new_mill: Any) -> None:
    mill = new_mill(new_mill.rows(600), search={"trials": 1, "algorithms": ["linear"]})
    mill.walk()
    mill.crown()
    mill.add_version(2, new_mill.rows(720, seed=3))
    evaluation = mill.walk(run_id=SECOND, dataset_version=2)
    gate = mill.gate("champion", SECOND)
    assert gate["value"] > 0 > gate["lower"], "the point alone would have passed"
    assert gate["verdict"] == "refused"
    assert "within noise" in gate["reason"]
    assert (evaluation["passed"], mill.row(SECOND)["state"]) == (False, "refused")


def test_gates_that_are_asked_for_are_judged_and_recorded(new_mill: Any) -> None:
    limits = {
        "calibration": 1e-6,
        "robustness": 1e-6,
        "model_bytes": 1,
        "latency_ms": 1e-9,
        "equalised_odds": 1e-6,
        "decision_cost": 1e-6,
    }
    gates = {**limits, "selection_ratio": 1.0}
    mill = new_mill(new_mill.rows(600), sensitive=["harbour"], slices={"rows": 20}, gates=gates)
    evaluation = mill.walk()
    for name in (*limits, "selection_ratio"):
        gate = mill.gate(name)
        assert gate["verdict"] == "refused", name
        assert gate["reason"] in evaluation["reason"]
    mill = new_mill(new_mill.rows(600))
    mill.walk()
    assert {gate["gate"] for gate in mill.file("evaluation.json")["gates"]}.isdisjoint(limits)


def test_a_sensitive_column_that_is_no_feature_is_judged_by_but_never_fitted_on(new_mill: Any) -> None:
    mill = new_mill(features=["level", "gates", "wind"], sensitive=["harbour"])
    evaluation = mill.walk()
    assert [each["column"] for each in evaluation["fairness"]] == ["harbour"]
    assert [feature["name"] for feature in mill.file("final/final.json")["features"]] == ["level", "gates", "wind"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_card_tells_the_evidence(new_mill: Any, task: str) -> None:
    mill = new_mill(task=task, sensitive=["harbour"], slices={"rows": 10})
    mill.walk()
    mill.crown()
    evaluation = mill.walk(run_id="tides-v00001-manual-2")
    written = card_evidence.sections(evaluation)
    headings = [section.partition("\n")[0] for section in written]
    told = ["Beside others, on the same rows", "Slices"]
    told += ["Calibration", "What decisions cost"] if task == "classification" else []
    told += ["Fairness", "What it relies on", "When values are missing", "Size and time"]
    assert headings == [f"## {each}" for each in told]
    text = "\n".join(written)
    for words in (
        "harbour = Cork (protected)",
        "harbour = Cork",
        "| level |",
        "`wind` everywhere",
        "size of model.onnx",
    ):
        assert words in text, words
    assert ("selection rate is" in text) == (task == "classification")
    assert ("| always 1 |" in text) == (task == "classification")


# --- figures against references --------------------------------------------------------------------------------
@pytest.mark.parametrize(("one", "other"), [(6, 16), (0, 0), (5, 5), (121, 59), (1, 0), (3, 4)])
def test_mcnemars_exact_test_is_the_binomial_one(one: int, other: int) -> None:
    found = paired.mcnemar(one, other)
    exact = stats.binomtest(one, one + other, 0.5).pvalue if one + other else 1.0
    assert found["exact_p"] == pytest.approx(exact)
    assert found["mid_p"] <= found["exact_p"]


def test_mcnemar_agrees_with_a_published_table() -> None:
    # Bentur et al. 2009, as analysed by Fagerland, Lydersen and Laake 2013 (table 5): 1 and 7 discordant pairs.
    found = paired.mcnemar(1, 7)
    assert found["exact_p"] == pytest.approx(0.0703, abs=5e-5)
    assert found["mid_p"] == pytest.approx(0.0391, abs=5e-5)


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (7, 20), (20, 20), (150, 1000)])
def test_wilsons_interval_is_scipys(hits: int, rows: int) -> None:
    low, high = wilson(np.array([hits]), np.array([rows]))
    reference = stats.binomtest(hits, rows).proportion_ci(method="wilson")
    assert (low[0], high[0]) == (pytest.approx(reference.low), pytest.approx(reference.high))


def test_delongs_variance_is_that_of_the_definition() -> None:
    random = np.random.default_rng(3)
    target = (random.random(60) < 0.4).astype(float)
    scores = np.round(random.normal(size=60) + target, 1)
    above, below = scores[target == 1], scores[target == 0]
    wins = (above[:, None] > below[None]) + 0.5 * (above[:, None] == below[None])
    by_hand = wins.mean(axis=1).var(ddof=1) / len(above) + wins.mean(axis=0).var(ddof=1) / len(below)
    assert auc_variance(target, scores) == pytest.approx(by_hand)
    low, high = auc_interval(target, scores)
    assert low is not None
    assert high is not None
    assert 0 < low < wins.mean() < high < 1


def test_a_replicate_sums_rows_drawn_with_replacement() -> None:
    sums = replicated(np.column_stack([np.arange(200.0), np.ones(200)]), Resampling(seed=2, replicates=4000))
    assert (sums[:, 1] == 200).all()
    means = sums[:, 0] / 200
    assert means.mean() == pytest.approx(99.5, abs=0.5)
    assert means.std() == pytest.approx(np.arange(200).std() / np.sqrt(200), rel=0.05)


def test_blocks_of_equal_rows_are_as_many_proofs_as_there_are_blocks() -> None:
    values = np.repeat(np.random.default_rng(5).normal(size=100), 10)[:, None]
    alone = replicated(values, Resampling(seed=1, block=1)).std()
    together = replicated(values, Resampling(seed=1, block=10)).std()
    assert together / alone == pytest.approx(np.sqrt(10), rel=0.15)


def test_an_interval_covers_the_true_metric_as_often_as_it_says() -> None:
    covered, trials = 0, 200
    for seed in range(trials):
        random = np.random.default_rng(seed)
        target, predictions = random.normal(size=150), np.zeros(150)
        found = intervals("regression", target, predictions, None, Resampling(seed, replicates=400))["rmse"]
        covered += found["low"] <= 1.0 <= found["high"]
    # 95 % of 200, less what three standard errors, and the percentile method with 150 rows, may take.
    assert 0.88 <= covered / trials <= 1.0


def test_a_paired_comparison_sees_what_two_intervals_would_not() -> None:
    random = np.random.default_rng(7)
    hard = random.exponential(size=500)
    change = paired.improvement("classification", 0.97 * hard, hard, HOW, 0.95)
    assert change is not None
    assert change["estimate"] == pytest.approx(0.03)
    assert change["lower"] == pytest.approx(0.03)
    assert paired.improvement("classification", hard, np.zeros(500), HOW, 0.95) is None


def test_calibration_of_a_calibrated_and_of_an_overconfident_model() -> None:
    random = np.random.default_rng(11)
    chance = random.random(20_000)
    target = (random.random(20_000) < chance).astype(float)
    honest = calibration(target, chance)
    assert honest["expected_error"] < 0.02
    parts = honest["brier"]
    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within_bins"]
    assert whole == pytest.approx(parts["score"]) == pytest.approx(float(((chance - target) ** 2).mean()))
    sure = calibration(target, np.where(chance > 0.5, 0.99, 0.01))
    assert sure["expected_error"] > 0.2


def test_the_cost_of_decisions_is_what_they_come_to() -> None:
    random = np.random.default_rng(12)
    chance = random.random(20_000)
    target = (random.random(20_000) < chance).astype(float)
    costs = Costs(false_positive=1, false_negative=4)
    answers = {"candidate": chance, "baseline": np.full(20_000, target.mean()), "champion": chance**3}
    found = decisions(target, answers, costs, HOW, 0.95)
    told = chance >= 0.2
    paid = (told & (target == 0)).sum() + 4 * (~told & (target == 1)).sum()
    assert found["cost"] == pytest.approx(paid / 20_000)
    assert found["low"] < found["cost"] < found["high"]
    assert found["high"] - found["low"] < 0.05
    # Uniform probabilities p, cut at t: the integrals of 1 - p above it and 4 p below it.
    assert found["cost"] == pytest.approx((1 - 0.2) ** 2 / 2 + 4 * 0.2**2 / 2, abs=0.02)
    assert found["others"]["never"]["cost"] == pytest.approx(4 * target.mean())
    assert found["others"]["always"]["cost"] == pytest.approx((1 - target).mean())
    assert found["others"]["baseline"]["cost"] == found["others"]["always"]["cost"]  # its 0.5 is above 0.2
    assert found["others"]["champion"]["improvement"]["lower"] > 0
    # What is calibrated is cheapest at the recipe's threshold; its third power, at 0.2 to the third.
    assert found["least"]["threshold"] == pytest.approx(0.2, abs=0.05)
    swapped = decisions(target, {**answers, "candidate": chance**3}, costs, HOW, 0.95)
    assert swapped["least"]["threshold"] < 0.05
    assert swapped["least"]["cost"] < swapped["cost"]


def test_four_fifths_and_equalised_odds() -> None:
    rows = {"sex": np.repeat(np.array(["f", "m"]), 100), "full": np.tile([1.0, 0.0], 100)}
    predictions = np.concatenate([np.tile([0.9, 0.1], 50)[:100] * 1.0, np.tile([0.9, 0.9], 50)])
    (found,) = fairness(project(), rows, predictions, 0.5)
    assert found["selection_ratio"] == pytest.approx(0.5)
    assert found["true_positive_difference"] == 0.0
    assert found["false_positive_difference"] == 1.0
    assert [group["selection_rate"] for group in found["groups"]] == [0.5, 1.0]


def test_a_group_too_small_to_judge_is_told_but_does_not_count() -> None:
    rows = {"sex": np.array(["f"] * 100 + ["m"] * 5), "full": np.tile([1.0, 0.0], 53)[:105]}
    (found,) = fairness(project(), rows, np.full(105, 0.9), 0.5)
    assert [group["counts"] for group in found["groups"]] == [True, False]
    assert found["selection_ratio"] is None


def test_every_row_is_in_one_slice_of_a_column() -> None:
    random = np.random.default_rng(0)
    number = random.normal(size=500).astype(np.float32)
    number[:20] = np.nan
    text = random.choice([f"c{n}" for n in range(60)], 500)
    text[:10] = ""
    for column in (number, text, np.round(number)):
        inside = np.array([where for _, where in slices.members(column, 4)])
        assert (inside.sum(axis=0) == 1).all()
    assert [name for name, _ in slices.members(number, 4)][-1] == slices.MISSING


def rows_of(count: int = 800) -> dict[str, Any]:
    random = np.random.default_rng(4)
    level = random.normal(size=count).astype(np.float32)
    harbour = random.choice(["Brest", "Cork"], count)
    target = (random.random(count) < 1 / (1 + np.exp(-2 * level))).astype(float)
    return {"level": level, "harbour": harbour, "full": target}


def answer(rows: dict[str, Any]) -> Any:
    return 1 / (1 + np.exp(-2 * np.nan_to_num(rows["level"].astype(np.float64))))


def test_what_a_model_does_not_use_is_of_no_importance() -> None:
    found = importance(project(), rows_of(), answer, seed=1)
    used, unused = found["features"]
    assert (used["feature"], unused["feature"]) == ("level", "harbour")
    assert used["mean"] > 0.2
    assert (unused["mean"], unused["sd"]) == (0.0, 0.0)
    assert found == importance(project(), rows_of(), answer, seed=1)


def test_robustness_tells_what_missing_values_cost() -> None:
    found = robustness(project(), rows_of(), answer, seed=1)
    (level,) = found["features"]
    assert level["missing"] == "level"
    assert level["value"] == pytest.approx(np.log(2))
    assert level["worsening"] > found["at_random"]["worsening"] > 0


def test_latency_is_in_milliseconds() -> None:
    ticks = itertools.count(step=2_000_000).__next__
    found = latency(rows_of(), answer, ticks)
    assert (found["p50_ms"], found["p95_ms"]) == (2.0, 2.0)
