"""The sketch of a column of timestamps: the adaptive histogram over microseconds since 1970, extremes.

Called by `dataset`. Up to CAP distinct times are counted one by one, then by spans of 2^level microseconds.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.profile import Profile
from tidemill.data.sketches.distribution import Extremes, distribution
from tidemill.data.sketches.histogram import Histogram
from tidemill.projects import Kind

Array = NDArray[Any]
TYPE = pa.timestamp("us", "UTC")


class TimestampSketch:
    """`count` rows with a time, `missing` without; times are int64 microseconds since 1970, UTC."""

    kind = Kind.TIMESTAMP

    def __init__(self) -> None:
        self.count = self.missing = 0
        self.histogram, self.extremes = Histogram(), Extremes()

    def update(self, values: pa.Array) -> None:
        """Add an Arrow array of timestamps (without a zone: UTC), null for missing."""
        if values.type != TYPE:
            values = pc.cast(values, TYPE)
        self.missing += values.null_count
        times = values.drop_null().view(pa.int64()).to_numpy()
        if not times.size:
            return
        self.count += int(times.size)
        low, high = int(times.min()), int(times.max())
        self.extremes.update(times, low, high)
        if low >= 0:
            self.histogram.update(times)
        else:
            sign = times >> 63
            self.histogram.update(times ^ sign, sign)

    def merge(self, other: "TimestampSketch") -> None:
        """Add the rows of another sketch, which is left as it is."""
        self.count += other.count
        self.missing += other.missing
        self.histogram.merge(other.histogram)
        self.extremes.merge(other.extremes)

    def quantile(self, q: float) -> int:
        """The q quantile in microseconds since 1970: exact while every time is counted by itself, else within its
        span. Raises ValueError without times or if q is not in [0, 1]."""
        return round(distribution(self.histogram, self.extremes, _same, self.count).quantile(q))

    def profile(self) -> Profile:
        """The column's profile (`tidemill.data.profile`); the times as ISO 8601 text, UTC."""
        return {
            "kind": self.kind.value,
            "count": self.count,
            "missing": self.missing,
            "min": _iso(self.extremes.low),
            "max": _iso(self.extremes.high),
        }

    def to_json(self) -> dict[str, Any]:
        counts = {"kind": self.kind.value, "count": self.count, "missing": self.missing}
        return counts | self.extremes.to_json() | self.histogram.to_json()

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> "TimestampSketch":
        sketch = cls()
        sketch.count, sketch.missing = form["count"], form["missing"]
        sketch.histogram, sketch.extremes = Histogram.from_json(form), Extremes.from_json(form)
        return sketch


def _same(keys: Array) -> Array:
    return keys


def _iso(microseconds: int | None) -> str | None:
    return None if microseconds is None else f"{np.datetime64(microseconds, 'us')}Z"
