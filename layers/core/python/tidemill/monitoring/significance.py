"""Tail probabilities and the correction for many tests, in plain Python: no scipy in the monitoring functions.

Called by `tidemill.monitoring.drift`; writes nothing.
"""

import math
from collections.abc import Sequence

_TERMS = 500
_PRECISE = 1e-15


def kolmogorov_sf(x: float) -> float:
    """P(K > x) of the Kolmogorov distribution, the limit of sqrt(n) D.

    The alternating series of Kolmogorov (1933) above 1.18, its theta-function transform below (Press et al.,
    Numerical Recipes, section 6.14.12): there each needs few terms.
    """
    if x <= 0:
        return 1.0
    if x < 1.18:
        terms = (math.exp(-(((2 * k - 1) * math.pi / x) ** 2) / 8) for k in range(1, 20))
        return 1 - math.sqrt(2 * math.pi) / x * sum(terms)
    return 2 * math.fsum((-1.0) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 20))


def kolmogorov_smirnov_p(statistic: float, n: int, m: int) -> float:
    """Asymptotic two-sided p-value of the two-sample Kolmogorov-Smirnov `statistic` of samples of `n` and `m`.

    With the effective size e = nm/(n+m), and Stephens's (1970, J. R. Stat. Soc. B 32) factor for small samples,
    sqrt(e) + 0.12 + 0.11/sqrt(e). Ties make it conservative: the true p-value is at most about this.
    """
    if n == 0 or m == 0:
        return 1.0
    root = math.sqrt(n * m / (n + m))
    return kolmogorov_sf((root + 0.12 + 0.11 / root) * statistic)


def chi2_sf(statistic: float, df: int) -> float:
    """P(X > statistic) of the chi-squared distribution with `df` degrees of freedom: Q(df/2, statistic/2)."""
    if df <= 0 or statistic <= 0:
        return 1.0
    return _upper_gamma(df / 2, statistic / 2)


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the false discovery rate (Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57),
    in the order given: those below alpha are the discoveries at level alpha."""
    adjusted = [1.0] * len(p_values)
    least = 1.0
    descending = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    for passed, i in enumerate(descending):
        least = min(least, p_values[i] * len(p_values) / (len(p_values) - passed))
        adjusted[i] = least
    return adjusted


def _upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x) (Press et al., Numerical Recipes, section 6.2)."""
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    return max(0.0, 1 - scale * _series(a, x)) if x < a + 1 else scale * _continued_fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for k in range(1, _TERMS):
        term *= x / (a + k)
        total += term
        if term < total * _PRECISE:
            break
    return total


def _continued_fraction(a: float, x: float) -> float:
    """Lentz's evaluation of the fraction for Q; its denominators stay positive where x >= a + 1."""
    b = x + 1 - a
    c = math.inf
    d = total = 1 / b
    for k in range(1, _TERMS):
        weight = -k * (k - a)
        b += 2
        d = 1 / (weight * d + b)
        c = b + weight / c
        total *= d * c
        if abs(d * c - 1) < _PRECISE:
            break
    return total
