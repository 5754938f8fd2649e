"""Optimisation history: the value of each trial, and the best so far, of one or several runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.plots import frame
from cli.plots.scales import Scale, number, without_outliers
from tidemill.pages.markup import Markup, element

Trial = Mapping[str, Any]


def history(runs: Sequence[Mapping[str, Any]], *, metric: str) -> Markup | None:
    """The plot; None where no trial has a value. `runs` are `{run_id, trials}`; less is better."""
    complete = [trial for run in runs for trial in run["trials"] if _has_value(trial)]
    if not complete:
        return None
    highest = max(trial["trial"] for run in runs for trial in run["trials"])
    x = Scale(-0.5, highest + 0.5)
    y = without_outliers([float(trial["value"]) for trial in complete])
    lines = [_best_line(run["trials"], x, y, series) for series, run in enumerate(runs)]
    dots = [_dot(trial, x, y, series) for series, run in enumerate(runs) for trial in run["trials"]]
    whole = sorted({float(round(tick)) for tick in Scale(0, highest).ticks(6)})
    return frame.frame(
        [frame.stretched(*lines), *dots],
        x=x,
        y=y,
        x_ticks=whole,
        x_label="trial",
        y_label=f"{metric} (less is better)",
        told=f"{metric} of {len(complete)} trials and the best so far",
    )


def legend(names: Sequence[str]) -> Markup:
    """Which colour is which run."""
    return element("div", *[_key(name, f"s{number % 6}") for number, name in enumerate(names)], class_="legend")


def _key(name: str, series: str) -> Markup:
    return element("span", element("i", class_=f"key {series}"), name)


def _has_value(trial: Trial) -> bool:
    return trial["state"] == "complete" and trial.get("value") is not None


def _best_line(trials: Sequence[Trial], x: Scale, y: Scale, series: int) -> Markup:
    best = float("inf")
    points: list[tuple[float, float]] = []
    for trial in trials:
        if not _has_value(trial):
            continue
        here = x.at(trial["trial"])
        if points:
            points.append((here, 100 - y.at(best)))
        best = min(best, float(trial["value"]))
        points.append((here, 100 - y.at(best)))
    if not points:
        return Markup("")
    points.append((x.at(x.high), points[-1][1]))
    return frame.path(points, class_=f"best s{series % 6}")


def _dot(trial: Trial, x: Scale, y: Scale, series: int) -> Markup:
    where, value = x.at(trial["trial"]), trial.get("value")
    words = f"trial {trial['trial']}, {trial.get('algorithm', '')}: {trial['state']}"
    if value is None:
        return frame.dot(where, 100, radius=3, class_=f"failed s{series % 6}", title=words)
    beyond = "" if y.holds(value) else " beyond"
    state = "pruned" if trial["state"] == "pruned" else "complete"
    title = f"{words}, {number(value)}{' (beyond the edge)' if beyond else ''}"
    return frame.dot(where, 100 - y.at(value), class_=f"{state} s{series % 6}{beyond}", title=title)
