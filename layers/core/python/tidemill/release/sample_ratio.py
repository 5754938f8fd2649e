"""Sample-ratio mismatch: does the challenger get the share of requests that the alias was told to give it?

If not, something selects which requests are seen (lost captures, a failing arm, a stale alias), and no
comparison of the arms can be trusted.

The same test over the requests that have an outcome tells missing outcomes: if an outcome comes no matter which
arm answered, however late, then each that has come belongs to the challenger with the weight. That holds whatever
the delays are. A comparison of the shares so far has no such bound: they change with every outcome that comes.
"""

import math

P_LIMIT = 0.001
FOCUS = 100.0
"""Requests. With it 1,100 of 2,000 requests at equal weights are a mismatch (p = 0.0005); without, not yet."""


def sequential_p(challenger: int, champion: int, weight: float, *, focus: float = FOCUS) -> float:
    """An always-valid p-value of the hypothesis that each request went to the challenger with that weight.

    The inverse of the likelihood ratio of a mixture over other weights against `weight` (Robbins, 1970; for this
    use Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022). By Ville's
    inequality the chance that it *ever* falls below p is at most p, however often one looks; a chi-squared test
    repeated at each look has no such bound. Half of the mixture is uniform and finds a lost arm at once; the other
    half is a beta distribution that knows as much as `focus` requests at `weight`, and finds small mismatches
    sooner. With a focus of 0 all of it is uniform.
    """
    expected = challenger * math.log(weight) + champion * math.log1p(-weight)
    uniform = _log_beta(challenger + 1, champion + 1) - expected
    if not focus:
        return min(1.0, math.exp(min(0.0, -uniform)))
    ours, theirs = focus * weight, focus * (1 - weight)
    near = _log_beta(ours + challenger, theirs + champion) - _log_beta(ours, theirs) - expected
    most = max(uniform, near)
    mixture = most + math.log(0.5 * (math.exp(uniform - most) + math.exp(near - most)))
    return min(1.0, math.exp(min(0.0, -mixture)))


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)


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
