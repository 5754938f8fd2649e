"""A release explained as one HTML page that fetches nothing. `release explain --html` writes it."""

from collections.abc import Mapping
from typing import Any

from cli import show
from cli.plots.interval import STYLE as PLOT
from cli.plots.interval import interval, legend
from cli.plots.scales import number
from cli.plots.style import STYLE
from tidemill.pages.markup import Markup, element, join

Facts = Mapping[str, Any]
_META = Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">')
_OWN = """
.looks th, .looks td { overflow-wrap: normal; min-width: 0; padding: 7px 8px; }
.looks td { font-size: 13px; white-space: nowrap; } .looks td:last-child { white-space: normal; min-width: 16ch; }
.looks thead th { white-space: nowrap; }
.note.holds { border-color: var(--gain); }
"""
_HEADS = ("look", "at (UTC)", "weight", "challenger", "champion", "difference", "verdict", "made again", "why")
GOALS = {"not_worse": "not worse by {} or more", "better": "better by more than {}"}


def page(facts: Facts) -> str:
    """The page of what `tidemill.release.explain` gives."""
    title = f"{facts['project']}: release {facts['release_id']}"
    drawn = interval(facts)
    plot = [element("h2", "The interval over time"), element("p", _WORDS, class_="soft")]
    plot += [element("div", legend(facts), drawn, class_="sheet")] if drawn else [element("p", "No look has one.")]
    body = [
        element("h1", title),
        element("p", _summary(facts), class_="soft"),
        element("p", verified(facts), class_="note holds" if holds(facts) else "note"),
        element("section", *plot),
        element("section", element("h2", "The looks"), element("div", _table(facts), class_="wide sheet looks")),
    ]
    head = [_META, element("title", title), element("style", Markup(STYLE + PLOT + _OWN))]
    html = element("html", element("head", *head), element("body", element("main", *body)), lang="en")
    return f"<!doctype html>\n{html}\n"


_WORDS = (
    "The interval may be looked at as often as one likes: the chance that it ever excludes the true difference is"
    " at most the step's share of alpha. The challenger moves on when the whole interval lies below the limit."
    " Each step begins anew; the widest intervals, of the first looks, are cut at the edge."
)


def goal(facts: Facts) -> str:
    """The goal in words."""
    return GOALS[facts["goal"]].format(number(facts["margin"]))


def holds(facts: Facts) -> bool:
    """Whether the record says what was done: every look there, made again the same, the decision following."""
    return bool(facts["same"] and not facts["missing"] and facts["follows"] is not False)


def verified(facts: Facts) -> str:
    """Whether the verdicts, made again, are those of the record."""
    odd = [str(look["look"]) for look in facts["looks"] if not look["same"]]
    words = f"All {len(facts['looks'])} verdicts, made again from the record alone, are the same."
    if not facts["looks"]:
        words = "There was no look yet."
    if odd:
        words = f"Made again from the record, these looks say otherwise: {', '.join(odd)}."
    if facts["missing"]:
        words += f" Looks are missing from the record: {', '.join(map(str, facts['missing']))}."
    if facts["decision"]:
        how = {True: "It follows from the last look.", False: "It does not follow from the last look.", None: ""}
        made = f" Decision: {facts['decision']['verdict']} by {facts['decision']['by']}"
        words += f"{made} ({facts['decision']['reason']}). {how[facts['follows']]}".rstrip()
    return words


def _summary(facts: Facts) -> str:
    covariate = f", adjusted by {facts['covariate']}" if facts["covariate"] else ""
    steps = " → ".join(show.share(*step) for step in zip(facts["steps"], facts["plan"], strict=True))
    return (
        f"Model {facts['model']}: {facts['metric']} per {facts['unit']}{covariate}; goal: {goal(facts)};"
        f" alpha {number(facts['alpha'])} over the steps {steps}."
    )


def _table(facts: Facts) -> Markup:
    head = element("thead", element("tr", *[element("th", name) for name in _HEADS]))
    return element("table", head, element("tbody", *[_row(look) for look in reversed(facts["looks"])]))


def _row(look: Facts) -> Markup:
    found = look["difference"]
    bounds = "-"
    if found:
        bounds = f"{number(found['difference'])} [{number(found['lower'])}, {number(found['upper'])}]"
    same = "same" if look["same"] else f"{look['again']['verdict']} ({', '.join(look['differs'])})"
    cells = [
        str(look["at"])[:16].replace("T", " "),
        show.share(look["weight"], look.get("plan")),
        *[_arm(look["arms"][side]) for side in ("challenger", "champion")],
        bounds,
        look["verdict"],
        element("span", same, class_="gain" if look["same"] else "loss"),
        look["reason"].split(": difference of loss")[0],
    ]
    return element("tr", element("th", str(look["look"])), *[element("td", join(cell)) for cell in cells])


def _arm(arm: Facts) -> str:
    sample = arm["sample"]
    return f"{number(sample['mean'])} ({sample['units']:,} of {arm['requests']:,})"
