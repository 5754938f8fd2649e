"""Sample-ratio mismatch: does the challenger get the share of requests that the alias was told to give it?

If not, something selects which requests are seen (lost captures, a failing arm, a stale alias), and no
comparison of the arms can be trusted.

The same test over the requests that have an outcome tells missing outcomes: if an outcome comes no matter which
arm answered, however late, then each that has come belongs to the challenger with the weight. That holds whatever
the delays are. A comparison of the shares so far has no such bound: they change with every outcome that comes.
"""

import math

P_LIMIT = 0.001


def sequential_p(challenger: int, champion: int, weight: float) -> float:
    """An always-valid p-value of the hypothesis that each request went to the challenger with that weight.

    The inverse of the likelihood ratio of a uniform mixture over all weights against `weight` (Robbins, 1970; for
    this use Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022). By Ville's
    inequality the chance that it *ever* falls below p is at most p, however often one looks; a chi-squared test
    repeated at each look has no such bound.
    """
    beta = math.lgamma(challenger + 1) + math.lgamma(champion + 1) - math.lgamma(challenger + champion + 2)
    expected = challenger * math.log(weight) + champion * math.log1p(-weight)
    return min(1.0, math.exp(min(0.0, expected - beta)))


def chi_squared_p(challenger: int, champion: int, weight: float, *, corrected: bool = False) -> float:
    """Pearson's chi-squared test of the two counts against the weight, one degree of freedom (1 without requests).
    Valid for one look; recorded beside the other because it is the figure that people know. `corrected`: with the
    continuity correction of Yates (1934)."""
    total = challenger + champion
    if total == 0:
        return 1.0
    away = abs(challenger - total * weight)
    if corrected:
        away = max(0.0, away - 0.5)
    statistic = away**2 / (total * weight * (1 - weight))
    return math.erfc(math.sqrt(statistic / 2))
