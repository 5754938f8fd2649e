"""What the plots of a drift report show: shares of reference and current rows over the same few bins.

Called by `detect_drift`, which puts it into `report.json`; drawn by `plots`. Writes nothing.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.data.profile import Profile
from tidemill.monitoring.measures import rows
from tidemill.projects import Kind

Array = NDArray[Any]
Histogram = dict[str, Any]
BINS = 40  # at most, of a number
BARS = 8  # of a category, before "other"
TAIL = 0.005  # share of rows beyond each end of the axis, counted in the outermost bin
PIECES = 16  # points that stand for what a profile knows only to lie between two edges


def histogram(reference: Profile, current: Profile) -> Histogram:
    """Shares of all rows of each side, missing ones apart.

    Numbers: `edges` (ascending, one more than bins; a bin has its lower edge, the outer ones are open) and the
    shares `reference` and `current`. Categories: `labels` instead, those of the largest share first, then "other".
    """
    return _bins(reference, current) if Kind(reference["kind"]).numeric else _bars(reference, current)


def _bins(reference: Profile, current: Profile) -> Histogram:
    points = [_points(side) for side in (reference, current)]
    integers = reference["kind"] == Kind.INTEGER.value
    edges = _axis([_range(values, weights) for values, weights in points if weights.sum()], integers=integers)
    shares = [
        _binned(values, weights, edges) / max(rows(side), 1)
        for (values, weights), side in zip(points, (reference, current), strict=True)
    ]
    return {"edges": edges.tolist(), "reference": shares[0].tolist(), "current": shares[1].tolist()}


def _points(profile: Profile) -> tuple[Array, Array]:
    """Values and how many rows each stands for, ascending."""
    edges = np.asarray(profile["edges"], dtype=np.float64)
    below = np.asarray(profile["below"], dtype=np.float64)
    lower = np.concatenate((edges[:1], edges[:-1]))
    steps = (np.arange(PIECES) + 0.5) / PIECES
    between = (lower[:, None] + (edges - lower)[:, None] * steps).ravel()
    values = np.concatenate((edges, between))
    weights = np.concatenate((np.asarray(profile["at"], dtype=np.float64), np.repeat(below / PIECES, PIECES)))
    order = np.argsort(values, kind="stable")
    return values[order], weights[order]


def _range(values: Array, weights: Array) -> tuple[float, float]:
    """The values between which all but the tails lie."""
    through = np.cumsum(weights) / weights.sum()
    low, high = np.searchsorted(through, [TAIL, 1 - TAIL])
    return float(values[low]), float(values[min(int(high), values.size - 1)])


def _axis(ranges: list[tuple[float, float]], *, integers: bool) -> Array:
    """Evenly spaced round edges around the ranges."""
    low = min((low for low, _ in ranges), default=0.0)
    high = max((high for _, high in ranges), default=0.0)
    step = round_step((high - low) / BINS) if high > low else 1.0
    if integers:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step + 1e-9), math.floor(high / step + 1e-9) + 1
    return np.arange(first, last + 1) * step


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 or 10 times a power of ten that is at least `least` (> 0)."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * (1 - 1e-9))


def _binned(values: Array, weights: Array, edges: Array) -> Array:
    tolerance = 1e-9 * (edges[1] - edges[0])
    place = np.clip(np.searchsorted(edges, values + tolerance, side="right") - 1, 0, edges.size - 2)
    return np.bincount(place, weights=weights, minlength=edges.size - 1)


def _bars(reference: Profile, current: Profile) -> Histogram:
    sides = reference, current
    share = {
        label: [side["values"].get(label, 0) / max(rows(side), 1) for side in sides]
        for label in {**reference["values"], **current["values"]}
    }
    labels = sorted(share, key=lambda label: (-max(share[label]), label))[:BARS]
    columns = [[share[label][i] for label in labels] for i in (0, 1)]
    other = [side["count"] / max(rows(side), 1) - sum(column) for side, column in zip(sides, columns, strict=True)]
    if max(other) > 1e-12:
        labels = [*labels, "other"]
        columns = [[*column, max(rest, 0.0)] for column, rest in zip(columns, other, strict=True)]
    return {"labels": labels, "reference": columns[0], "current": columns[1]}
