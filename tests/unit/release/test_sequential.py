"""The confidence sequence: published values, and what it promises."""

import math

import numpy as np
import pytest

from tidemill.release.sequential import (
    Covariate,
    Sample,
    adjusted,
    difference,
    guarded,
    half_width,
    mixture,
    slope,
)


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


def with_covariate(post: tuple[float, float], pre: tuple[float, float], products: float, units: int) -> Sample:
    covariance = (products - post[0] * pre[0] / units) / (units - 1)
    return Sample(units, *moments(*post, units), Covariate(*moments(*pre, units), covariance))


def test_an_adjusted_interval_is_growthbooks() -> None:
    # gbstats, TestSequentialTTest.test_sequential_test_runs_ra: relative to the champion's mean before adjustment.
    champion = with_covariate((1396.87, 52377.9767), (16.87, 527.9767), 1, 3000)
    challenger = with_covariate((2422.7, 134698.29), (22.7, 1348.29), 1, 3461)
    after = adjusted(challenger, champion)
    base = champion.mean
    gap = after[0].mean - after[1].mean
    (theirs, ours) = ((each.mean, each.variance, each.units) for each in reversed(after))
    half = half_width(relative_error(theirs, ours), 6461, 0.05, tightest_at=5000)
    assert gap / base == pytest.approx(0.50338, abs=1e-5)
    assert (gap / base - half, gap / base + half) == pytest.approx((-0.50969, 1.51646), abs=5e-5)


def test_the_adjustment_is_that_of_a_regression() -> None:
    rng = np.random.default_rng(7)
    arms, samples = [], []
    for units, shift in ((300, 0.1), (900, 0.0)):
        known = rng.normal(2, 1.5, units)
        lost = 0.8 * known + shift + rng.normal(0, 0.5, units)
        cross = np.cov(lost, known)
        covariate = Covariate(known.mean(), cross[1, 1], cross[0, 1])
        samples.append(Sample(units, lost.mean(), cross[0, 0], covariate))
        arms.append((known, lost))
    theta = slope(*samples)
    # Ordinary least squares of the loss on the arm and the covariate.
    known, lost = (np.concatenate([arm[part] for arm in arms]) for part in (0, 1))
    is_challenger = np.repeat([1.0, 0.0], [300, 900])
    effect, coefficient = np.linalg.lstsq(np.c_[is_challenger, known, np.ones(1200)], lost, rcond=None)[0][:2]
    assert theta == pytest.approx(coefficient)
    ours, theirs = adjusted(*samples)
    assert ours.mean - theirs.mean == pytest.approx(effect)
    own = arms[0][1] - theta * arms[0][0]
    assert ours.variance == pytest.approx(own.var(ddof=1))
    before, after = difference(samples[0], samples[1], 0.05), difference(ours, theirs, 0.05)
    assert before and after
    assert after.upper - after.lower < 0.5 * (before.upper - before.lower)


def test_a_covariate_that_says_nothing_or_is_of_one_arm_alone_changes_nothing() -> None:
    flat, plain = Sample(50, 0.4, 0.1, Covariate(3.0, 0.0, 0.0)), Sample(60, 0.5, 0.1)
    assert adjusted(flat, flat) == (flat, flat)
    told = Sample(50, 0.4, 0.1, Covariate(3.0, 1.0, 0.2))
    assert adjusted(told, plain) == (told, plain)


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


def running(values: np.ndarray, chosen: np.ndarray, looks: range) -> list[list[Sample]]:
    """The sample of the chosen requests of each experiment, at each look."""
    units = chosen.cumsum(axis=1)[:, looks]
    mean = (values * chosen).cumsum(axis=1)[:, looks] / units
    squares = (values**2 * chosen).cumsum(axis=1)[:, looks]
    variance = (squares - units * mean**2) / (units - 1)
    columns = zip(units.tolist(), mean.tolist(), variance.tolist(), strict=True)
    return [[Sample(*moment) for moment in zip(*column, strict=True)] for column in columns]


def test_looking_all_the_time_does_not_inflate_errors() -> None:
    # A/A: 2000 experiments with 10 % of 3000 requests in one arm, looked at 28 times, from about 30 requests in
    # the smaller arm on. A fixed-size interval at the same looks is wrong more than twice as often as it says.
    rng = np.random.default_rng(20130101)
    values = losses(rng, (2000, 3000))
    challenger = rng.random(values.shape) < 0.1
    looks = range(299, 3000, 100)
    always, fixed = 0, 0
    for pairs in zip(running(values, challenger, looks), running(values, ~challenger, looks), strict=True):
        intervals = [difference(one, other, alpha=0.05) for one, other in zip(*pairs, strict=True)]
        errors = [math.sqrt(a.variance / a.units + b.variance / b.units) for a, b in zip(*pairs, strict=True)]
        always += any(not i.lower <= 0 <= i.upper for i in intervals if i)
        fixed += any(abs(i.difference) > 1.96 * e for i, e in zip(intervals, errors, strict=True) if i)
    assert always / 2000 <= 0.05
    assert fixed / 2000 > 0.1


def test_a_real_difference_is_found() -> None:
    interval = difference(Sample(300, 0.75, 0.09), Sample(2700, 0.6, 0.09), alpha=0.05)
    assert interval is not None
    assert interval.lower > 0


def test_a_unit_is_added_at_either_end_of_what_both_arms_have_seen() -> None:
    ours, theirs = Sample(20, 0.0, 0.0, least=0.0, most=0.0), Sample(180, 0.02, 0.0196, least=0.0, most=1.0)
    safe = guarded(ours, theirs, 2)
    assert safe[0].variance == pytest.approx(2 * 1 / 20)
    assert safe[1].variance == pytest.approx(0.0196 + 2 * (0.98**2 + 0.02**2) / 180)
    assert [sample.mean for sample in safe] == [0.0, 0.02]
    unknown = Sample(20, 0.0, 0.0)
    assert guarded(unknown, theirs) == (unknown, theirs)
    same = Sample(50, 0.5, 0.0, least=0.5, most=0.5)
    assert difference(*guarded(same, same), 0.05) is None
