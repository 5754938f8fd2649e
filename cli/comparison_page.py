"""A comparison of runs as one HTML page that fetches nothing. `runs compare --html` writes it."""

from collections.abc import Sequence
from typing import Any

from cli.comparing import is_gain
from cli.experiment import duration, price, short
from cli.importance import FEWEST
from cli.plots.bars import bars
from cli.plots.history import history, legend
from cli.plots.parallel import parallel
from cli.plots.scales import number
from cli.plots.style import STYLE
from tidemill.pages.markup import Markup, element, join

Facts = dict[str, Any]
_META = Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">')


def page(facts: Facts) -> str:
    """The page of what `comparing.compare` gives."""
    ids = [run["run_id"] for run in facts["runs"]]
    title = f"{facts['project']}: {ids[0]}" if len(ids) == 1 else f"{facts['project']}: {len(ids)} runs compared"
    body = [
        element("h1", title),
        element("p", f"{', '.join(ids)}. Differences are to {ids[0]}.", class_="soft"),
        *[element("p", note, class_="note") for note in facts["notes"]],
        _section("Runs", _sheet(_table(ids, _summary(facts)))),
        _section("Metrics on the held-out rows", _metrics(ids, facts)),
        _section("Optimisation history", _history(facts), _HISTORY),
        _section(
            "Parallel coordinates", _parallel(facts), "Darker (in dark mode: lighter) lines are better trials."
        ),
        _section("Parameter importance", _importance(facts), _IMPORTANCE),
        _section("Slices", _slices(facts)),
        _section("Parameters of the best trial", _plain_rows(ids, facts["parameters"])),
        _section("Gates", _plain_rows(ids, facts["gates"])),
        _section("Made with", _plain_rows(ids, facts["made_with"]), "≠ marks what is not the same in all runs."),
    ]
    head = [
        _META,
        element("title", title),
        element("style", Markup(STYLE)),
    ]
    html = element("html", element("head", *head), element("body", element("main", *body)), lang="en")
    return f"<!doctype html>\n{html}\n"


_HISTORY = (
    "Dots are complete trials, rings pruned ones; dashed rings at the upper edge lie beyond it, and dots on the"
    " lower edge failed. The lines are the best so far."
)
_IMPORTANCE = (
    "The share of the spread of the trials' values that each parameter explains by itself (functional ANOVA over"
    " the trials of one algorithm). With few trials this is a hint."
)


def _section(title: str, content: Markup | None, words: str = "") -> Markup:
    """A section; nothing where there is no content."""
    if not content:
        return Markup("")
    told = [element("p", words, class_="soft")] if words else []
    return element("section", element("h2", title), *told, content)


def _sheet(content: Markup, title: str = "") -> Markup:
    return element("div", *([element("h3", title)] if title else []), content, class_="sheet")


def _table(ids: Sequence[str], rows: Sequence[Markup]) -> Markup:
    keys = [element("th", element("i", class_=f"key s{i % 6}"), name) for i, name in enumerate(ids)]
    head = element("thead", element("tr", element("th"), *keys))
    return element("div", element("table", head, element("tbody", *rows)), class_="wide")


def _row(what: str, cells: Sequence[object], *, differs: bool = False) -> Markup:
    found = [element("td", cell) for cell in cells]
    return element("tr", element("th", what), *found, class_="differs" if differs else None)


def _summary(facts: Facts) -> list[Markup]:
    runs = facts["runs"]
    lines = {
        "state": [_text(run["state"]) for run in runs],
        "dataset": [f"v{run['dataset_version']}" for run in runs],
        "model": [f"v{run['model_version']}" if run["model_version"] else "-" for run in runs],
        "algorithm": [_text(run["algorithm"]) for run in runs],
        "best trial": [_best(run) for run in runs],
        "trials": [_counts(run["counts"]) for run in runs],
        "duration": [_text(duration(run["seconds"])) for run in runs],
        "cost": [_text(price(run["cost"])) for run in runs],
        "why": [_text(run["reason"]) for run in runs],
    }
    return [_row(what, cells) for what, cells in lines.items()]


