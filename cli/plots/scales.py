"""Where a value is drawn: scales from values to percent of the plotting area, with round ticks.

Plots are laid out in percent, so that they fit every width while text and strokes keep their size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """`low` is drawn at 0, `high` at 100 percent; values beyond are drawn at the edge."""

    low: float
    high: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The place of a value, 0 to 100."""
        low, high, value = (self._moved(each) for each in (self.low, self.high, value))
        if high == low:
            return 50.0
        return 100 * min(1.0, max(0.0, (value - low) / (high - low)))

    def holds(self, value: float) -> bool:
        """Whether a value is drawn where it is, and not at the edge."""
        return self.low <= value <= self.high

    def ticks(self, count: int = 4) -> list[float]:
        """Round values between low and high, about `count` of them; the ends where no round one lies between."""
        if self.low == self.high:
            return [self.low]
        found = _powers(self.low, self.high) if self.is_log else _steps(self.low, self.high, count)
        return found if len(found) > 1 else [self.low, self.high]

    def _moved(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.is_log else value


def over(values: Sequence[float], *, is_log: bool = False) -> Scale:
    """The scale from the least to the greatest value."""
    return Scale(min(values), max(values), is_log)


def without_outliers(values: Sequence[float], *, room: float = 0.05) -> Scale:
    """A scale that ends at Tukey's upper fence (1.5 quartile distances above the third quartile), so that one
    trial that went astray does not press all others flat; with some room at both ends."""
    ordered = sorted(values)
    quarter, three = (_quantile(ordered, share) for share in (0.25, 0.75))
    fence = three + 1.5 * (three - quarter)
    high = max(value for value in ordered if value <= fence)
    margin = (high - ordered[0]) * room
    return Scale(ordered[0] - margin, high + margin)


def number(value: float) -> str:
    """A number with at most four significant digits."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _steps(low: float, high: float, count: int) -> list[float]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [multiple * step for multiple in range(first, last + 1)]


def _powers(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / 5))
    return [10.0**power for power in range(first, last + 1, every)]
