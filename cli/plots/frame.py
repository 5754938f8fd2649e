"""A plotting area with its axes: labels are HTML beside an SVG of which everything is in percent."""

from collections.abc import Sequence

from cli.plots.scales import Scale, number
from tidemill.pages.markup import Markup, element, join


def place(value: float) -> str:
    """A coordinate."""
    return f"{value:.2f}%"


def frame(
    drawn: Sequence[Markup],
    *,
    x: Scale,
    y: Scale,
    x_ticks: Sequence[float],
    x_label: str,
    y_label: str,
    told: str,
) -> Markup:
    """The drawing `drawn` (elements of an SVG, y from the top) between a left and a lower axis. `told` is what
    somebody hears who cannot see it."""
    ups = y.ticks(6)
    grid = [
        element("line", x1="0%", x2="100%", y1=place(100 - y.at(tick)), y2=place(100 - y.at(tick)), class_="grid")
        for tick in ups
    ]
    left = [element("span", number(tick), style=f"top:{place(100 - y.at(tick))}") for tick in ups]
    lower = [element("span", number(tick), style=f"left:{place(x.at(tick))}") for tick in x_ticks]
    return element(
        "div",
        element("div", y_label, class_="name"),
        element("div", *left, class_="left"),
        element("svg", *grid, *drawn, role="img", aria_label=told, class_="area"),
        element("div", *lower, class_="lower"),
        element("div", x_label, class_="name below"),
        class_="frame",
    )


def stretched(*children: object) -> Markup:
    """Paths in a square of 100 by 100, y from the top, that is stretched over the area; strokes are not."""
    return element(
        "svg", *children, viewBox="0 0 100 100", preserveAspectRatio="none", width="100%", height="100%"
    )


def path(points: Sequence[tuple[float, float]], **attributes: object) -> Markup:
    """A line through points of `stretched`."""
    moves = "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return element("path", *_titled(attributes), d=f"M{moves}", vector_effect="non-scaling-stroke", **attributes)


def dot(x: float, y: float, *, radius: float = 4, **attributes: object) -> Markup:
    """A point, in percent from the upper left; `title` is what is told when one points to it."""
    return element("circle", *_titled(attributes), cx=place(x), cy=place(y), r=radius, **attributes)


def _titled(attributes: dict[str, object]) -> list[Markup]:
    title = attributes.pop("title", None)
    return [] if title is None else [element("title", title)]


def breakable(name: str) -> Markup:
    """A name that may be broken after its underscores."""
    parts = [join(part) for part in name.replace("_", "_\0").split("\0")]
    return Markup("<wbr>".join(parts))
