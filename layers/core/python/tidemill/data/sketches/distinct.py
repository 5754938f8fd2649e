"""How many distinct values or rows there are, and how many are duplicates, from their hashes: adaptive sampling.

Called by `dataset` (duplicate rows) and wherever a column must be unique. Kept are the hashes whose first `level`
bits are zero, with the rows of each; `level` is the least at which at most CAP distinct ones are kept (Wegman's
adaptive sampling: Flajolet 1990, "On adaptive sampling", Computing 43). While it is 0, all figures are exact.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.data.sketches import tally
from tidemill.data.sketches.packed import SketchInvalid, gaps, pack, unpack, whole

Array = NDArray[Any]
CAP = 1 << 15
"""Most hashes kept: a relative standard error of `distinct` of at most 1.2 / sqrt(CAP) = 0.7 %."""


class Duplication(NamedTuple):
    """`distinct` values among the rows, and `duplicates`, the rows beyond the first of each value."""

    distinct: int
    duplicates: int


def level_for(hashes: Array, cap: int) -> int:
    """The least level at which at most `cap` of uint64 hashes, [n], ascending, begin with so many zero bits."""
    return 0 if hashes.size <= cap else 65 - int(hashes[cap]).bit_length()


def begins_with_zeros(hashes: Array, level: int) -> Array:
    """Which hashes begin with `level` zero bits."""
    if level == 0:
        return np.ones(hashes.size, dtype=bool)
    return hashes <= np.uint64((1 << (64 - level)) - 1)


def estimate(rows: int, kept: Array, level: int) -> Duplication:
    """From the rows of each kept value, int64, [k]. Duplicates are the rows beyond those of `k 2^level` values, or
    the kept values' own duplicates times 2^level, whichever has the smaller estimated variance (both are unbiased;
    Horvitz & Thompson 1952). The second is sure where few values repeat: it is 0 where none does."""
    beyond = kept - 1
    if int(np.dot(beyond.astype(np.float64), beyond.astype(np.float64))) <= kept.size:
        duplicates = min(int(beyond.sum()) << level, max(rows - 1, 0))
    else:
        duplicates = max(rows - (kept.size << level), 0)
    return Duplication(rows - duplicates, duplicates)


class DistinctSketch:
    """`rows` seen; `hashes` kept, ascending, uint64, [k], and `counts`, the rows of each, int64, [k]."""

    def __init__(self, cap: int = CAP) -> None:
        self.cap = cap
        self.rows = self.level = 0
        self.hashes: Array = np.empty(0, dtype=np.uint64)
        self.counts: Array = np.empty(0, dtype=np.int64)

    def update(self, hashes: Array) -> None:
        """Add rows by their hashes, uint64, [n], uniform over all 64 bits (`hashing`)."""
        self.rows += int(hashes.size)
        kept = hashes[begins_with_zeros(hashes, self.level)] if self.level else hashes
        if kept.size:
            self._add(*tally.count_distinct(kept))

    def merge(self, other: "DistinctSketch") -> None:
        """Add the rows of another sketch, which is left as it is. Raises SketchInvalid if its cap is another."""
        if other.cap != self.cap:
            raise SketchInvalid(f"sketches of {self.cap} and {other.cap} hashes do not merge; build both alike")
        self.rows += other.rows
        self._raise(other.level)
        kept = begins_with_zeros(other.hashes, self.level)
        self._add(other.hashes[kept], other.counts[kept])

    @property
    def exact(self) -> bool:
        """Whether the figures are exact (but for two values of one hash: n^2 / 2^65 pairs of n values)."""
        return self.level == 0

    @property
    def distinct(self) -> int:
        return self._estimate().distinct

    @property
    def duplicates(self) -> int:
        """Rows beyond the first of each value: rows - distinct."""
        return self._estimate().duplicates

    @property
    def duplicated(self) -> float:
        """The share of rows that are duplicates."""
        return self.duplicates / max(self.rows, 1)

    def to_json(self) -> dict[str, Any]:
        """`rows`, `cap`, `level`; `hashes` as gaps; `repeated` (which of them have more than one row, as gaps) and
        `beyond` (how many more)."""
        repeated = np.flatnonzero(self.counts > 1)
        return {
            "rows": self.rows,
            "cap": self.cap,
            "level": self.level,
            "hashes": pack(gaps(self.hashes)),
            "repeated": pack(gaps(repeated.astype(np.uint64))),
            "beyond": pack(self.counts[repeated] - 1),
        }

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> "DistinctSketch":
        sketch = cls(form["cap"])
        sketch.rows, sketch.level = form["rows"], form["level"]
        sketch.hashes = whole(unpack(form["hashes"]))
        sketch.counts = np.ones(sketch.hashes.size, dtype=np.int64)
        sketch.counts[whole(unpack(form["repeated"])).astype(np.int64)] += unpack(form["beyond"]).astype(np.int64)
        return sketch

    def _estimate(self) -> Duplication:
        return estimate(self.rows, self.counts, self.level)

    def _add(self, hashes: Array, counts: Array) -> None:
        union, mine, theirs = tally.add(self.hashes, hashes)
        self.counts = tally.spread(self.counts, mine, counts, theirs, union.size)
        self.hashes = union
        self._raise(level_for(union, self.cap))

    def _raise(self, level: int) -> None:
        if level > self.level:
            self.level = level
            kept = int(np.count_nonzero(begins_with_zeros(self.hashes, level)))
            self.hashes, self.counts = self.hashes[:kept], self.counts[:kept]
