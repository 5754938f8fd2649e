"""The plots of a drift report: two distributions over the same bins, as SVG.

Called by `report`; writes nothing. Colours are classes that the page's style defines, so that one plot serves
light, dark and paper. The reference is filled, the window is a line or a darker bar: their forms differ as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from tidemill.monitoring.histograms import Histogram, round_step
from tidemill.pages.markup import Markup, element

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 406, 32, 186  # the plotting area
LABELS = 110  # its left side where categories are named
SIDES = ("reference", "this window")  # what the two distributions are called
PEAK = 0.6  # a share from which a bin would press all others flat


@dataclass(frozen=True)
class Axis:
    """Where values are drawn: `low` at `start`, `high` at `end`. A `power` of one half stretches small values."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    power: float = 1.0

    def at(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.start + math.copysign(abs(part) ** self.power, part) * (self.end - self.start)


def plot(histogram: Histogram, *, label: str, sides: tuple[str, str] = SIDES) -> Markup:
    """The SVG of a histogram (`tidemill.monitoring.histograms`); `label` tells it to those who cannot see it,
    `sides` are what its reference and its current rows are called."""
    drawn = _bars(histogram, sides) if "labels" in histogram else _steps(histogram, sides)
    return element("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="plot")


def percent(share: float) -> str:
    """A share as people read it: 0 %, 0.4 %, 12 %."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or abs(value - round(value)) < 1e-9 else f"{value:.1f} %"


def number(value: float) -> str:
    """A number with at most six significant digits and thousands apart."""
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:,.6g}"


def _steps(histogram: Histogram, sides: tuple[str, str]) -> list[Markup]:
    edges, reference, current = histogram["edges"], histogram["reference"], histogram["current"]
    across = _round_axis(edges[0], edges[-1], LEFT, RIGHT)
    up = _share_axis(max([*reference, *current]), BOTTOM, TOP, may_stretch=True)
    return [
        *_legend(LEFT, "share of rows, square-root scale" if up.power != 1 else "share of rows", sides),
        *[_line(LEFT, up.at(tick), RIGHT, up.at(tick), "grid") for tick in up.ticks],
        *[_tick(LEFT - 6, up.at(tick) + 3.5, percent(tick), "end") for tick in up.ticks],
        element("path", d=_outline(edges, reference, across, up) + "Z", class_="reference"),
        element("path", d=_outline(edges, current, across, up), class_="current-line"),
        _line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"),
        *[_line(across.at(tick), BOTTOM, across.at(tick), BOTTOM + 4, "axis") for tick in across.ticks],
        *[_tick(across.at(tick), BOTTOM + 17, number(tick), "middle") for tick in across.ticks],
        *[
            _hover(across.at(low), TOP, across.at(high), BOTTOM, _bin_name(edges, i), histogram, i, sides)
            for i, (low, high) in enumerate(pairwise(edges))
        ],
    ]


def _bars(histogram: Histogram, sides: tuple[str, str]) -> list[Markup]:
    labels = histogram["labels"]
    highest = max([*histogram["reference"], *histogram["current"]], default=0)
    across = _share_axis(highest, LABELS, RIGHT)
    height = (BOTTOM - TOP) / max(len(labels), 1)
    thick = min(0.36 * height, 13)
    drawn = [
        *_legend(LABELS, "share of rows", sides),
        *[
            _line(across.at(tick), TOP, across.at(tick), BOTTOM, "grid" if tick else "axis")
            for tick in across.ticks
        ],
        *[_tick(across.at(tick), BOTTOM + 17, percent(tick), "middle") for tick in across.ticks],
    ]
    for i, label in enumerate(labels):
        middle = TOP + (i + 0.5) * height
        for side, y in (("reference", middle - thick), ("current", middle)):
            length = across.at(histogram[side][i]) - LABELS
            drawn.append(element("rect", x=LABELS, y=y, width=length, height=thick, class_=side))
        drawn.append(_tick(LABELS - 7, middle + 3.5, label if len(label) <= 16 else f"{label[:15]}…", "end"))
        drawn.append(_hover(0, middle - height / 2, WIDTH, middle + height / 2, label, histogram, i, sides))
    return drawn


def _share_axis(highest: float, start: float, end: float, *, may_stretch: bool = False) -> Axis:
    if may_stretch and highest >= PEAK:
        return Axis(0, 1, start, end, (0, 0.02, 0.1, 0.3, 0.6, 1), power=0.5)
    highest = max(highest, 1e-3)
    step = round_step(highest / 3)
    ticks = [i * step for i in range(math.ceil(highest / step - 1e-9) + 1)]
    return Axis(0, ticks[-1], start, end, ticks)


def _round_axis(low: float, high: float, start: float, end: float) -> Axis:
    step = round_step((high - low) / 6)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(low, high, start, end, [i * step for i in range(first, last + 1)])


def _legend(left: float, unit: str, sides: tuple[str, str]) -> list[Markup]:
    return [
        element("rect", x=left, y=9, width=12, height=9, class_="reference"),
        _tick(left + 17, 17, sides[0]),
        element("rect", x=left + 82, y=9, width=12, height=9, class_="current"),
        _tick(left + 99, 17, sides[1]),
        _tick(RIGHT, 17, unit, "end"),
    ]


def _outline(edges: Sequence[float], shares: Sequence[float], across: Axis, up: Axis) -> str:
    """The path over the tops of the bins, from the base back to it."""
    steps = (f"V{up.at(share):.1f}H{across.at(edge):.1f}" for edge, share in zip(edges[1:], shares, strict=True))
    return f"M{across.at(edges[0]):.1f} {up.start:.1f}{''.join(steps)}V{up.start:.1f}"


def _bin_name(edges: Sequence[float], i: int) -> str:
    low, high = number(edges[i]), number(edges[i + 1])
    if len(edges) > 2 and i == 0:
        return f"below {high}"
    return f"{low} and above" if i == len(edges) - 2 else f"{low} to {high}"


def _hover(
    left: float,
    top: float,
    right: float,
    bottom: float,
    name: str,
    histogram: Histogram,
    i: int,
    sides: tuple[str, str],
) -> Markup:
    """An unseen area that tells a bin's shares."""
    shares = [percent(histogram[side][i]) for side in ("reference", "current")]
    text = f"{name}: {sides[0]} {shares[0]}, {sides[1].removeprefix('this ')} {shares[1]}"
    area = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    return element("rect", element("title", text), class_="hover", **area)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def _tick(x: float, y: float, text: str, anchor: str = "") -> Markup:
    return element("text", text, x=x, y=y, class_=f"tick {anchor}".rstrip())
