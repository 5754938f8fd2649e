"""The metrics of named classes and their intervals, against scikit-learn and by their definitions."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from tidemill.training import class_metrics, metrics, outputs
from tidemill.training.evidence import class_intervals, paired
from tidemill.training.evidence.calibration import calibration
from tidemill.training.evidence.intervals import auc_variance
from tidemill.training.evidence.resampling import Resampling

TASK = "classification"
HOW = Resampling(seed=1)


@st.composite
def answered(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers, and probabilities for each class; ties and certainties among them."""
    classes, rows = draw(st.integers(2, 5)), draw(st.integers(2, 40))
    target = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    weight = st.floats(0.01, 1) | st.sampled_from([0.0, 0.5, 1.0])
    line = st.lists(weight, min_size=classes, max_size=classes).filter(lambda row: sum(row) > 0)
    weights = np.array(draw(st.lists(line, min_size=rows, max_size=rows)))
    return np.array(target, dtype=float), weights / weights.sum(axis=1, keepdims=True)


def many(rows: int = 600, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are true, and classes drawn by them."""
    random = np.random.default_rng(seed)
    chance = random.dirichlet(np.ones(classes), rows)
    return (chance.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1).astype(float), chance


@given(answered())
def test_metrics_agree_with_scikit_learn(rows: tuple[np.ndarray, np.ndarray]) -> None:
    target, chance = rows
    labels, said = range(chance.shape[1]), chance.argmax(axis=1)
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sums that miss 1 by rounding
        expected = {
            "log_loss": reference.log_loss(target, chance, labels=labels),
            "brier": reference.brier_score_loss(target, chance, labels=labels, scale_by_half=False),
            "accuracy": reference.accuracy_score(target, said),
            "precision": reference.precision_score(target, said, **macro),
            "recall": reference.recall_score(target, said, **macro),
            "f1": reference.f1_score(target, said, **macro),
        }
    found = metrics.measure(TASK, target, chance, None)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-9, abs=1e-9)
    if len(np.unique(target)) == chance.shape[1] > 2:
        area = reference.roc_auc_score(target, chance, multi_class="ovr", labels=labels)
        assert found["roc_auc"] == pytest.approx(area)
    elif len(np.unique(target)) < chance.shape[1]:
        assert found["roc_auc"] is None
    table = reference.confusion_matrix(target, said, labels=labels)
    np.testing.assert_array_equal(class_metrics.confusion(target, chance), table)
    assert metrics.losses(TASK, target, chance).mean() == pytest.approx(found["log_loss"])


@given(answered())
def test_two_named_classes_measure_as_0_and_1_do(rows: tuple[np.ndarray, np.ndarray]) -> None:
    target, chance = rows
    target, chance = np.minimum(target, 1), np.column_stack([1 - chance[:, 0], chance[:, 0]])
    chance = chance[chance[:, 1] != 0.5]  # there the threshold decides for 1, and the first of equals is 0
    target = target[: len(chance)]
    if not len(target):
        return
    one, two = (metrics.measure(TASK, target, said, None) for said in (chance[:, 1], chance))
    assert two["log_loss"] == pytest.approx(one["log_loss"])
    assert two["accuracy"] == one["accuracy"]
    assert two["brier"] == pytest.approx(2 * (one["brier"] or 0.0))
    assert two["roc_auc"] == pytest.approx(one["roc_auc"])


@given(rows=answered(), other=st.integers(0, 2**32 - 1))
def test_no_constant_has_less_log_loss_than_the_shares(rows: tuple[np.ndarray, np.ndarray], other: int) -> None:
    target, chance = rows
    names = [str(number) for number in range(chance.shape[1])]
    shares = metrics.best_constant(target, names)
    assert shares.sum() == pytest.approx(1)
    any_other = np.random.default_rng(other).dirichlet(np.ones(len(names)))
    best, drawn = (
        metrics.losses(TASK, target, outputs.repeated(answer, len(target))).mean()
        for answer in (shares, any_other)
    )
    assert best <= drawn + 1e-12


def test_a_resampled_metric_is_the_metric_of_the_resampled_rows() -> None:
    target, chance = many(80, 4)
    drawn = np.random.default_rng(1).integers(0, 80, (5, 80))
    sums = np.stack([class_intervals.contributions(target, chance)[rows].sum(axis=0) for rows in drawn])
    found = class_intervals.from_sums(sums)
    for number, rows in enumerate(drawn):
        expected = metrics.measure(TASK, target[rows], chance[rows], None)
        assert {name: values[number] for name, values in found.items()} == pytest.approx(
            {name: value for name, value in expected.items() if name != "roc_auc"}
        )


def test_the_area_of_two_classes_varies_as_delong_says() -> None:
    target, chance = many(400, 2)
    found = class_intervals.auc_variance(target, chance)
    assert found == pytest.approx(auc_variance(target, chance[:, 1]), rel=0.01)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    whole = many(200_000, 3, seed=9)
    truth = metrics.measure(TASK, *whole, None)
    hits: dict[str, int] = dict.fromkeys(truth, 0)
    draws = 200
    for draw in range(draws):
        target, chance = many(300, 3, seed=draw)
        found = class_intervals.intervals(target, chance, Resampling(seed=draw, replicates=200))
        for name, value in truth.items():
            hits[name] += found[name]["low"] <= value <= found[name]["high"]
    assert all(0.89 <= count / draws <= 0.99 for count in hits.values()), hits


def test_accuracy_has_wilsons_interval_unless_rows_are_in_blocks() -> None:
    target, chance = many()
    alone, blocks = (class_intervals.intervals(target, chance, Resampling(1, block)) for block in (1, 20))
    assert (alone["accuracy"]["method"], blocks["accuracy"]["method"]) == ("Wilson", "bootstrap")
    assert alone["roc_auc"]["method"] == "DeLong"
    assert alone["log_loss"]["low"] < metrics.measure(TASK, target, chance, None)["log_loss"]


def test_the_most_probable_class_is_as_sure_as_it_says_or_is_not() -> None:
    target, chance = many(20_000)
    honest = calibration(*outputs.reliability(target, chance))
    boastful = chance**3 / (chance**3).sum(axis=1, keepdims=True)
    assert honest["expected_error"] < 0.02
    assert calibration(*outputs.reliability(target, boastful))["expected_error"] > 0.1


def test_decisions_are_compared_by_the_most_probable_class() -> None:
    target, chance = many()
    random = np.random.default_rng(3).dirichlet(np.ones(3), len(target))
    found = paired.decisions(target, chance, random, None)
    right = [said.argmax(axis=1) == target for said in (chance, random)]
    assert found["only_candidate_right"] == (right[0] & ~right[1]).sum()
    assert found["only_reference_right"] == (right[1] & ~right[0]).sum()
    assert found["mid_p"] < 0.001


def test_a_class_that_a_model_never_heard_of_has_no_probability() -> None:
    answers = np.array([[0.2, 0.8], [0.9, 0.1]])
    told, asked = ("a", "b"), ("b", "new", "a")
    np.testing.assert_array_equal(outputs.among(answers, told, asked), [[0.8, 0, 0.2], [0.1, 0, 0.9]])
    assert outputs.among(answers, told, told) is answers
