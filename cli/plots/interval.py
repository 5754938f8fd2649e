"""The always-valid interval of a release over time: band, estimate, the limits of the goal, and the steps."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cli.plots import frame
from cli.plots.scales import Scale, number
from tidemill.pages.markup import Markup, element

Facts = Mapping[str, Any]
UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (0.0, 60.0, "minutes"))
"""From how many seconds on, seconds in one, name."""
STYLE = """
.area .band { fill: var(--s0); fill-opacity: 0.18; stroke: none; }
.area .middle { stroke: var(--s0); stroke-width: 2; stroke-linejoin: round; }
.area .limit { stroke: var(--loss); stroke-width: 1.6; stroke-dasharray: 6 4; }
.area .zero { stroke: var(--soft); stroke-width: 1; }
.area .shift { stroke: var(--soft); stroke-dasharray: 2 3; }
.look { fill: var(--s0); }
.look.decided { fill: var(--loss); stroke: var(--ink); stroke-width: 1.5; }
.line { display: inline-block; width: 20px; height: 0; margin: 0 7px 4px 0; border-top: 2px solid var(--s0); }
.line.limit { border-top: 2px dashed var(--loss); } .line.zero { border-top: 1px solid var(--soft); }
.line.shift { border-top: 2px dotted var(--soft); }
.patch { display: inline-block; width: 20px; height: 10px; margin-right: 7px; background: var(--s0);
  opacity: 0.3; }
"""


def interval(facts: Facts) -> Markup | None:
    """The plot of what `tidemill.release.explain` gives; None where no look has an interval. Each step is an
    experiment of its own and is drawn as one; what lies beyond the edge is drawn at it."""
    looks = [look for look in facts["looks"] if look.get("difference")]
    if not looks:
        return None
    seconds, scale, name = _time(facts, looks)
    y = _heights(looks, facts["limits"])
    steps = [[look for look in looks if look["step"] == step] for step in sorted({look["step"] for look in looks})]
    drawn = [frame.stretched(*[shape for step in steps for shape in _step(step, seconds, scale, y)])]
    drawn += [_level(y, 0.0, "zero"), _level(y, facts["limits"]["reach"], "limit")]
    drawn += [_shift(scale.at(seconds[step[0]["look"]])) for step in steps[1:]]
    drawn += [_dot(look, scale.at(seconds[look["look"]]), y) for look in looks]
    return frame.frame(
        drawn,
        x=scale,
        y=y,
        x_ticks=scale.ticks(6),
        x_label=f"{name} since the release began",
        y_label=f"challenger - champion, {facts['metric']} (less is better)",
        told=f"the difference of {facts['metric']} with its interval at {len(looks)} looks",
    )


def legend(facts: Facts) -> Markup:
    """What is drawn how."""
    limit = f"the limit of the goal ({number(facts['limits']['reach'])})"
    keys = [("patch", "interval"), ("line", "difference"), ("line limit", limit), ("line zero", "no difference")]
    keys += [("line shift", "more traffic")] if len(facts["steps"]) > 1 else []
    return element(
        "div", *[element("span", element("i", class_=kind), words) for kind, words in keys], class_="legend"
    )


def _time(facts: Facts, looks: Sequence[Facts]) -> tuple[dict[int, float], Scale, str]:
    """When each look was, the scale, and its unit."""
    began = datetime.fromisoformat(facts["began"])
    found = {look["look"]: (datetime.fromisoformat(look["at"]) - began).total_seconds() for look in looks}
    longest = max(found.values())
    _, unit, name = next(each for each in UNITS if longest >= each[0])
    spread = {look: seconds / unit for look, seconds in found.items()}
    room = 0.02 * (max(spread.values()) or 1.0)
    return spread, Scale(min(spread.values()) - room, max(spread.values()) + room), name


def _heights(looks: Sequence[Facts], limits: Facts) -> Scale:
    """All estimates and limits, and of the intervals as much as is not wider than twice the median one: the first
    ones are so wide that nothing could be seen beside them."""
    halves = sorted((look["difference"]["upper"] - look["difference"]["lower"]) / 2 for look in looks)
    usual = 2 * halves[len(halves) // 2]
    middles = [look["difference"]["difference"] for look in looks]
    ends = [max(look["difference"]["lower"], middle - usual) for look, middle in zip(looks, middles, strict=True)]
    ends += [min(look["difference"]["upper"], middle + usual) for look, middle in zip(looks, middles, strict=True)]
    ends += [*limits.values(), 0.0]
    room = 0.04 * ((max(ends) - min(ends)) or 1.0)
    return Scale(min(ends) - room, max(ends) + room)


def _step(looks: Sequence[Facts], seconds: Mapping[int, float], x: Scale, y: Scale) -> list[Markup]:
    """Band and line of one step."""
    places = [x.at(seconds[look["look"]]) for look in looks]
    upper, lower, middle = (
        [(place, 100 - y.at(look["difference"][end])) for place, look in zip(places, looks, strict=True)]
        for end in ("upper", "lower", "difference")
    )
    return [frame.path([*upper, *reversed(lower)], class_="band"), frame.path(middle, class_="middle")]


def _level(y: Scale, value: float, kind: str) -> Markup:
    at = frame.place(100 - y.at(value))
    return element("line", x1="0%", x2="100%", y1=at, y2=at, class_=kind)


def _shift(at: float) -> Markup:
    return element("line", x1=frame.place(at), x2=frame.place(at), y1="0%", y2="100%", class_="shift")


def _dot(look: Facts, place: float, y: Scale) -> Markup:
    found = look["difference"]
    bounds = f"{found['difference']:+.4g} in [{found['lower']:+.4g}, {found['upper']:+.4g}]"
    decided = "" if look["verdict"] == "continue" else " decided"
    title = f"look {look['look']}, step {look['step'] + 1}: {bounds}, {look['verdict']}"
    return frame.dot(place, 100 - y.at(found["difference"]), radius=3.5, class_=f"look{decided}", title=title)
