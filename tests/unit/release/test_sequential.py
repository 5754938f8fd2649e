"""The confidence sequence: published values, and what it promises."""

import math

import numpy as np
import pytest

from tidemill.release.sequential import Sample, difference, half_width, mixture


def moments(total: float, squares: float, units: int) -> tuple[float, float]:
    mean = total / units
    return mean, (squares - total**2 / units) / (units - 1)


def relative_error(champion: tuple[float, float, int], challenger: tuple[float, float, int]) -> float:
    """The standard error of the relative difference by the delta method, on which the published values are."""
    (a, va, na), (b, vb, nb) = champion, challenger
    return math.sqrt(vb / nb / a**2 + va / na * b**2 / a**4)


def test_half_widths_are_growthbooks() -> None:
    # gbstats, tests/frequentist/test_tests.py, TestSequentialTTest: means, tuned for 1000 units, then proportions,
    # tuned for 5000. Its interval is around a relative difference of 0.50336, and of 0.50386.
    means = (*moments(1396.87, 52377.9767, 3000), 3000), (*moments(2422.7, 134698.29, 3461), 3461)
    half = half_width(relative_error(*means), 6461, 0.05, tightest_at=1000)
    assert (0.50336 - half, 0.50336 + half) == pytest.approx((-0.55844, 1.56516), abs=1.5e-5)
    shares = [(p, p * (1 - p), n) for p, n in ((1396 / 3000, 3000), (2422 / 3461, 3461))]
    half = half_width(relative_error(*shares), 6461, 0.05, tightest_at=5000)
    assert (0.50386 - half, 0.50386 + half) == pytest.approx((0.40098, 0.60675), abs=1.5e-5)


def test_the_interval_is_tightest_where_it_is_tuned_to_be() -> None:
    def width(tightest_at: float) -> float:
        return half_width(1, 800, 0.05, tightest_at)

    assert width(800) < min(width(400), width(1600))
    assert mixture(0.05, 800) == pytest.approx(mixture(0.05, 200) / 2)


@pytest.mark.parametrize("units", [50, 500, 5000])
def test_ten_times_off_costs_less_than_a_third(units: int) -> None:
    assert half_width(1, units, 0.05) < 4 / 3 * half_width(1, units, 0.05, tightest_at=units)


def test_the_difference_has_welchs_standard_error() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.5, 0.2, 40), rng.normal(0.6, 0.4, 300)
    samples = [Sample(x.size, float(x.mean()), float(x.var(ddof=1))) for x in (a, b)]
    interval = difference(*samples, alpha=0.05)
    assert interval is not None
    error = math.sqrt(a.var(ddof=1) / 40 + b.var(ddof=1) / 300)
    assert interval.difference == pytest.approx(a.mean() - b.mean())
    assert (interval.upper - interval.lower) / 2 == pytest.approx(half_width(error, 340, 0.05))


def test_without_a_spread_nothing_is_certain() -> None:
    assert difference(Sample(1, 0.5, 0.0), Sample(50, 0.4, 0.1), alpha=0.05) is None
    assert difference(Sample(50, 0.5, 0.0), Sample(50, 0.4, 0.0), alpha=0.05) is None


def losses(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Log losses of a fair classifier: skewed, as those of requests are."""
    probability = rng.beta(2, 2, shape)
    return -np.log(np.where(rng.random(shape) < probability, probability, 1 - probability))


def test_looking_all_the_time_does_not_inflate_errors() -> None:
    # A/A: 400 experiments with 10 % of 3000 requests in one arm, looked at 30 times each. A fixed-size interval
    # at the same looks is wrong several times as often as it says.
    rng = np.random.default_rng(20130101)
    experiments, requests, alpha = 400, 3000, 0.05
    values = losses(rng, (experiments, requests))
    challenger = rng.random((experiments, requests)) < 0.1
    always = np.zeros(experiments, dtype=bool)
    fixed = np.zeros(experiments, dtype=bool)
    for looked in range(100, requests + 1, 100):
        seen, arm = values[:, :looked], challenger[:, :looked]
        for number in range(experiments):
            one, other = seen[number][arm[number]], seen[number][~arm[number]]
            if one.size < 20:
                continue
            samples = [Sample(x.size, float(x.mean()), float(x.var(ddof=1))) for x in (one, other)]
            interval = difference(*samples, alpha=alpha)
            assert interval is not None
            always[number] |= not interval.lower <= 0 <= interval.upper
            error = math.sqrt(sum(sample.variance / sample.units for sample in samples))
            fixed[number] |= abs(interval.difference) > 1.96 * error
    assert always.mean() <= alpha
    assert fixed.mean() > 3 * alpha


def test_a_real_difference_is_found() -> None:
    interval = difference(Sample(300, 0.75, 0.09), Sample(2700, 0.6, 0.09), alpha=0.05)
    assert interval is not None
    assert interval.lower > 0
