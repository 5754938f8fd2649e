"""Parallel coordinates: each trial of an algorithm as a line over its parameters to its value."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.importance import is_far
from cli.plots import frame
from cli.plots.scales import Scale, number, over, without_outliers
from tidemill.pages.markup import Markup, element

Trial = Mapping[str, Any]
NARROWEST = 104  # pixels an axis needs


class _Words:
    """An axis of words, in alphabetical order."""

    def __init__(self, words: Sequence[Any]) -> None:
        self._words = sorted({str(word) for word in words})
        self._scale = Scale(0, len(self._words) - 1)
        self.is_log = False

    def at(self, value: Any) -> float:
        return self._scale.at(self._words.index(str(value)))

    def ends(self) -> tuple[str, str]:
        return self._words[0], self._words[-1]


class _Numbers:
    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self.is_log = scale.is_log

    def at(self, value: Any) -> float:
        return self._scale.at(float(value))

    def ends(self) -> tuple[str, str]:
        return number(self._scale.low), number(self._scale.high)


def parallel(trials: Sequence[Trial], *, metric: str) -> Markup | None:
    """The plot of the completed trials, all of one algorithm; None for fewer than two. Better ones are darker, and
    drawn above the others; the best is the thick one."""
    done = [trial for trial in trials if trial["state"] == "complete" and trial.get("value") is not None]
    names = sorted({name for trial in done for name in trial["parameters"]})
    if len(done) < 2 or not names:
        return None
    values = [float(trial["value"]) for trial in done]
    axes: dict[str, _Words | _Numbers] = {name: _axis(name, done) for name in names}
    last = _Numbers(without_outliers(values, room=0.0))
    places = [100 * number / len(names) for number in range(len(names) + 1)]
    ordered = sorted(done, key=lambda trial: float(trial["value"]), reverse=True)
    lines = [_line(trial, axes, last, places, trial is ordered[-1], metric) for trial in ordered]
    bars = [frame.path([(at, 0), (at, 100)], class_="axis") for at in places]
    area = element(
        "svg",
        frame.stretched(*bars, *lines),
        role="img",
        class_="area",
        aria_label=f"{len(done)} trials over {', '.join(names)} to their {metric}",
    )
    heads = [
        _head(name, at, axis) for (name, axis), at in zip([*axes.items(), (metric, last)], places, strict=True)
    ]
    feet = [_foot(at, axis) for axis, at in zip([*axes.values(), last], places, strict=True)]
    width = f"min-width:{(len(names) + 1) * NARROWEST}px"
    shown = [element("div", *heads, class_="heads"), area, element("div", *feet, class_="feet")]
    return element("div", element("div", *shown, class_="parallel", style=width), class_="wide")


def _axis(name: str, trials: Sequence[Trial]) -> _Words | _Numbers:
    found = [trial["parameters"][name] for trial in trials if name in trial["parameters"]]
    if any(isinstance(value, bool | str) or value is None for value in found):
        return _Words(found)
    return _Numbers(over(found, is_log=is_far(found)))


def _line(
    trial: Trial,
    axes: Mapping[str, _Words | _Numbers],
    last: _Numbers,
    places: Sequence[float],
    is_best: bool,
    metric: str,
) -> Markup:
    given, value = trial["parameters"], float(trial["value"])
    points = [
        (at, 100 - axes[name].at(given[name])) for name, at in zip(axes, places, strict=False) if name in given
    ]
    points.append((places[-1], 100 - last.at(value)))
    words = ", ".join(f"{name} {_told(each)}" for name, each in given.items())
    title = f"trial {trial['trial']}: {metric} {number(value)}; {words}"
    share = 100 - last.at(value)
    colour = f"--share:{share:.0f}%"
    return frame.path(points, class_="trial best" if is_best else "trial", style=colour, title=title)


def _told(value: Any) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _head(name: str, at: float, axis: _Words | _Numbers) -> Markup:
    scale = " (log)" if axis.is_log else ""
    return element(
        "span", element("b", frame.breakable(name), scale), axis.ends()[1], style=f"left:{frame.place(at)}"
    )


def _foot(at: float, axis: _Words | _Numbers) -> Markup:
    return element("span", axis.ends()[0], style=f"left:{frame.place(at)}")