def _best(run: Facts) -> str:
    return "-" if run["trial"] is None else f"{run['trial']}: {run['metric']} {number(run['value'])} (validation)"


def _counts(counts: Facts) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "none"


def _metrics(ids: Sequence[str], facts: Facts) -> Markup | None:
    rows = [_row(row["what"], [_metric(row, run) for run in range(len(ids))]) for row in facts["metrics"]]
    return _sheet(_table(ids, rows)) if rows else None


def _metric(row: Facts, run: int) -> Markup:
    value, difference = row["values"][run], row["differences"][run]
    if not difference or run == 0:
        return join(_text(value))
    gain = is_gain(row, run)
    kind = {True: "gain", False: "loss", None: "soft"}[gain]
    return join([f"{number(value)} ", element("span", f"{difference:+.3g}", class_=kind)])


def _plain_rows(ids: Sequence[str], rows: Sequence[Facts]) -> Markup | None:
    if not rows:
        return None
    drawn = [
        _row(row["what"], [_text(short(value)) for value in row["values"]], differs=not row["same"])
        for row in rows
    ]
    return _sheet(_table(ids, drawn))


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return number(value) if isinstance(value, float) else str(value)


def _history(facts: Facts) -> Markup | None:
    runs = facts["runs"]
    drawn = history(runs, metric=_metric_name(facts))
    return None if drawn is None else _sheet(join([legend([run["run_id"] for run in runs]), drawn]))


def _metric_name(facts: Facts) -> str:
    return next((str(run["metric"]) for run in facts["runs"] if run["metric"]), "value")


def _parallel(facts: Facts) -> Markup | None:
    drawn = []
    for run in facts["runs"]:
        for algorithm in sorted({trial["algorithm"] for trial in run["trials"] if trial.get("algorithm")}):
            own = [trial for trial in run["trials"] if trial.get("algorithm") == algorithm]
            plot = parallel(own, metric=run["metric"] or "value")
            drawn += [] if plot is None else [_sheet(plot, f"{run['run_id']}: {algorithm}")]
    return join(drawn) if drawn else None


def _importance(facts: Facts) -> Markup | None:
    drawn = [
        _sheet(bars(found["shares"]), f"{run['run_id']}: {found['algorithm']}, {found['trials']} trials")
        for run in facts["runs"]
        for found in run["importance"]
        if found["shares"]
    ]
    few = [
        f"{found['algorithm']} of {run['run_id']} ({found['trials']})"
        for run in facts["runs"]
        for found in run["importance"]
        if found["trials"] < FEWEST
    ]
    told = f"Fewer than {FEWEST} completed trials, which say too little: {', '.join(few)}."
    shown = [element("div", *drawn, class_="pair")] if drawn else []
    return join([*shown, *([element("p", told, class_="soft after")] if few else [])])


def _slices(facts: Facts) -> Markup | None:
    """A table of what the evaluations say of parts of the rows, worst first, where they say it."""
    drawn = [_sheet(_slice_table(run["slices"]), run["run_id"]) for run in facts["runs"] if run["slices"]]
    return element("div", *drawn, class_="pair") if drawn else None


def _slice_table(slices: Sequence[Facts]) -> Markup:
    head = element("tr", *[element("th", name) for name in ("slice", "rows", "value", "interval")])
    rows = []
    for each in slices:
        low, high = each.get("low"), each.get("high")
        interval = "-" if low is None or high is None else f"{number(low)} to {number(high)}"
        name = f"{each['column']} = {each['slice']}"
        cells = (f"{each['rows']:,}", _text(each.get("value")), interval)
        rows.append(element("tr", element("th", name), *[element("td", cell) for cell in cells]))
    return element("div", element("table", element("thead", head), element("tbody", *rows)), class_="wide")
