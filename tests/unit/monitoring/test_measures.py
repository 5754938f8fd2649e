"""PSI, Kolmogorov-Smirnov and chi-squared of profiles, against scipy and against exact values."""

import math

import numpy as np
import pytest
from scipy import stats

from tidemill.data.profile import category_profile, numeric_profile
from tidemill.monitoring import measures


def whole(values: object) -> dict:
    return numeric_profile(np.asarray(values, dtype=float), edges=None)


def test_psi_by_hand() -> None:
    """(0.3 - 0.5) ln(0.3/0.5) + (0.4 - 0.3) ln(0.4/0.3) + (0.3 - 0.2) ln(0.3/0.2)"""
    by_hand = 0.102165 + 0.028768 + 0.040547
    counts = np.array([50.0, 30.0, 20.0]), np.array([30.0, 40.0, 30.0])
    assert measures.psi(*counts, pseudo_count=0) == pytest.approx(by_hand, abs=1e-5)


def test_psi_of_an_empty_bin_is_large_but_finite() -> None:
    value = measures.psi(np.array([100.0, 100.0]), np.array([200.0, 0.0]))
    assert 2 < value < 6


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 1.0])
def test_psi_of_two_normals_is_the_exact_one(shift: float) -> None:
    rng = np.random.default_rng(1)
    cuts = stats.norm.cdf(stats.norm.ppf(np.arange(1, 10) / 10) - shift)
    a, e = np.diff([0, *cuts, 1]), np.full(10, 0.1)
    exact = float(np.sum((a - e) * np.log(a / e)))
    reference, current = numeric_profile(rng.normal(size=200_000)), whole(rng.normal(shift, 1, 200_000))
    assert measures.numeric(reference, current).psi == pytest.approx(exact, rel=0.03, abs=0.001)


def test_psi_bins_are_deciles_with_heavy_values_apart() -> None:
    profile = whole(np.concatenate((np.zeros(500), np.arange(1, 501))))
    bins = measures.psi_bins(profile)
    cells = np.zeros(bins.size)
    cells[1::2] = profile["at"]
    assert np.bincount(bins, weights=cells).tolist() == [0, 500, 100, 100, 100, 100, 100]


def test_a_constant_reference_sees_values_on_either_side() -> None:
    reference = whole(np.full(100, 5.0))
    assert measures.numeric(reference, whole(np.full(100, 5.0))).psi == 0
    assert measures.numeric(reference, whole(np.full(100, 4.0))).psi > 1
    assert measures.numeric(reference, whole(np.full(100, 6.0))).psi > 1


@pytest.mark.parametrize("seed", range(10))
def test_d_of_few_values_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.poisson(3, 700), rng.poisson(3.3, 300)
    assert measures.ks_statistic(numeric_profile(a), whole(b)) == pytest.approx(stats.ks_2samp(a, b).statistic)


@pytest.mark.parametrize("seed", range(10))
def test_d_of_many_values_is_at_most_the_stated_bound_below_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=5_000), rng.normal(0.1 * seed, 1.1, 900)
    exact = stats.ks_2samp(a, b).statistic
    against_rows = measures.ks_statistic(numeric_profile(a), whole(b))
    against_profile = measures.ks_statistic(numeric_profile(a), numeric_profile(b))
    assert exact - 1 / 255 <= against_rows <= exact + 1e-12
    assert exact - 2 / 255 <= against_profile <= exact + 1e-12


def test_d_sees_values_between_two_of_the_reference() -> None:
    a, b = np.repeat([0.0, 10.0], [10, 90]), np.full(50, 5.0)
    assert measures.ks_statistic(numeric_profile(a), whole(b)) == pytest.approx(0.9)


def test_missing_is_below_every_number() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 9, 400).astype(float), rng.integers(0, 9, 300).astype(float)
    a[:40], b[:120] = np.nan, np.nan
    low = stats.ks_2samp(np.nan_to_num(a, nan=-1), np.nan_to_num(b, nan=-1)).statistic
    assert measures.ks_statistic(numeric_profile(a), whole(b)) == pytest.approx(low)
    assert measures.ks_statistic(numeric_profile(a), whole(np.full(9, np.nan))) == pytest.approx(0.9)


def test_chi2_is_scipys() -> None:
    before, after = np.array([120.0, 90.0, 40.0, 30.0]), np.array([60.0, 70.0, 25.0, 9.0])
    statistic, df = measures.chi2_homogeneity(before, after)
    expected = stats.chi2_contingency(np.vstack([before, after]), correction=False)
    assert (statistic, df) == (pytest.approx(expected.statistic), expected.dof)


def test_cells_that_expect_few_are_pooled() -> None:
    before, after = np.array([1000.0, 800.0, 3.0, 2.0, 1.0, 50.0]), np.array([100.0, 85.0, 1.0, 0.0, 1.0, 3.0])
    statistic, df = measures.chi2_homogeneity(before, after)
    pooled = stats.chi2_contingency([[1000, 800, 56], [100, 85, 5]], correction=False)
    assert (statistic, df) == (pytest.approx(pooled.statistic), 2)


def test_chi2_with_one_cell_or_one_side_tests_nothing() -> None:
    assert measures.chi2_homogeneity(np.array([10.0, 0.0]), np.array([20.0, 0.0])) == (0.0, 0)
    assert measures.chi2_homogeneity(np.array([10.0, 5.0]), np.zeros(2)) == (0.0, 0)


def test_values_of_the_tail_are_not_taken_for_new() -> None:
    reference = category_profile(np.array(["a"] * 90 + ["b"] * 6 + ["c"] * 4), top=2)
    current = category_profile(np.array(["a"] * 9 + ["c"]), top=None)
    before, after = measures.category_counts(reference, current)
    assert before.tolist() == [90, 6, 4, 0]
    assert after.tolist() == [9, 0, 1, 0]


def test_a_new_category_is_a_large_effect() -> None:
    reference = category_profile(np.array(["a", "b"] * 500))
    current = category_profile(np.array(["a", "b", "new", "new"] * 100), top=None)
    measure = measures.category(reference, current)
    assert measure.psi > 0.5 and measure.p_value < 1e-12


def test_hundreds_of_rare_categories_do_not_make_psi_large_by_chance() -> None:
    rng = np.random.default_rng(5)
    names = np.array([f"v{i:03d}" for i in range(150)])
    reference = category_profile(rng.choice(names, 50_000))
    current = category_profile(rng.choice(names, 500), top=None)
    each = measures.psi(*measures.category_counts(reference, current))
    assert each > 0.2 > 0.15 > measures.category(reference, current).psi


def test_missing_rate() -> None:
    assert measures.missing_rate(whole([1.0, math.nan, math.nan, 2.0])) == 0.5
    assert measures.missing_rate(whole([])) == 0.0
