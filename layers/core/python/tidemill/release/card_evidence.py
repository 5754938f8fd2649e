"""The evidence of a model card: what `evaluation.json` knows beyond metrics and gates, in tables for people.

Models that were evaluated before a kind of evidence was gathered have no section of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.release.markdown import number, percent, table

WORST = 10
Evaluation = Mapping[str, Any]


def sections(evaluation: Evaluation) -> list[str]:
    """The sections, each with its heading."""
    return [
        f"## {heading}\n\n{body}"
        for name, heading, write in SECTIONS
        if evaluation.get(name) and (body := write(evaluation[name]))
    ]


def _comparisons(compared: Mapping[str, Any]) -> str:
    rows = []
    for whom, found in compared.items():
        better, decided = found.get("improvement"), found.get("decisions")
        if better:
            sure = f"{percent(better['lower'])} with {percent(better['confidence'])} confidence"
            mcnemar = "" if not decided else f"p = {decided['mid_p']:.3g}"
            rows.append((whom, percent(better["estimate"]), sure, mcnemar))
    head = ("beside the", "better by", "at least", "decisions (McNemar, mid-p)")
    return table(head, rows) if rows else ""


def _slices(found: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{each['column']} = {each['slice']}" + (" (protected)" if each["protected"] else ""),
            f"{each['rows']:,}",
            f"{number(each['value'])} ({number(each['low'])} to {number(each['high'])})",
            number(each.get("champion")),
        )
        for each in found["slices"][:WORST]
    ]
    small = len(found["too_small"])
    note = f"\n\n{small} slices have fewer than {found['least_rows']} rows and are not judged." if small else ""
    head = ("slice, the worst first", "rows", f"{found['metric']} (95 %)", "champion")
    return table(head, rows) + note if rows else ""


def _calibration(found: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{each['predicted']:.3f}",
            f"{each['observed']:.3f}",
            f"{each['low']:.3f} to {each['high']:.3f}",
            each["rows"],
        )
        for each in found["bins"]
    ]
    whose = f" of {found['of']}" if "of" in found else ""
    away = f"{found['expected_error']:.3f} away from the observed share"
    words = f"On average the said probability{whose} is {away}."
    return f"{words}\n\n" + table(("said", "observed", "95 %", "rows"), rows)


def _decisions(found: Mapping[str, Any]) -> str:
    rows = [("this model", f"{number(found['cost'])} ({number(found['low'])} to {number(found['high'])})", "", "")]
    for who, other in found["others"].items():
        better = other["improvement"]
        sure = ("", "") if not better else (percent(better["estimate"]), percent(better["lower"]))
        rows.append((OTHERS.get(who, f"the {who}"), number(other["cost"]), *sure))
    words = (
        f"A false positive costs {number(found['false_positive'])}, a false negative"
        f" {number(found['false_negative'])}; so a row counts as 1 from a probability of"
        f" {number(found['threshold'])} on. The cheapest threshold on these rows would have been"
        f" {number(found['least']['threshold'])}, at {number(found['least']['cost'])} a row."
    )
    return f"{words}\n\n" + table(
        ("decided by", "cost of a row (95 %)", "the model is cheaper by", "at least"), rows
    )


def _confusion(found: Mapping[str, Any]) -> str:
    """A line for each class that rows were of, a column for each that they were taken for."""
    classes = found["classes"]
    rows = [
        (name, *(f"{count:,}" for count in counts), percent(counts[place] / sum(counts)) if sum(counts) else "")
        for place, (name, counts) in enumerate(zip(classes, found["rows"], strict=True))
    ]
    return table(("it was", *(f"taken for {name}" for name in classes), "right"), rows)


def _fairness(found: list[Mapping[str, Any]]) -> str:
    head, rates = _rates(found[0].get("classes"))
    rows = [
        (f"{column['column']} = {group['group']}", f"{group['rows']:,}", *(number(rate) for rate in rates(group)))
        for column in found
        for group in column["groups"]
    ]
    words = [
        f"Of `{column['column']}`, the least selection rate is {percent(column['selection_ratio'])} of the largest"
        + (", of the class that is told most unevenly" if "selection_ratios" in column else "")
        + " (the four-fifths rule asks for 80 %)."
        for column in found
        if column.get("selection_ratio") is not None
    ]
    return "\n\n".join([*words, table(("group", "rows", *head), rows)])


Rates = Callable[[Mapping[str, Any]], list[Any]]


def _rates(classes: list[str] | None) -> tuple[tuple[str, ...], Rates]:
    """The headings of what is told of a group, and how it is read: of named classes how often each is said."""
    if classes:
        head = ("right", *(f"taken for {name}" for name in classes))
        return head, lambda group: [group["accuracy"], *group["selection_rates"]]
    return HEADINGS, lambda group: [group.get(rate) for rate in RATES]


def _importance(found: Mapping[str, Any]) -> str:
    rows = [(each["feature"], f"{each['mean']:.4g} ± {each['sd']:.2g}") for each in found["features"]]
    return table(("feature", f"{found['metric']} rises by, if it is shuffled"), rows)


def _robustness(found: Mapping[str, Any]) -> str:
    rows = [
        (f"`{each['missing']}` everywhere", number(each["value"]), percent(each["worsening"]))
        for each in found["features"]
    ]
    scattered = found["at_random"]
    rows.append(
        (
            f"{percent(scattered['share'])} of all values",
            number(scattered["value"]),
            percent(scattered["worsening"]),
        )
    )
    return table(("missing", str(found["metric"]), "worse by"), rows)


def _costs(found: Mapping[str, Any]) -> str:
    rows = [(f"size of {name}", f"{size:,} bytes") for name, size in sorted(found["bytes"].items())]
    slow = found["latency"]
    rows.append(
        ("time for one row", f"{slow['p50_ms']:.3g} ms (median), {slow['p95_ms']:.3g} ms (95th percentile)")
    )
    return table(("", ""), rows) + f"\n\nThe time is of {slow['measured']}."


OTHERS = {"always": "always 1", "never": "always 0"}
RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "mean_prediction")
HEADINGS = ("selected", "true positives", "false positives", "mean prediction")
SECTIONS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("comparisons", "Beside others, on the same rows", _comparisons),
    ("confusion", "Which class is taken for which", _confusion),
    ("slices", "Slices", _slices),
    ("calibration", "Calibration", _calibration),
    ("decisions", "What decisions cost", _decisions),
    ("fairness", "Fairness", _fairness),
    ("importance", "What it relies on", _importance),
    ("robustness", "When values are missing", _robustness),
    ("costs", "Size and time", _costs),
)
