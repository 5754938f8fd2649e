"""Sample-ratio mismatch: reference values, and what repeated looks do."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln

from tidemill.release.sample_ratio import FOCUS, P_LIMIT, chi_squared_p, sequential_p


def test_chi_squared_is_growthbooks() -> None:
    # gbstats, tests/test_gbstats.py, test_srm: [1000, 1200] at equal weights.
    assert round(chi_squared_p(1200, 1000, 0.5), 9) == 0.000020079


def test_corrected_for_continuity_it_is_tea_tastings() -> None:
    # tea-tasting, SampleRatio, example of the docstring: 2023 and 1977 at equal weights, p = 0.477.
    assert round(chi_squared_p(2023, 1977, 0.5, corrected=True), 3) == 0.477
    assert chi_squared_p(10, 10, 0.5, corrected=True) == 1


@pytest.mark.parametrize(
    ("challenger", "champion", "weight"), [(10, 90, 0.1), (30, 90, 0.1), (0, 7, 0.5), (5, 0, 0.3)]
)
def test_chi_squared_is_scipys(challenger: int, champion: int, weight: float) -> None:
    total = challenger + champion
    expected = stats.chisquare([challenger, champion], [total * weight, total * (1 - weight)]).pvalue
    assert chi_squared_p(challenger, champion, weight) == pytest.approx(expected)


@pytest.mark.parametrize(("challenger", "champion", "weight"), [(40, 160, 0.1), (0, 100, 0.1), (700, 300, 0.5)])
def test_the_sequential_p_is_the_inverse_bayes_factor_of_a_uniform_prior(
    challenger: int, champion: int, weight: float
) -> None:
    null = challenger * np.log(weight) + champion * np.log(1 - weight)
    expected = np.exp(null - betaln(challenger + 1, champion + 1))
    assert sequential_p(challenger, champion, weight, focus=0) == pytest.approx(min(1, expected))


@pytest.mark.parametrize(("challenger", "champion", "weight"), [(40, 160, 0.1), (0, 100, 0.1), (1100, 900, 0.5)])
def test_half_of_the_mixture_lies_near_the_weight(challenger: int, champion: int, weight: float) -> None:
    likelihood = stats.binom(challenger + champion, weight).pmf(challenger)
    mixed = [
        stats.betabinom(challenger + champion, *shape).pmf(challenger)
        for shape in ((1, 1), (FOCUS * weight, FOCUS * (1 - weight)))
    ]
    expected = likelihood / np.mean(mixed)
    assert sequential_p(challenger, champion, weight) == pytest.approx(min(1, expected))


def test_nothing_seen_is_no_mismatch() -> None:
    assert sequential_p(0, 0, 0.1) == chi_squared_p(0, 0, 0.1) == 1


def test_huge_counts_neither_overflow_nor_underflow() -> None:
    assert sequential_p(10**8, 9 * 10**8, 0.1) == 1
    assert sequential_p(2 * 10**8, 8 * 10**8, 0.1) == 0


def test_1100_of_2000_is_a_mismatch_and_1000_is_none() -> None:
    assert sequential_p(1100, 900, 0.5) < P_LIMIT < sequential_p(1100, 900, 0.5, focus=0)
    assert sequential_p(1000, 1000, 0.5) == 1


def test_a_lost_arm_is_found_soon() -> None:
    assert sequential_p(0, 120, 0.1) < P_LIMIT
    assert sequential_p(12, 108, 0.1) == 1


def test_repeated_looks_keep_their_promise_where_chi_squared_does_not() -> None:
    rng = np.random.default_rng(11)
    limit, runs = 0.05, 1000
    counts = (rng.random((runs, 2000)) < 0.3).cumsum(axis=1)
    looks = range(20, 2000, 20)
    sequential = np.mean(
        [min(sequential_p(int(c[n]), n + 1 - int(c[n]), 0.3) for n in looks) < limit for c in counts]
    )
    repeated = np.mean(
        [min(chi_squared_p(int(c[n]), n + 1 - int(c[n]), 0.3) for n in looks) < limit for c in counts]
    )
    assert sequential <= limit < repeated
