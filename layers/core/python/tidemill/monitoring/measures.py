"""How far apart two column profiles are: the population stability index, Kolmogorov-Smirnov's D, chi-squared.

Called by `tidemill.monitoring.drift`; writes nothing. The forms of a profile are in `tidemill.data.profile`.

- PSI: the sum over bins of (a - e) ln(a/e), with e and a the shares of reference and current rows (Siddiqi 2006,
  "Credit Risk Scorecards": below 0.1 stable, to 0.25 some shift, above a large one). Numeric bins are deciles of
  the reference, the outer ones open; a value that alone holds a tenth of the rows is a bin of its own. Each
  category is a bin, rare ones share bins. Missing is a bin. Half a row is added to every bin (Krichevsky &
  Trofimov 1981), so that an empty one counts as rare, not as impossible.
- D: the largest difference of the distribution functions, missing taken as below every number. A profile brackets
  its function between two edges; D is the largest difference that is certain. The D of the rows is at most 1/255
  more for rows against a profile, 2/255 for two profiles, and the same where all values (at most 256) were kept.
- Chi-squared: the test of homogeneity of two rows of counts (Pearson 1900); cells that expect fewer than 5 are
  pooled (Cochran 1954, Biometrics 10).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.data.profile import Profile
from tidemill.monitoring.significance import chi2_sf, kolmogorov_smirnov_p

Array = NDArray[Any]
BINS = 10
RARE = 0.02  # share of the reference's rows below which categories share PSI bins
LEAST_EXPECTED = 5


class Measure(NamedTuple):
    """Effect (`psi`) and evidence (`statistic`, `p_value`) of one column's difference."""

    psi: float
    statistic: float
    p_value: float


def numeric(reference: Profile, current: Profile) -> Measure:
    """PSI over the reference's deciles, and the two-sample Kolmogorov-Smirnov test."""
    bins = psi_bins(reference)
    expected = np.append(np.bincount(bins, weights=_reference_cells(reference)), reference["missing"])
    actual = np.append(np.bincount(bins, weights=_current_cells(reference, current)), current["missing"])
    d = ks_statistic(reference, current)
    return Measure(psi(expected, actual), d, kolmogorov_smirnov_p(d, rows(reference), rows(current)))


def category(reference: Profile, current: Profile) -> Measure:
    """PSI over the categories, and the chi-squared test of homogeneity."""
    expected, actual = category_counts(reference, current)
    statistic, df = chi2_homogeneity(expected, actual)
    return Measure(psi(*_grouped(expected, actual)), statistic, chi2_sf(statistic, df))


def psi(expected: Array, actual: Array, *, pseudo_count: float = 0.5) -> float:
    """The population stability index of two arrays of counts over the same bins."""
    e = (expected + pseudo_count) / (expected.sum() + pseudo_count * expected.size)
    a = (actual + pseudo_count) / (actual.sum() + pseudo_count * actual.size)
    return float(np.sum((a - e) * np.log(a / e)))


def psi_bins(profile: Profile) -> Array:
    """The PSI bin (0, 1, …) of each cell of a numeric reference. The 2k + 1 cells of k edges are, in order: below
    the first edge, at it, between it and the second, at the second, …, above the last."""
    counts = _reference_cells(profile)
    share = counts / max(counts.sum(), 1)
    decile = np.minimum(np.floor(BINS * (np.cumsum(share) - share) + 1e-9), BINS - 1)
    alone = share >= 1 / BINS
    alone[::2] = False  # only a single value, never a gap, is a bin of its own
    opens = (np.diff(decile) > 0) | alone[1:] | alone[:-1]
    return np.concatenate(([0], np.cumsum(opens)))


def ks_statistic(reference: Profile, current: Profile) -> float:
    """The largest certain difference of the two distribution functions."""
    points = np.union1d(reference["edges"], current["edges"])
    low_reference, high_reference = _bounds(reference, points)
    low_current, high_current = _bounds(current, points)
    return float(max(0.0, np.max(low_reference - high_current), np.max(low_current - high_reference)))


def chi2_homogeneity(reference: Array, current: Array) -> tuple[float, int]:
    """Statistic and degrees of freedom of the test that two arrays of counts over the same cells have one
    distribution; (0, 0) where nothing is left to test."""
    table = _pooled(np.vstack([reference, current]).astype(np.float64))
    totals = table.sum(axis=1)
    if table.shape[1] < 2 or not totals.all():
        return 0.0, 0
    expected = np.outer(totals, table.sum(axis=0)) / totals.sum()
    return float(np.sum((table - expected) ** 2 / expected)), table.shape[1] - 1


