"""The drift report as one HTML page that needs nothing else: verdict, ranked table, a plot per feature.

Called by `detect_drift` with the content of `report.json`; writes nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tidemill.monitoring.column_cells import Column, gauge, mark, p_value, rounded, statistic
from tidemill.monitoring.plots import number, percent, plot
from tidemill.pages.markup import Markup, element
from tidemill.pages.style import STYLE
from tidemill.projects import Kind


def render(report: Mapping[str, Any]) -> str:
    """The page of a report (the object that `build_report` gives)."""
    title = f"Drift of {report['project']}, window {report['window_id']}"
    head = element(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    sections = [_header(report), _table(report), _plots(report), _predictions(report), _notes(report)]
    return "<!doctype html>\n" + element("html", head, element("body", element("main", *sections)), lang="en")


def _header(report: Mapping[str, Any]) -> Markup:
    facts = {
        "Window": report["window_id"],
        "First prediction": _time(report["from"]),
        "Last prediction": _time(report["to"]),
        "Predictions": f"{report['rows']:,}",
        "Compared with": f"training data of model {report['model']}",
        "Started by": report["trigger"],
    }
    return element(
        "header",
        element("div", "Drift report", class_="over"),
        element("h1", report["project"]),
        element("p", report["description"], class_="soft"),
        _verdict(report),
        element(
            "dl", *[element("div", element("dt", name), element("dd", value)) for name, value in facts.items()]
        ),
    )


def _verdict(report: Mapping[str, Any]) -> Markup:
    shifted, all_of_them = len(report["features"]), len(report["columns"])
    least = report["policy"]["features"]
    what = "The data has drifted" if report["drifted"] else "No drift"
    count = f"{shifted} of {all_of_them} features shifted; from {least} on the window counts as drifted."
    return element(
        "div",
        element("p", element("strong", what)),
        element("p", count),
        element("p", _next(report)),
        class_=f"verdict {'shifted' if report['drifted'] else 'steady'}",
    )


def _next(report: Mapping[str, Any]) -> str:
    policy = report["policy"]
    if not report["drifted"]:
        return (
            f"Next: nothing changes. Another window is checked when {policy['min_rows']:,} predictions have come, "
            f"at most every {number(policy['schedule_minutes'])} minutes."
        )
    if not policy["on_drift"]:
        return "Next: the drift alarm goes off. This project retrains only when a person starts it."
    return (
        "Next: the drift alarm goes off and asks for a training run on the newest dataset version. It is held "
        f"back while a run goes on, and in the cool-down after the last request "
        f"({number(policy['cool_down_hours'])} h by the project file)."
    )


def _table(report: Mapping[str, Any]) -> Markup:
    names = [("Feature", ""), ("Verdict", ""), ("PSI", "figure"), ("", ""), ("Statistic", "figure")]
    names += [("p-value", "figure"), ("Missing", "figure")]
    head = element("tr", *[element("th", name, class_=side or None, scope="col") for name, side in names])
    rows = [_row(column, i, report["policy"]["psi"]) for i, column in enumerate(report["columns"])]
    table = element("table", element("thead", head), element("tbody", *rows))
    return element(
        "section",
        element("h2", "Features, strongest shift first"),
        element("p", "A feature has shifted when the difference is large and is not chance.", class_="soft"),
        *_masked(report),
        element("div", table, class_="wide"),
    )


def _masked(report: Mapping[str, Any]) -> list[Markup]:
    if not report.get("masked"):
        return []
    told = f"Masked in some of these predictions, hence not compared: {', '.join(report['masked'])}."
    return [element("p", told)]


def _row(column: Column, i: int, threshold: float) -> Markup:
    return element(
        "tr",
        element("td", element("a", column["feature"], href=f"#feature-{i}")),
        element("td", mark(column)),
        element("td", f"{column['psi']:.3f}", class_="figure"),
        element("td", gauge(column, threshold)),
        element("td", statistic(column), class_="figure"),
        element("td", p_value(column["q_value"]), class_="figure"),
        element("td", _missing(column), class_="figure"),
    )


def _plots(report: Mapping[str, Any]) -> Markup:
    figures = [_figure(column, column["feature"], f"feature-{i}") for i, column in enumerate(report["columns"])]
    return element("section", element("h2", "Distributions"), element("div", *figures, class_="plots"))


def _predictions(report: Mapping[str, Any]) -> Markup:
    column = report["prediction"]
    name = _answers(report)
    if column is None:
        shown = element("p", f"No prediction of model {report['model']} is in this window.", class_="soft")
    else:
        shown = element("div", _figure(column, name, "prediction"), class_="plots")
    note = f"The answers of model {report['model']}; they do not count towards the verdict."
    return element("section", element("h2", "Predictions"), element("p", note, class_="soft"), shown)


def _answers(report: Mapping[str, Any]) -> str:
    """What the plot of the predictions is of."""
    if report["task"] == "regression":
        return "Predicted value"
    named = report["prediction"] is not None and report["prediction"]["kind"] == Kind.CATEGORY.value
    return "Predicted class" if named else "Probability of class 1"


def _figure(column: Column, name: str, identity: str) -> Markup:
    caption = [f"PSI {column['psi']:.3f}", statistic(column), f"p {p_value(column['q_value'])}"]
    if column["mean_reference"] is not None and column["mean_current"] is not None:
        caption.append(f"mean {rounded(column['mean_reference'])} → {rounded(column['mean_current'])}")
    label = f"{name}: {'shifted' if column['drifted'] else 'steady'}, {', '.join(caption)}"
    return element(
        "figure",
        element("header", element("h3", name, title=name), mark(column)),
        element("figcaption", " · ".join(caption)),
        plot(column["plot"], label=label),
        id=identity,
    )


def _notes(report: Mapping[str, Any]) -> Markup:
    policy = report["policy"]
    read = (
        f"Captured objects read: {report['objects']:,}. Repeated predictions left out: {report['duplicates']:,}. "
        f"Unreadable lines: {report['corrupted_lines']:,}, unreadable objects: {report['corrupted_objects']:,}."
    )
    psi = (
        "PSI is the population stability index over deciles of the reference (categories: over the values); it "
        f"counts as large from {policy['psi']:g}. D is the Kolmogorov-Smirnov distance of the two distributions; "
        "χ² tests whether the categories have the same shares. The p-value is adjusted for the number of columns "
        f"(Benjamini-Hochberg); below {policy['alpha']:g} it is more than chance. Missing counts as a value."
    )
    limit = (
        "Rows of one window are not independent where they share a cause, such as an hour's weather: p-values are "
        "then too small, and the size of the shift says more."
    )
    return element(
        "section",
        element("h2", "How to read this"),
        *[element("p", text) for text in (psi, limit, read)],
        class_="notes",
    )


def _missing(column: Column) -> str:
    before, after = percent(column["missing_reference"]), percent(column["missing_current"])
    return before if before == after else f"{before} → {after}"


def _time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
