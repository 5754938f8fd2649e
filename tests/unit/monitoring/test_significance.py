"""Tail probabilities against scipy and against published tables."""

import numpy as np
import pytest
from scipy import special, stats

from tidemill.monitoring.significance import (
    benjamini_hochberg,
    chi2_sf,
    kolmogorov_sf,
    kolmogorov_smirnov_p,
)


@pytest.mark.parametrize("x", [0.2, 0.4, 0.7, 1.0, 1.17, 1.18, 1.19, 1.5, 2.0, 3.0, 6.0])
def test_kolmogorov_is_scipys(x: float) -> None:
    assert kolmogorov_sf(x) == pytest.approx(special.kolmogorov(x), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("critical", "alpha"), [(1.07275, 0.20), (1.22385, 0.10), (1.35810, 0.05), (1.51743, 0.02), (1.62762, 0.01)]
)
def test_kolmogorov_has_the_tabulated_critical_values(critical: float, alpha: float) -> None:
    """Smirnov (1948), Ann. Math. Stat. 19, and every table since."""
    assert kolmogorov_sf(critical) == pytest.approx(alpha, abs=2e-6)


def test_kolmogorov_is_certain_at_zero() -> None:
    assert kolmogorov_sf(0) == 1.0


@pytest.mark.parametrize(("n", "m"), [(300, 200), (500, 300), (100_000, 2_000)])
@pytest.mark.parametrize("scaled", [0.9, 1.2, 1.6, 2.2])
def test_the_two_sample_p_value_is_near_scipys(n: int, m: int, scaled: float) -> None:
    d = scaled / np.sqrt(n * m / (n + m))
    assert kolmogorov_smirnov_p(d, n, m) == pytest.approx(stats.kstwo.sf(d, round(n * m / (n + m))), abs=0.01)


def test_nothing_is_significant_without_rows() -> None:
    assert kolmogorov_smirnov_p(1.0, 0, 10) == 1.0


@pytest.mark.parametrize("df", [1, 2, 5, 30, 200])
@pytest.mark.parametrize("x", [0.01, 0.5, 1, 4, 10, 31, 32, 60, 200, 400])
def test_chi2_is_scipys(df: int, x: float) -> None:
    assert chi2_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    ("df", "critical", "alpha"),
    [(1, 3.841, 0.05), (1, 6.635, 0.01), (5, 11.070, 0.05), (10, 18.307, 0.05), (30, 50.892, 0.01)],
)
def test_chi2_has_the_tabulated_critical_values(df: int, critical: float, alpha: float) -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.4."""
    assert chi2_sf(critical, df) == pytest.approx(alpha, abs=2e-5)


def test_chi2_without_freedom_or_difference_says_nothing() -> None:
    assert chi2_sf(12.0, 0) == 1.0
    assert chi2_sf(0.0, 3) == 1.0


THROMBOLYSIS = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459),
    *(0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
]


def test_benjamini_hochberg_finds_the_four_of_its_paper() -> None:
    """Benjamini & Hochberg (1995), section 3.2: at 0.05, the first four of fifteen hypotheses are rejected."""
    adjusted = benjamini_hochberg(THROMBOLYSIS)
    assert [q < 0.05 for q in adjusted] == [True] * 4 + [False] * 11


def test_benjamini_hochberg_is_scipys_in_any_order() -> None:
    shuffled = np.random.default_rng(3).permutation(THROMBOLYSIS)
    assert benjamini_hochberg(shuffled.tolist()) == pytest.approx(stats.false_discovery_control(shuffled))
    assert benjamini_hochberg([]) == []
