"""A confidence sequence for the difference of two means: an interval that may be looked at as often as one likes.

Robbins' normal mixture (Ann. Math. Statist. 41, 1970; Howard, Ramdas, McAuliffe, Sekhon, Ann. Statist. 49,
2021, eq. 3.7) in the asymptotic form of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (arXiv 2103.06476v7: eq. 9
for the interval, eq. 161 for the mixture), applied to two samples as GrowthBook documents for its sequential
tests: with the standard error of Welch's difference and the number of units of both arms. The chance that the
interval *ever* excludes the true difference is at most alpha, so stopping at a look of one's choice inflates
nothing.

Where a covariate is known of each unit before it is assigned, the part of the loss that it foretells is taken out
first (CUPED; Deng, Xu, Kohavi, Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data", WSDM 2013, section 3.2). The adjusted difference has the same expectation, and its variance
is smaller by the squared correlation.
"""

import math
from dataclasses import dataclass, replace

# Units of both arms together at which the interval is tightest. Elsewhere it is as valid and a little wider: at
# ten times fewer or more units by less than a third of what the best choice for that number would give.
TIGHTEST_AT = 500


@dataclass(frozen=True)
class Covariate:
    """What is known of a covariate over the units of one arm: its mean, its unbiased variance, and its unbiased
    covariance with the loss."""

    mean: float
    variance: float
    covariance: float


@dataclass(frozen=True)
class Sample:
    """Units of one arm: how many, their mean loss, and its unbiased variance (0 for fewer than two); what the
    covariate says of them; the least and the most of their losses."""

    units: int
    mean: float
    variance: float
    covariate: Covariate | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Interval:
    """The difference of means with its bounds, in units of the loss."""

    difference: float
    lower: float
    upper: float


def mixture(alpha: float, tightest_at: float = TIGHTEST_AT) -> float:
    """The mixture's parameter rho that makes the interval tightest at that number of units (eq. 161)."""
    return math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tightest_at)


def half_width(standard_error: float, units: float, alpha: float, tightest_at: float = TIGHTEST_AT) -> float:
    """Half the width of the interval around an estimate from `units` units with that standard error (eq. 9)."""
    spread = units * mixture(alpha, tightest_at) ** 2
    return standard_error * math.sqrt(2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / alpha))


def guarded(challenger: Sample, champion: Sample, times: int = 1) -> tuple[Sample, Sample]:
    """Both samples with the variance that they would have if `times` more units had come out worst, and as many
    best, of all that either arm has seen.

    The asymptotic interval takes the sample's variance for the true one. Where much of the loss is in rare units
    (errors in a hundred, sure predictions that were wrong), a small arm has often seen none: its variance is far
    too small, and a worse challenger would be promoted many times as often as alpha says. Added observations are
    the remedy of Agresti and Coull (Amer. Statist. 52, 1998) for shares; they weigh less with every unit. As they
    are, where the extremes were not recorded.
    """
    ends = [(sample.least, sample.most) for sample in (challenger, champion)]
    least = [low for low, _ in ends if low is not None]
    most = [high for _, high in ends if high is not None]
    if len(least) < 2 or len(most) < 2:
        return challenger, champion

    def widened(sample: Sample) -> Sample:
        away = (max(most) - sample.mean) ** 2 + (sample.mean - min(least)) ** 2
        return replace(sample, variance=sample.variance + times * away / sample.units)

    return widened(challenger), widened(champion)


def slope(challenger: Sample, champion: Sample) -> float:
    """theta: by how much the loss changes with the covariate, within the arms and pooled over them (Deng et al.
    2013, eq. 4, with the pooled estimates of their section 3.4). 0 where there is nothing to learn it from."""
    covariance = variance = 0.0
    for sample in (challenger, champion):
        if sample.covariate and sample.units > 1:
            covariance += (sample.units - 1) * sample.covariate.covariance
            variance += (sample.units - 1) * sample.covariate.variance
    return covariance / variance if variance > 0 else 0.0


def adjusted(challenger: Sample, champion: Sample) -> tuple[Sample, Sample]:
    """Both samples with what the covariate foretells taken out. As they are, where one has no covariate."""
    ours, theirs = challenger.covariate, champion.covariate
    theta = slope(challenger, champion)
    if ours is None or theirs is None or theta == 0:
        return challenger, champion
    everywhere = (challenger.units * ours.mean + champion.units * theirs.mean) / (
        challenger.units + champion.units
    )

    def without(sample: Sample, covariate: Covariate) -> Sample:
        mean = sample.mean - theta * (covariate.mean - everywhere)
        spread = sample.variance - 2 * theta * covariate.covariance + theta**2 * covariate.variance
        return replace(sample, mean=mean, variance=max(0.0, spread), covariate=None)

    return without(challenger, ours), without(champion, theirs)


def difference(challenger: Sample, champion: Sample, alpha: float) -> Interval | None:
    """The interval for mean(challenger) - mean(champion). None while an arm has fewer than two units, or no
    unit differs from another: without a spread nothing can be said about the certainty."""
    if min(challenger.units, champion.units) < 2:
        return None
    squared_error = challenger.variance / challenger.units + champion.variance / champion.units
    if squared_error <= 0:
        return None
    gap = challenger.mean - champion.mean
    half = half_width(math.sqrt(squared_error), challenger.units + champion.units, alpha)
    return Interval(gap, gap - half, gap + half)
