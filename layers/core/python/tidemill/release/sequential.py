"""A confidence sequence for the difference of two means: an interval that may be looked at as often as one likes.

Robbins' normal mixture (Ann. Math. Statist. 41, 1970; Howard, Ramdas, McAuliffe, Sekhon, Ann. Statist. 49,
2021, eq. 3.7) in the asymptotic form of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (arXiv 2103.06476v7: eq. 9
for the interval, eq. 161 for the mixture), applied to two samples as GrowthBook documents for its sequential
tests: with the standard error of Welch's difference and the number of units of both arms. The chance that the
interval *ever* excludes the true difference is at most alpha, so stopping at a look of one's choice inflates
nothing.
"""

import math
from dataclasses import dataclass

# Units of both arms together at which the interval is tightest. Elsewhere it is as valid and a little wider: at
# ten times fewer or more units by less than a third of what the best choice for that number would give.
TIGHTEST_AT = 500


@dataclass(frozen=True)
class Sample:
    """Units of one arm: how many, their mean loss, and its unbiased variance (0 for fewer than two)."""

    units: int
    mean: float
    variance: float


@dataclass(frozen=True)
class Interval:
    """The difference of means with its bounds, in units of the loss."""

    difference: float
    lower: float
    upper: float


def mixture(alpha: float, tightest_at: float = TIGHTEST_AT) -> float:
    """The mixture's parameter rho that makes the interval tightest at that number of units (eq. 161)."""
    return math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tightest_at)


def half_width(standard_error: float, units: int, alpha: float, tightest_at: float = TIGHTEST_AT) -> float:
    """Half the width of the interval around an estimate from `units` units with that standard error (eq. 9)."""
    spread = units * mixture(alpha, tightest_at) ** 2
    return standard_error * math.sqrt(2 * (spread + 1) / spread * math.log(math.sqrt(spread + 1) / alpha))


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
