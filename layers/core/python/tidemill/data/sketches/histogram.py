"""A histogram whose bins double in width as distinct keys arrive: exact first, coarse when it must be.

Called by `numeric` and `times`. A key is an int64 in the order of the values; its magnitude is the key itself, or
for negative keys its complement, so that both sides of zero are cut alike. At level L a bin holds keys of one
sign whose magnitudes agree in all but their lowest L bits. L is the least level at which the keys seen need no
more than CAP bins: it depends on the set of keys only and never falls, so neither order nor batches nor merging
matter.

Of each bin two counts are kept: all rows, and the rows *at* its corner, the key nearest to zero. Corners are round
numbers (of floats, those with few bits: 0, 0.5, 1, 100), so that the distribution function is known on both sides
of the numbers where rows pile up. A corner of level L + 1 is one of level L, hence these counts merge as well.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.data.sketches import tally
from tidemill.data.sketches.packed import SketchInvalid, gaps, pack, unpack, whole

Array = NDArray[Any]
CAP = 2048
"""Most bins. At level 53 the floats need 2,048 at most: 1,024 of either sign."""
_DENSE = 4  # bins per row up to which counting in a table beats hashing
_TOP = np.int64(2**63 - 1)
_SIGN = np.uint64(2**63)


class Histogram:
    """`bins` ascending, int64, [k]; `counts`, `at`: rows of each bin and at its corner, int64, [k]."""

    def __init__(self) -> None:
        self.level = 0
        self.bins: Array = np.empty(0, dtype=np.int64)
        self.counts: Array = np.empty(0, dtype=np.int64)
        self.at: Array = np.empty(0, dtype=np.int64)

    @property
    def exact(self) -> bool:
        """Whether every key has a bin of its own."""
        return self.level == 0

    def update(self, magnitudes: Array, negative: Array | None = None) -> None:
        """Add rows: magnitudes of keys, int64, [n]; `negative` is -1 where the key is their complement and 0
        elsewhere, int64, [n], or None if nowhere."""
        if not magnitudes.size:
            return
        bins, counts, common = _count(magnitudes, negative, self.level)
        if common >= self.level:
            self._add(bins, counts, counts)
            return
        corner = (magnitudes & _low(self.level)) == 0
        at = np.zeros_like(counts)
        if corner.any():
            sides = None if negative is None else negative[corner]
            where, found, _ = _count(magnitudes[corner], sides, self.level)
            at[np.searchsorted(bins, where)] = found
        self._add(bins, counts, at)

    def update_zeros(self, rows: int) -> None:
        """Add `rows` > 0 rows of key 0. Zeros are common and far from all else: beside them the other keys would
        not do with a small table."""
        zero, count = np.zeros(1, dtype=np.int64), np.array([rows])
        self._add(zero, count, count)

    def merge(self, other: "Histogram") -> None:
        """Add the rows of another histogram, which is left as it is."""
        level = max(self.level, other.level)
        self._raise(level)
        self._add(*_coarser(other.bins, other.counts, other.at, level - other.level))

    def corners(self) -> tuple[Array, Array, Array]:
        """Keys, ascending, whose rows are known: `(keys, before, through)`, the rows below each and up to it."""
        magnitude = _magnitude(self.bins)
        near = magnitude << self.level
        end = near + _low(self.level)
        far = end + (end < _TOP)  # the far end of a bin is the near one of the next
        sign = self.bins >> 63
        near, far = near ^ sign, far ^ sign
        if self.exact:
            through = np.cumsum(self.counts)
            return near, through - self.counts, through
        keys = np.unique(np.concatenate((near, far)))
        at, below = np.zeros(keys.size, dtype=np.int64), np.zeros(keys.size, dtype=np.int64)
        at[np.searchsorted(keys, near)] = self.at
        below[np.searchsorted(keys, np.maximum(near, far))] = self.counts - self.at
        through = np.cumsum(at + below)
        return keys, through - at, through

    def to_json(self) -> dict[str, Any]:
        """`level`; `bins`: gaps between the bins (sign bit flipped, so that they ascend from 0), `counts`;
        `corners`, `at`: which bins have rows at their corners, as gaps, and how many (left out at level 0)."""
        form = {
            "level": self.level,
            "bins": pack(gaps(self.bins.view(np.uint64) ^ _SIGN)),
            "counts": pack(self.counts),
        }
        if self.exact:
            return form
        corners = np.flatnonzero(self.at)
        return {**form, "corners": pack(gaps(corners.astype(np.uint64))), "at": pack(self.at[corners])}

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> "Histogram":
        histogram = cls()
        histogram.level = int(form["level"])
        histogram.bins = (whole(unpack(form["bins"])) ^ _SIGN).view(np.int64)
        histogram.counts = unpack(form["counts"]).astype(np.int64)
        if histogram.bins.size != histogram.counts.size:
            raise SketchInvalid("a histogram of the sketch has not one count per bin; build the sketch again")
        histogram.at = histogram.counts.copy()
        if not histogram.exact:
            histogram.at[:] = 0
            histogram.at[whole(unpack(form["corners"])).astype(np.int64)] = unpack(form["at"]).astype(np.int64)
        return histogram

    def _add(self, bins: Array, counts: Array, at: Array) -> None:
        union, mine, theirs = tally.add(self.bins, bins)
        self.counts = tally.spread(self.counts, mine, counts, theirs, union.size)
        self.at = tally.spread(self.at, mine, at, theirs, union.size)
        self.bins = union
        while self.bins.size > CAP:
            self._raise(self.level + _needed(self.bins))

    def _raise(self, level: int) -> None:
        self.bins, self.counts, self.at = _coarser(self.bins, self.counts, self.at, level - self.level)
        self.level = level


def _count(magnitudes: Array, negative: Array | None, level: int) -> tuple[Array, Array, int]:
    """The bins of keys, ascending, the rows of each, and how many low bits are zero in all magnitudes."""
    every = int(np.bitwise_or.reduce(magnitudes))
    common = (every & -every).bit_length() - 1 if every else level
    shift = max(level, common)  # whole numbers and their like end in zeros: without them they are dense
    bins = magnitudes >> shift
    low, high = int(bins.min()), int(bins.max())
    span = high - low + 1
    if span > _DENSE * bins.size + CAP:
        bins <<= shift - level
        return (*tally.count_distinct(bins if negative is None else bins ^ negative), common)
    place = bins - low
    if negative is not None:
        place += negative & span
    counts = np.bincount(place)
    found = np.flatnonzero(counts)
    keys = (found % span + low) << (shift - level)
    keys = np.where(found < span, keys, ~keys)
    order = np.argsort(keys)
    return keys[order], counts[found][order], common


def _coarser(bins: Array, counts: Array, at: Array, levels: int) -> tuple[Array, Array, Array]:
    """The same rows in bins 2^levels times as wide."""
    if levels == 0 or not bins.size:
        return bins, counts, at
    at = np.where(_magnitude(bins) & _low(levels), 0, at)
    wide = bins >> levels
    starts = np.flatnonzero(np.diff(wide, prepend=~wide[:1]))
    return wide[starts], np.add.reduceat(counts, starts), np.add.reduceat(at, starts)


def _needed(bins: Array) -> int:
    """The least number of levels by which to raise more than CAP ascending bins, so that CAP suffice."""
    differing = bins[1:] ^ bins[:-1]
    return next(levels for levels in range(1, 64) if np.count_nonzero(differing >> levels) < CAP)


def _magnitude(keys: Array) -> Array:
    magnitudes: Array = keys ^ (keys >> 63)
    return magnitudes


def _low(bits: int) -> np.int64:
    """A mask of the lowest bits."""
    return np.int64((1 << bits) - 1)