def category_counts(reference: Profile, current: Profile) -> tuple[Array, Array]:
    """Counts of both over the values that both know, then one cell for all others, then missing. A value that one
    side does not name is known to it (as zero) if it has no tail where the value could be."""
    sides = reference, current
    known = [
        value
        for value in {**reference["values"], **current["values"]}
        if all(value in side["values"] or not side["tail"] for side in sides)
    ]
    named = [[side["values"].get(value, 0) for value in known] for side in sides]
    before, after = (
        np.array([*counts, side["count"] - sum(counts), side["missing"]], dtype=np.float64)
        for side, counts in zip(sides, named, strict=True)
    )
    return before, after


def rows(profile: Profile) -> int:
    """How many rows a column's profile stands for."""
    return int(profile["count"]) + int(profile["missing"])


def missing_rate(profile: Profile) -> float:
    """The share of rows without a value."""
    return float(profile["missing"]) / max(rows(profile), 1)


def _grouped(expected: Array, actual: Array) -> tuple[Array, Array]:
    """The counts over PSI bins. Cells rare in the reference, in the order they come, share bins of about RARE of
    its rows, and those it never saw share one: with a bin for each of hundreds, chance alone would make PSI large.
    The last two cells, all others and missing, stay bins of their own."""
    share = expected / max(expected.sum(), 1)
    rare = share < RARE
    rare[-2:] = False
    bins = np.arange(expected.size, dtype=np.float64)
    seen = np.where(rare, share, 0)
    bins[rare] = -1 - np.floor((np.cumsum(seen) - seen) / RARE)[rare]
    bins[rare & (expected == 0)] = expected.size
    _, place = np.unique(bins, return_inverse=True)
    return np.bincount(place, weights=expected), np.bincount(place, weights=actual)


def _reference_cells(profile: Profile) -> Array:
    counts = np.zeros(2 * len(profile["edges"]) + 1)
    counts[:-1:2], counts[1::2] = profile["below"], profile["at"]
    return counts


def _current_cells(reference: Profile, current: Profile) -> Array:
    """The current counts over the reference's cells; what lies between two current edges counts at the middle."""
    edges = np.asarray(current["edges"], dtype=np.float64)
    middles = (np.concatenate((edges[:1], edges[:-1])) + edges) / 2
    values, weights = np.concatenate((edges, middles)), np.concatenate((current["at"], current["below"]))
    marks = np.asarray(reference["edges"], dtype=np.float64)
    cells = 2 * np.searchsorted(marks, values) + np.isin(values, marks)
    return np.bincount(cells, weights=weights, minlength=2 * marks.size + 1)


def _bounds(profile: Profile, points: Array) -> tuple[Array, Array]:
    """Bounds of the distribution function, [2n + 1] each: just before each of n points, at each, and below all."""
    edges = np.asarray(profile["edges"], dtype=np.float64)
    total = max(rows(profile), 1)
    through = profile["missing"] + np.cumsum(np.add(profile["at"], profile["below"]))
    below = np.array([profile["missing"] / total])
    at = np.concatenate((below, through / total))  # [k + 1], from "at the edge before the first"
    before = np.append(through - np.asarray(profile["at"]), rows(profile)) / total  # [k + 1], to "after the last"
    place, hit = np.searchsorted(edges, points), np.isin(points, edges)
    through_gap, into_gap = before[place], at[place]
    here = at[np.minimum(place + 1, edges.size)]
    low = np.concatenate((np.where(hit, through_gap, into_gap), np.where(hit, here, into_gap), below))
    high = np.concatenate((through_gap, np.where(hit, here, through_gap), below))
    return low, high


def _pooled(table: Array) -> Array:
    """The table with its rarest cells merged, so that the smaller side expects LEAST_EXPECTED in each."""
    table = table[:, table.sum(axis=0) > 0]
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    cells = table.sum(axis=0)
    least = LEAST_EXPECTED * cells.sum() / max(float(table.sum(axis=1).min()), 1.0)
    if not np.any(cells < least):
        return table
    merged = max(int(np.sum(cells < least)), int(np.searchsorted(np.cumsum(cells), least)) + 1)
    return np.hstack([table[:, :merged].sum(axis=1, keepdims=True), table[:, merged:]])
