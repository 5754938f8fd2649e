"""The sketch of a column of numbers: adaptive histogram, exact mean and deviation, extremes.

Called by `dataset`. The key of a float is its bit pattern: the patterns of positive floats are in the order of the
floats, those of negative ones mirrored (IEEE 754), so bins are as fine, relative to the values in them, at 1e-9 as
at 1e9. -0.0 counts as 0.0.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.profile import EDGES, Profile
from tidemill.data.sketches.distribution import Distribution, Extremes, distribution
from tidemill.data.sketches.histogram import Histogram
from tidemill.data.sketches.moments import Moments
from tidemill.projects import Kind

Array = NDArray[Any]
BLOCK = 1 << 15
"""Rows counted at a time, so that what is made of them on the way stays in the processor's cache."""
_MAGNITUDE = np.int64(2**63 - 1)


class NumericSketch:
    """`count` rows with a finite value, `missing` without any, `not_finite` with NaN or an infinity."""

    def __init__(self, kind: Kind = Kind.NUMBER) -> None:
        self.kind = kind
        self.count = self.missing = self.not_finite = 0
        self.histogram, self.moments, self.extremes = Histogram(), Moments(), Extremes()

    def update(self, values: pa.Array) -> None:
        """Add an Arrow array of float64 (or of another type of numbers, which is converted), null for missing."""
        if not pa.types.is_float64(values.type):
            values = pc.cast(values, pa.float64(), safe=False)
        numbers = values.to_numpy(zero_copy_only=False)  # null becomes NaN
        self.missing += values.null_count
        if not numbers.size:
            return
        low, high = numbers.min(), numbers.max()
        if not np.isfinite(low) or not np.isfinite(high):
            numbers = numbers[np.isfinite(numbers)]
            self.not_finite += len(values) - values.null_count - numbers.size
            if not numbers.size:
                return
            low, high = numbers.min(), numbers.max()
        self._add(numbers, float(low) + 0.0, float(high) + 0.0)

    def merge(self, other: "NumericSketch") -> None:
        """Add the rows of another sketch, which is left as it is."""
        self.count += other.count
        self.missing += other.missing
        self.not_finite += other.not_finite
        self.histogram.merge(other.histogram)
        self.moments.merge(other.moments)
        self.extremes.merge(other.extremes)

    @property
    def exact(self) -> bool:
        """Whether every distinct value is counted by itself."""
        return self.histogram.exact

    @property
    def mean(self) -> float | None:
        return self.moments.mean(self.count) if self.count else None

    @property
    def std(self) -> float | None:
        """The population standard deviation."""
        return self.moments.std(self.count) if self.count else None

    @property
    def median(self) -> float | None:
        """The value in the middle (the lower of two)."""
        return self.quantile(0.5) if self.count else None

    def distribution(self) -> Distribution:
        """All that is known of the distribution function."""
        return distribution(self.histogram, self.extremes, _floats, self.count)

    def quantile(self, q: float) -> float:
        """The q quantile: exact while every value is counted by itself, else within the value's bin. Raises
        ValueError without values or if q is not in [0, 1]."""
        return self.distribution().quantile(q)

    def resolution(self, edges: int | None = EDGES) -> float:
        """The largest share of all rows that lie between two neighbouring edges of such a profile: at most
        1/(edges - 1) plus the share of the fullest bin. The D that `monitoring.measures` gives is never above the
        rows' own, and falls short of it by no more than the sum of both sides' resolutions (0 for plain rows)."""
        gaps = self.distribution().coarse(edges).gaps()
        return float(gaps.max(initial=0)) / max(self.count + self.missing + self.not_finite, 1)

    def profile(self, edges: int | None = EDGES) -> Profile:
        """The column's profile (`tidemill.data.profile`), with the edges at points where the distribution function
        is known from both sides."""
        known = self.distribution().coarse(edges)
        return {
            "kind": self.kind.value,
            "count": self.count,
            "missing": self.missing + self.not_finite,
            "mean": self.mean,
            "std": self.std,
            "min": self.extremes.low,
            "max": self.extremes.high,
            "edges": known.points.tolist(),
            "at": (known.through - known.before).tolist(),
            "below": known.gaps().tolist(),
        }

    def to_json(self) -> dict[str, Any]:
        counts = {"count": self.count, "missing": self.missing, "not_finite": self.not_finite}
        parts = self.extremes.to_json() | self.moments.to_json() | self.histogram.to_json()
        return {"kind": self.kind.value, **counts, **parts}

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> "NumericSketch":
        sketch = cls(Kind(form["kind"]))
        sketch.count, sketch.missing, sketch.not_finite = form["count"], form["missing"], form["not_finite"]
        sketch.histogram, sketch.moments = Histogram.from_json(form), Moments.from_json(form)
        sketch.extremes = Extremes.from_json(form)
        return sketch

    def _add(self, numbers: Array, low: float, high: float) -> None:
        self.count += int(numbers.size)
        self.extremes.update(numbers, low, high)
        zeros = numbers.size - np.count_nonzero(numbers)
        if zeros:
            self.histogram.update_zeros(int(zeros))
            numbers = numbers[numbers != 0]
        self.moments.update(numbers)
        for start in range(0, numbers.size, BLOCK):
            bits = numbers[start : start + BLOCK].view(np.int64)
            if low >= 0:
                self.histogram.update(bits)
            else:
                self.histogram.update(bits & _MAGNITUDE, bits >> 63)


def _floats(keys: Array) -> Array:
    """The floats of keys, -0.0 as 0.0."""
    sign = keys >> 63
    values: Array = (keys ^ sign).view(np.float64)
    return np.where(sign < 0, -values, values) + 0.0
