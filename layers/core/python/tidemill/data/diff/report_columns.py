"""The distributions of a diff's page: a table, and a plot per column. Called by `report`."""

from collections.abc import Mapping
from typing import Any

from tidemill.data.diff.report_table import table
from tidemill.monitoring.column_cells import Column, gauge, mark, p_value, rounded, statistic
from tidemill.monitoring.plots import percent, plot
from tidemill.pages.markup import Markup, element


def section(diff: Mapping[str, Any]) -> Markup:
    """Table and plots, the strongest shift first."""
    found = diff["distributions"]
    if found is None or not found["columns"]:
        why = "no version has a sketch of all its rows" if found is None else "no column can be compared"
        told = element("p", f"Nothing to show: {why}.", class_="soft")
        return element("section", element("h2", "Distributions"), told)
    names = [("Column", ""), ("Verdict", ""), ("PSI", "figure"), ("", ""), ("Statistic", "figure")]
    names += [("p-value", "figure"), ("Mean", "figure"), ("Missing", "figure")]
    rows = [_row(column, i, found["policy"]["psi"]) for i, column in enumerate(found["columns"])]
    sides = f"v{diff['before']['version']}", f"v{diff['after']['version']}"
    figures = [_figure(column, i, sides) for i, column in enumerate(found["columns"])]
    old, new = found["rows"]["before"], found["rows"]["after"]
    about = f"All {old:,} rows of {sides[0]} against all {new:,} of {sides[1]}, the strongest shift first."
    return element(
        "section",
        element("h2", "Distributions"),
        element("p", about, class_="soft"),
        table(names, rows),
        element("div", *figures, class_="plots"),
    )


def notes(found: Mapping[str, Any] | None) -> list[str]:
    """What the measures are."""
    if found is None:
        return []
    policy = found["policy"]
    measures = (
        "PSI is the population stability index over deciles of the old version (categories: over the values); it "
        f"counts as large from {policy['psi']:g}. D is the Kolmogorov-Smirnov distance of the two distributions; "
        "χ² tests whether the categories have the same shares. The p-value is adjusted for the number of columns "
        f"(Benjamini-Hochberg); below {policy['alpha']:g} it is more than chance. A column has shifted when both "
        "hold. Missing counts as a value; times are not compared."
    )
    return [measures, str(found["note"])]


def _row(column: Column, i: int, threshold: float) -> tuple[object, ...]:
    return (
        element("a", column["feature"], href=f"#column-{i}"),
        mark(column),
        f"{column['psi']:.3f}",
        gauge(column, threshold),
        statistic(column),
        p_value(column["q_value"]),
        _arrow(column["mean_reference"], column["mean_current"], rounded),
        _arrow(column["missing_reference"], column["missing_current"], percent),
    )


def _figure(column: Column, i: int, sides: tuple[str, str]) -> Markup:
    caption = [f"PSI {column['psi']:.3f}", statistic(column), f"p {p_value(column['q_value'])}"]
    means = _arrow(column["mean_reference"], column["mean_current"], rounded)
    caption += [f"mean {means}"] if means else []
    verdict = "shifted" if column["drifted"] else "steady"
    label = f"{column['feature']}: {verdict}, {', '.join(caption)}"
    return element(
        "figure",
        element("header", element("h3", column["feature"], title=column["feature"]), mark(column)),
        element("figcaption", " · ".join(caption)),
        plot(column["plot"], label=label, sides=sides),
        id=f"column-{i}",
    )


def _arrow(before: float | None, after: float | None, told: Any) -> str:
    if before is None or after is None:
        return ""
    old, new = told(before), told(after)
    return str(old) if old == new else f"{old} → {new}"
