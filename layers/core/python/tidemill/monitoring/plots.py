"""The plots of a drift report: two distributions over the same bins, as SVG.

Called by `report`; writes nothing. Colours are classes that the page's style defines, so that one plot serves
light, dark and paper. The reference is filled, the window is a line (or a darker bar): forms differ as well.
"""

import math
from typing import Any

from tidemill.monitoring.histograms import Histogram, round_step
from tidemill.monitoring.markup import Markup, element

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 30, 34
LABELS = 96  # room for the names of categories
CURVE_BOTTOM = HEIGHT - BOTTOM
Box = tuple[float, float, float, float]  # left, top, right, bottom of the plotting area


def plot(histogram: Histogram, *, label: str) -> Markup:
    """The SVG of a histogram (`tidemill.monitoring.histograms`); `label` tells it to those who cannot see it."""
    body = _bars(histogram) if "labels" in histogram else _steps(histogram)
    return element(
        "svg", _legend(), *body, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="plot"
    )


def percent(share: float) -> str:
    """A share as people read it: 0 %, 0.4 %, 12 %."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 or value == round(value) else f"{value:.1f} %"


def number(value: float) -> str:
    """A number with at most six significant digits and thousands apart."""
    text = f"{value:,.6g}"
    return text if "e" in text or abs(value) < 1e6 else f"{value:,.0f}"


def _steps(histogram: Histogram) -> list[Markup]:
    edges, reference, current = histogram["edges"], histogram["reference"], histogram["current"]
    box = (LEFT, TOP, WIDTH - RIGHT, CURVE_BOTTOM)
    top, ticks = _scale(max([*reference, *current]))
    xs = [_along(edge, edges[0], edges[-1], box[0], box[2]) for edge in edges]
    heights = [[_along(share, 0, top, box[3], box[1]) for share in side] for side in (reference, current)]
    return [
        *_grid_across(ticks, top, box),
        element("path", d=_outline(xs, heights[0], box[3]) + "Z", class_="reference"),
        element("path", d=_outline(xs, heights[1], box[3]), class_="current-line"),
        *_axis_below(edges, box),
        *[
            element(
                "rect",
                element("title", _bin_text(histogram, i)),
                x=xs[i],
                y=box[1],
                width=xs[i + 1] - xs[i],
                height=box[3] - box[1],
                class_="hover",
            )
            for i in range(len(reference))
        ],
    ]


def _bars(histogram: Histogram) -> list[Markup]:
    labels = histogram["labels"]
    box = (LABELS, TOP, WIDTH - RIGHT, CURVE_BOTTOM)
    top, ticks = _scale(max([*histogram["reference"], *histogram["current"]], default=0))
    row = (box[3] - box[1]) / max(len(labels), 1)
    thick = min(row * 0.38, 12.0)
    drawn = _grid_down(ticks, top, box)
    for i, label in enumerate(labels):
        middle = box[1] + (i + 0.5) * row
        for side, y in (("reference", middle - thick), ("current", middle)):
            length = _along(histogram[side][i], 0, top, box[0], box[2]) - box[0]
            drawn.append(element("rect", x=box[0], y=y, width=length, height=thick, class_=side))
        drawn.append(element("text", _short(label), x=box[0] - 7, y=middle + 3.5, class_="tick end"))
        text = (
            f"{label}: reference {percent(histogram['reference'][i])}, window {percent(histogram['current'][i])}"
        )
        drawn.append(
            element(
                "rect", element("title", text), x=0, y=middle - row / 2, width=WIDTH, height=row, class_="hover"
            )
        )
    return drawn


def _legend() -> Markup:
    return element(
        "g",
        element("rect", x=LEFT, y=8, width=12, height=9, class_="reference"),
        element("text", "reference", x=LEFT + 17, y=16, class_="tick"),
        element("rect", x=LEFT + 84, y=8, width=12, height=9, class_="current-key"),
        element("text", "this window", x=LEFT + 101, y=16, class_="tick"),
        element("text", "share of rows", x=WIDTH - RIGHT, y=16, class_="tick end"),
    )


def _scale(highest: float) -> tuple[float, list[float]]:
    """The top of the axis of shares, and its ticks."""
    step = round_step(max(highest, 1e-3) / 3)
    count = math.ceil(max(highest, 1e-3) / step - 1e-9)
    return count * step, [i * step for i in range(count + 1)]


def _grid_across(ticks: list[float], top: float, box: Box) -> list[Markup]:
    drawn = []
    for tick in ticks:
        y = _along(tick, 0, top, box[3], box[1])
        drawn.append(element("line", x1=box[0], x2=box[2], y1=y, y2=y, class_="grid" if tick else "axis"))
        drawn.append(element("text", percent(tick), x=box[0] - 6, y=y + 3.5, class_="tick end"))
    return drawn


def _grid_down(ticks: list[float], top: float, box: Box) -> list[Markup]:
    drawn = []
    for tick in ticks:
        x = _along(tick, 0, top, box[0], box[2])
        drawn.append(element("line", x1=x, x2=x, y1=box[1], y2=box[3], class_="grid" if tick else "axis"))
        drawn.append(element("text", percent(tick), x=x, y=box[3] + 16, class_="tick middle"))
    return drawn


def _axis_below(edges: list[float], box: Box) -> list[Markup]:
    step = round_step((edges[-1] - edges[0]) / 6)
    first = math.ceil(edges[0] / step - 1e-9)
    drawn = []
    for i in range(first, math.floor(edges[-1] / step + 1e-9) + 1):
        x = _along(i * step, edges[0], edges[-1], box[0], box[2])
        drawn.append(element("line", x1=x, x2=x, y1=box[3], y2=box[3] + 4, class_="axis"))
        drawn.append(element("text", number(i * step), x=x, y=box[3] + 17, class_="tick middle"))
    return drawn


def _outline(xs: list[float], ys: list[float], base: float) -> str:
    """The path over the tops of the bins, from the base back to it."""
    steps = "".join(f"V{y:.2f}H{x:.2f}" for x, y in zip(xs[1:], ys, strict=True))
    return f"M{xs[0]:.2f} {base:.2f}{steps}V{base:.2f}"


def _bin_text(histogram: Histogram, i: int) -> str:
    low, high = number(histogram["edges"][i]), number(histogram["edges"][i + 1])
    last = len(histogram["reference"]) - 1
    place = f"{low} to {high}" if 0 < i < last else f"below {high}" if i == 0 < last else f"{low} and above"
    return f"{place}: reference {percent(histogram['reference'][i])}, window {percent(histogram['current'][i])}"


def _short(label: str) -> str:
    return label if len(label) <= 14 else f"{label[:13]}…"


def _along(value: float, low: float, high: float, start: float, end: float) -> Any:
    return start + (value - low) / (high - low) * (end - start)
