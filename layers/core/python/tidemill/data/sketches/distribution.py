"""What a histogram and the extreme values together know of a distribution function: points and quantiles.

Called by `numeric` and `times`. A value's rows are known on both sides at each point: at the smallest and largest
value, whose rows are counted, and at the corners of the bins between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.data.sketches.histogram import Histogram

Array = NDArray[Any]


@dataclass
class Extremes:
    """The smallest and the largest value, and the rows at each (capped measurements pile up there)."""

    low: Any = None
    high: Any = None
    at_low: int = 0
    at_high: int = 0

    def update(self, values: Array, low: Any, high: Any) -> None:
        """Add rows, [n > 0], of which `low` and `high` are the smallest and the largest."""
        new_low = self.low is None or low <= self.low
        new_high = self.high is None or high >= self.high
        if new_low or new_high:
            at_low = int(np.count_nonzero(values == low)) if new_low else 0
            at_high = int(np.count_nonzero(values == high)) if new_high else 0
            self.merge(Extremes(low, high, at_low, at_high))

    def merge(self, other: "Extremes") -> None:
        """Add the extremes of other rows."""
        if other.low is None:
            return
        if self.low is None or other.low < self.low:
            self.low, self.at_low = other.low, other.at_low
        elif other.low == self.low:
            self.at_low += other.at_low
        if self.high is None or other.high > self.high:
            self.high, self.at_high = other.high, other.at_high
        elif other.high == self.high:
            self.at_high += other.at_high

    def to_json(self) -> dict[str, Any]:
        return {"min": self.low, "max": self.high, "at_min": self.at_low, "at_max": self.at_high}

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> "Extremes":
        return cls(form["min"], form["max"], int(form["at_min"]), int(form["at_max"]))


@dataclass(frozen=True)
class Distribution:
    """`points` ascending, [k]; `before`, `through`: rows below each and up to it, int64, [k]. Nothing lies below
    the first or above the last point."""

    points: Array
    before: Array
    through: Array

    @property
    def rows(self) -> int:
        return int(self.through[-1]) if self.through.size else 0

    def coarse(self, limit: int | None) -> "Distribution":
        """At most `limit` of the points: at ranks spaced evenly (definition 1 of Hyndman & Fan 1996), each the
        first point that the rank does not lie above. No more than rows/(limit - 1) plus the rows of one gap of
        this distribution lie between two of them."""
        if limit is None or self.points.size <= limit:
            return self
        ranks = np.maximum(np.ceil(np.linspace(0, 1, limit) * self.rows).astype(np.int64), 1)
        chosen = np.unique(np.searchsorted(self.through, ranks))
        return Distribution(self.points[chosen], self.before[chosen], self.through[chosen])

    def gaps(self) -> Array:
        """Rows strictly between the point before and each point, [k]."""
        return self.before - np.concatenate(([0], self.through[:-1]))

    def quantile(self, q: float) -> float:
        """The value of rank ceil(q rows) (definition 1 of Hyndman & Fan 1996); where it lies between two points,
        linear between these. Raises ValueError if there are no rows or q is not in [0, 1]."""
        if not self.rows or not 0 <= q <= 1:
            raise ValueError(f"no {q} quantile of {self.rows} rows; ask for one in [0, 1], of at least one row")
        rank = max(int(np.ceil(q * self.rows)), 1)
        i = int(np.searchsorted(self.through, rank))
        if rank > self.before[i]:
            return float(self.points[i])
        first, last = int(self.through[i - 1]), int(self.before[i])
        share = (rank - first) / (last - first + 1)
        return float(self.points[i - 1] * (1 - share) + self.points[i] * share)


def distribution(
    histogram: Histogram, extremes: Extremes, values_of: Callable[[Array], Array], rows: int
) -> Distribution:
    """The distribution of `rows` rows; `values_of` turns int64 keys into values."""
    keys, before, through = histogram.corners()
    points = values_of(keys)
    if histogram.exact:
        return Distribution(points, before, through)
    inner = (points > extremes.low) & (points < extremes.high)
    inner[:-1] &= points[:-1] != points[1:]  # of -0.0 and 0.0, the corners beside zero, the upper one
    return Distribution(
        np.concatenate(([extremes.low], points[inner], [extremes.high])),
        np.concatenate(([0], before[inner], [rows - extremes.at_high])),
        np.concatenate(([extremes.at_low], through[inner], [rows])),
    )
