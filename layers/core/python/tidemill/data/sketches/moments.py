"""Exact sums of float64 values and of their squares: mean and standard deviation that no order of rows can change.

Called by `numeric`. Values are cut into slices of BITS bits, each slice a small whole number times a power of two
shared by the block (the extraction of Rump, Ogita & Oishi 2008, "Accurate floating-point summation", SIAM J. Sci.
Comput. 31; the slicing of products of Ozaki, Ogita, Oishi & Rump 2012, "Error-free transformations of matrix
multiplication", Numer. Algorithms 59). Products of two slices add up in float64 without rounding, for
2 * BITS + log2(BLOCK) <= 53, whatever the order in which a BLAS adds. The sums of a block then go into Python
integers in units of 2^-1200 and 2^-2400, so that nothing is ever rounded, overflows or underflows before the end.
"""

from dataclasses import dataclass
from math import frexp, isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BLOCK = 1 << 13  # rows at a time: a BLAS splits longer products between threads that wait for each other
BITS = 19
SLICES = 4
UNIT = 1200
"""Sums count in 2^-UNIT, below the last slice of the smallest subnormal number; squares in 2^-(2 UNIT)."""


@dataclass
class Moments:
    """`total`: the sum in units of 2^-UNIT; `squares`: the sum of squares in units of 2^-(2 UNIT)."""

    total: int = 0
    squares: int = 0

    def update(self, values: Array) -> None:
        """Add finite float64 values, [n]."""
        slices = np.empty((SLICES, min(BLOCK, values.size)))
        for start in range(0, values.size, BLOCK):
            self._add(values[start : start + BLOCK], slices)

    def merge(self, other: "Moments") -> None:
        """Add the sums of other rows."""
        self.total += other.total
        self.squares += other.squares

    def mean(self, count: int) -> float:
        """The mean of `count` > 0 values, correctly rounded."""
        return self.total / (count << UNIT)

    def std(self, count: int) -> float:
        """The population standard deviation of `count` > 0 values, to the last place or next to it."""
        spread = count * self.squares - self.total * self.total  # count^2 times the variance: exact
        finer = max(0, 140 - spread.bit_length()) // 2 + 1
        return isqrt(spread << 2 * finer) / (count << UNIT + finer)

    def to_json(self) -> dict[str, list[Any]]:
        """`sum` and `squares`, each `[odd hexadecimal number, exponent of two]`."""
        return {"sum": _short(self.total, UNIT), "squares": _short(self.squares, 2 * UNIT)}

    @classmethod
    def from_json(cls, form: dict[str, list[Any]]) -> "Moments":
        total, squares = form["sum"], form["squares"]
        return cls(int(total[0], 16) << (total[1] + UNIT), int(squares[0], 16) << (squares[1] + 2 * UNIT))

    def _add(self, values: Array, slices: Array) -> None:
        """Add at most BLOCK values; `slices` is scratch, [SLICES, BLOCK]."""
        exponent = frexp(max(values.max(), -values.min()))[1] if values.size else 0
        rest = _scaled(values, BITS - exponent)
        if exponent > BITS and np.count_nonzero(rest) != np.count_nonzero(values):
            small = np.abs(values) < 2.0 ** (exponent - 500)  # scaled down they vanish: their own scale is needed
            for part in (values[~small], values[small]):
                self._add(part, slices)
            return
        used = 0
        for used in range(1, SLICES + 1):
            np.rint(rest, out=slices[used - 1, : values.size])
            rest -= slices[used - 1, : values.size]
            if not rest.any():
                break
            rest *= 2.0**BITS
        # What is left belongs to values at least 2^23 below the largest: few. They are added by themselves.
        tail = np.flatnonzero(rest)
        cut = slices[:used, : values.size]
        cut[:, tail] = 0
        self._collect(cut, exponent - BITS)
        if tail.size:
            self._add(values[tail], slices)

    def _collect(self, slices: Array, exponent: int) -> None:
        """Add slices of whole numbers, [k, n]; the first counts in units of 2^exponent."""
        for i, one in enumerate(slices):
            place = UNIT + exponent - BITS * i
            self.total += int(one.sum()) << place
            for j in range(i + 1):
                product = int(np.dot(one, slices[j])) << (place + UNIT + exponent - BITS * j)
                self.squares += product if i == j else 2 * product


def _scaled(values: Array, exponent: int) -> Array:
    """A copy, times 2^exponent; the power itself may be beyond float64."""
    return values * 2.0**exponent if abs(exponent) < 1000 else np.ldexp(values, exponent)


def _short(number: int, unit: int) -> list[Any]:
    if not number:
        return ["0", 0]
    zeros = (number & -number).bit_length() - 1
    return [format(number >> zeros, "x"), zeros - unit]
