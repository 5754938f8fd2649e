"""Cells of a table of compared columns. Called by the drift report and by the page of a diff."""

from collections.abc import Mapping
from typing import Any

from tidemill.monitoring.plots import number
from tidemill.pages.markup import Markup, element

Column = Mapping[str, Any]
"""A `FeatureDrift` as a JSON object."""
GAUGE = 2.5  # how many times the threshold a PSI gauge shows


def gauge(column: Column, threshold: float) -> Markup:
    """PSI as a bar, with a line at the threshold."""
    filled = 100 * min(column["psi"] / (GAUGE * threshold), 1)
    return element(
        "span",
        element("i", style=f"width:{filled:.0f}%", class_="shifted" if column["drifted"] else None),
        element("b", style=f"left:{100 / GAUGE:.0f}%"),
        class_="gauge",
        title=f"PSI {column['psi']:.3f}; the line is the threshold {threshold:g}",
    )


def mark(column: Column) -> Markup:
    """The verdict."""
    word = "shifted" if column["drifted"] else "steady"
    return element("span", word, class_=f"mark {word}")


def statistic(column: Column) -> str:
    """The test statistic under its own name."""
    if column["statistic_name"] == "ks":
        return f"D {column['statistic']:.3f}"
    return f"χ² {column['statistic']:,.0f}" if column["statistic"] >= 100 else f"χ² {column['statistic']:.1f}"


def p_value(value: float) -> str:
    """A p-value as precise as it matters."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.1 else f"{value:.2f}"


def rounded(value: float) -> str:
    """A mean, to four digits."""
    return number(float(f"{value:.4g}"))
