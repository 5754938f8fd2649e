"""The metrics, against scikit-learn and scipy."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from tidemill.training.metrics import best_constant, compare, losses, measure, roc_auc

probabilities = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
answers = st.lists(st.tuples(st.integers(0, 1), probabilities), min_size=2, max_size=60)
values = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=60)


@given(rows=answers, threshold=st.sampled_from([0.25, 0.5, 0.8]))
def test_classification_agrees_with_scikit_learn(rows: list[tuple[int, float]], threshold: float) -> None:
    target, chance = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    found, said = measure("classification", target, chance, threshold), chance >= threshold
    expected = {
        "log_loss": reference.log_loss(target, chance, labels=[0, 1]),
        "brier": reference.brier_score_loss(target, chance),
        "accuracy": reference.accuracy_score(target, said),
        "precision": reference.precision_score(target, said, zero_division=0),
        "recall": reference.recall_score(target, said, zero_division=0),
        "f1": reference.f1_score(target, said, zero_division=0),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if 0 < target.sum() < len(target):
        assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(target, chance))
    else:
        assert found["roc_auc"] is None


@given(rows=values)
def test_regression_agrees_with_scikit_learn(rows: list[tuple[float, float]]) -> None:
    target, said = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    found = measure("regression", target, said, None)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(target, said))
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(target, said))
    if np.ptp(target) > 1e-3:
        assert found["r2"] == pytest.approx(reference.r2_score(target, said), rel=1e-6)


def test_a_target_that_never_changes_has_no_r2_and_no_roc_curve() -> None:
    assert measure("regression", np.ones(4), np.arange(4.0), None)["r2"] is None
    assert roc_auc(np.ones(4), np.arange(4.0)) is None


def test_the_mean_of_the_losses_is_the_metric() -> None:
    random = np.random.default_rng(0)
    target, chance = random.integers(0, 2, 100).astype(float), random.random(100)
    by_task = {task: losses(task, target, chance).mean() for task in ("classification", "regression")}
    assert by_task["classification"] == pytest.approx(reference.log_loss(target, chance))
    assert by_task["regression"] ** 0.5 == pytest.approx(reference.root_mean_squared_error(target, chance))


@given(
    target=st.lists(st.integers(0, 1), min_size=2, max_size=50).filter(lambda t: 0 < sum(t) < len(t)),
    other=st.floats(0.001, 0.999),
)
def test_no_constant_has_less_log_loss_than_the_best_one(target: list[int], other: float) -> None:
    truth = np.array(target, dtype=float)
    best = losses("classification", truth, np.full(len(truth), best_constant(truth))).mean()
    assert best <= losses("classification", truth, np.full(len(truth), other)).mean() + 1e-12


@given(target=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), other=st.floats(-2e3, 2e3))
def test_no_constant_has_less_squared_error_than_the_best_one(target: list[float], other: float) -> None:
    truth = np.array(target)
    best = losses("regression", truth, np.full(len(truth), best_constant(truth))).mean()
    assert best <= losses("regression", truth, np.full(len(truth), other)).mean() + 1e-6


def test_the_paired_comparison_is_that_of_scipys_paired_t_test() -> None:
    random = np.random.default_rng(0)
    reference_losses = random.exponential(size=400)
    candidate = reference_losses + random.normal(-0.05, 0.3, 400)
    found, test = compare(candidate, reference_losses), stats.ttest_rel(candidate, reference_losses)
    assert found["rows"] == 400
    assert found["difference"] / found["standard_error"] == pytest.approx(test.statistic)
    interval = stats.norm.interval(0.95, found["difference"], found["standard_error"])
    assert (found["low"], found["high"]) == pytest.approx(interval)


def test_one_row_has_a_difference_but_no_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compare(np.array([1.0]), np.array([2.0])) == {
            "rows": 1,
            "difference": -1.0,
            "standard_error": None,
            "low": None,
            "high": None,
        }
