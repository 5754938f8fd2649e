"""When a column counts as drifted: a large difference that is not chance."""

import json

import numpy as np
import pytest

from tidemill.data.profile import build_profile
from tidemill.monitoring.drift import FeatureDrift, compare, compare_profiles
from tidemill.projects import Kind

KINDS = {"x": Kind.NUMBER, "n": Kind.INTEGER, "c": Kind.CATEGORY, "t": Kind.TIMESTAMP}


def one(before: object, after: object, kind: Kind = Kind.NUMBER, **policy: float) -> FeatureDrift:
    reference = json.loads(json.dumps(build_profile({"x": np.asarray(before)}, {"x": kind})))
    return compare(reference, {"x": np.asarray(after)}, **{"psi_threshold": 0.2, "alpha": 0.01, **policy})[0]


def normal(count: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, count)


def test_a_large_difference_in_many_rows_is_drift() -> None:
    found = one(normal(5_000), normal(1_000, 1.0, seed=1))
    assert found.drifted and found.psi > 0.5 and found.q_value < 1e-9 and found.statistic_name == "ks"


def test_a_small_difference_is_none_however_significant() -> None:
    found = one(normal(100_000), normal(100_000, 0.1, seed=1))
    assert found.q_value < 1e-9 and found.psi < 0.2 and not found.drifted


def test_a_large_difference_of_few_rows_is_none_while_it_may_be_chance() -> None:
    found = one(normal(5_000), normal(12, 0.3, seed=4))
    assert found.psi > 0.2 and found.q_value > 0.01 and not found.drifted


def test_windows_of_the_same_kind_do_not_drift() -> None:
    reference = build_profile({"x": normal(20_000)}, {"x": Kind.NUMBER})
    found = [compare(reference, {"x": normal(500, seed=s)}, psi_threshold=0.2, alpha=0.01) for s in range(1, 101)]
    assert not any(column.drifted for columns in found for column in columns)


def test_missing_values_that_come_up_are_drift_of_numbers_and_categories() -> None:
    gone = np.where(np.arange(1_000) % 2, normal(1_000, seed=1), np.nan)
    number = one(normal(5_000), gone)
    assert number.drifted and (number.missing_reference, number.missing_current) == (0.0, 0.5)
    category = one(["a", "b"] * 500, ["a", ""] * 200, Kind.CATEGORY)
    assert category.drifted and category.missing_current == 0.5 and category.statistic_name == "chi2"


def test_rounding_to_float32_is_no_difference() -> None:
    values = np.random.default_rng(6).choice([0.1, 0.2, 0.7], 3_000)
    found = one(values, values[:900].astype(np.float32).astype(float))
    assert found.statistic < 0.05 and not found.drifted


def test_p_values_are_adjusted_for_the_columns_compared() -> None:
    before = {f"x{i}": normal(5_000, seed=i) for i in range(20)}
    after = {name: normal(200, seed=100 + i) for i, name in enumerate(before)}
    reference = build_profile(before, dict.fromkeys(before, Kind.NUMBER))
    found = compare(reference, after, psi_threshold=0.0, alpha=0.05)
    assert min(column.p_value for column in found) < 0.05  # chance alone finds something among twenty
    assert min(column.q_value for column in found) > 0.05
    assert not any(column.drifted for column in found)


def test_columns_that_cannot_be_compared_are_left_out() -> None:
    reference = build_profile(
        {"x": normal(50), "n": np.ones(50), "c": np.array(["a"] * 50), "t": np.array(["2026-01-01"] * 50)}, KINDS
    )
    rows = {"x": normal(9), "t": np.array(["2026-02-01"] * 9), "unknown": np.ones(9)}
    assert [column.feature for column in compare(reference, rows, psi_threshold=0.2, alpha=0.01)] == ["x"]
    other = build_profile(
        {"x": np.array(["a"]), "n": np.ones(9), "c": np.array(["a"] * 9)}, {**KINDS, "x": Kind.CATEGORY}
    )
    found = compare_profiles(reference, other, psi_threshold=0.2, alpha=0.01)
    assert [column.feature for column in found] == ["n", "c"]


@pytest.mark.parametrize("mean", [0.0, 0.3, 1.0])
def test_two_profiles_compare_like_rows_against_a_profile(mean: float) -> None:
    before, after = normal(8_000), normal(3_000, mean, seed=1)
    by_rows = one(before, after)
    profiles = [build_profile({"x": values}, {"x": Kind.NUMBER}) for values in (before, after)]
    by_profile = compare_profiles(*profiles, psi_threshold=0.2, alpha=0.01)[0]
    assert by_profile.psi == pytest.approx(by_rows.psi, abs=0.02)
    assert by_profile.statistic == pytest.approx(by_rows.statistic, abs=2 / 255)
    assert by_profile.drifted == by_rows.drifted


def test_no_rows_are_no_drift() -> None:
    assert not one(normal(100), np.array([])).drifted
