"""The gates: what a candidate must show before it is registered, each with its verdict in figures and in words.

Pure functions; EvaluateCandidate calls them, CloseRun and the model card quote them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

PASSED, REFUSED, WAIVED, NOT_APPLICABLE = "passed", "refused", "waived", "not_applicable"
COMPARISONS = ("baseline", "champion")
Gate = dict[str, Any]


def better_than(
    whom: str,
    metric: str,
    candidate: float,
    reference: float,
    change: Mapping[str, Any] | None,
    *,
    least: float,
    rows: int,
) -> Gate:
    """The gate named `whom`: the lower confidence limit of the relative improvement (`change`: what
    `evidence.paired.improvement` gives; None if nothing can be better) must be above `least`. So a gain that
    may be chance is refused, and with 0 a tie is."""
    value, lower = (None, None) if change is None else (change["estimate"], change["lower"])
    passes = lower is not None and lower > least
    own, other = _told_apart(candidate, reference)
    seems = value is not None and value > least
    demand = f"{'' if seems else 'not '}{_demand(least)}"
    words = f"{metric} {own} is {demand} the {whom}'s {other} on the same {rows:,} rows"
    if change is not None and lower is not None:
        sure = f"with {100 * change['confidence']:g} % confidence it is {_at_worst(lower)}"
        if seems and not passes:
            words += f", but that is within noise: {sure}, and more than {_points(least)} is asked for"
        else:
            words += f" ({sure})"
    return {**_gate(whom, passes, value, least, words), **_limits(change)}


def _limits(change: Mapping[str, Any] | None) -> Gate:
    return {} if change is None else {"lower": change["lower"], "confidence": change["confidence"]}


def slices(table: Mapping[str, Any], *, most: float | None, burden: str, champion: str) -> Gate:
    """The gate `slices`: on no protected slice may the candidate be worse than the champion by more than `most`,
    as a share of its metric. With the burden `harm` what is shown to be worse is refused: the lower confidence
    limit of the worsening is above `most`. With `safety` what is not shown not to be: the upper one is.

    `table` is what `evidence.slices.table` gives. `champion` says why there is none to compare with; empty if
    there is one."""
    if most is None:
        return _not_applicable("slices", "the project file does not ask for it")
    judged = [row for row in table["slices"] if row["protected"]]
    if champion or not judged:
        return _not_applicable("slices", champion or "no protected slice has enough rows")
    side = "lower" if burden == "harm" else "upper"
    measured = [row for row in judged if row.get("worsening") and row["worsening"][side] is not None]
    if not measured:
        return _not_applicable("slices", "the champion loses nothing on any protected slice")
    worst = max(measured, key=lambda row: row["worsening"][side])
    value = worst["worsening"][side]
    where = f"{worst['column']} = {worst['slice']} ({worst['rows']:,} rows)"
    words = (
        f"{table['metric']} on {where} is {worst['value']:.3g}, the champion's {worst['champion']:.3g}:"
        f" {_points(worst['worsening']['estimate'])} worse, {'surely' if side == 'lower' else 'perhaps'}"
        f" {_points(value)} (at most {_points(most)})"
    )
    return {
        **_gate("slices", value <= most, value, most, words),
        "slice": {"column": worst["column"], "slice": worst["slice"]},
    }


def at_most(name: str, what: str, value: float | None, most: float) -> Gate:
    """A gate on a figure that may not be larger; not applicable where the figure is not defined."""
    if value is None:
        return _not_applicable(name, f"{what} is not defined for these rows")
    return _gate(name, value <= most, value, most, f"{what} is {value:.4g} (at most {most:g})")


def at_least(name: str, what: str, value: float | None, least: float) -> Gate:
    """A gate on a figure that may not be smaller, as `at_most`."""
    if value is None:
        return _not_applicable(name, f"{what} is not defined for these rows")
    return _gate(name, value >= least, value, least, f"{what} is {value:.4g} (at least {least:g})")


def no_champion() -> Gate:
    return _not_applicable("champion", "there is no champion yet")


def _not_applicable(name: str, why: str) -> Gate:
    return {**_gate(name, False, None, None, why), "verdict": NOT_APPLICABLE}


def incomparable(reason: str) -> Gate:
    """The champion cannot be asked about these rows."""
    return _gate("champion", False, None, None, reason)


def agreement(rows: int, disagreeing: int, *, most: float, form: str = "ONNX") -> Gate:
    """The gate `parity`: at most that share of the rows may be answered differently by the served form."""
    share = disagreeing / rows
    words = (
        f"the {form} model answers {disagreeing:,} of {rows:,} rows differently ({share:.2%}; at most {most:.2%})"
    )
    return _gate("parity", share <= most, share, most, words)


def enough_rows(rows: int, *, least: int) -> Gate:
    """The gate `holdout_rows`."""
    return _gate("holdout_rows", rows >= least, rows, least, f"{rows:,} rows are held out (at least {least:,})")


def waive(gates: Sequence[Gate], reason: str | None) -> list[Gate]:
    """The gates, with those that refused waived for `reason`. Never parity: it says whether what is served is
    what was judged, and a waiver is about the judgement."""
    if reason is None:
        return list(gates)
    return [
        {**gate, "verdict": WAIVED, "waived": reason}
        if gate["verdict"] == REFUSED and gate["gate"] != "parity"
        else gate
        for gate in gates
    ]


def passed(gates: Sequence[Gate]) -> bool:
    """Whether no gate refuses."""
    return all(gate["verdict"] != REFUSED for gate in gates)


def summary(gates: Sequence[Gate]) -> str:
    """Why a run passed or was refused, in one line."""
    refused = [gate["reason"] for gate in gates if gate["verdict"] == REFUSED]
    if refused:
        return "refused: " + "; ".join(refused)
    waived = [f"{gate['gate']} waived ({gate['waived']}): {gate['reason']}" for gate in gates if "waived" in gate]
    better = [gate["reason"] for gate in gates if gate["gate"] in COMPARISONS and gate["verdict"] == PASSED]
    return "passed: " + "; ".join([*better, *waived])


def _gate(name: str, passes: bool, value: float | None, threshold: float | None, reason: str) -> Gate:
    verdict = PASSED if passes else REFUSED
    return {
        "gate": name,
        "verdict": verdict,
        "passed": passes,
        "value": value,
        "threshold": threshold,
        "reason": reason,
    }


def _demand(least: float) -> str:
    if least == 0:
        return "below"
    return f"more than {100 * least:g} % below" if least > 0 else f"less than {-100 * least:g} % above"


def _at_worst(lower: float) -> str:
    return f"at least {_points(lower)} better" if lower >= 0 else f"at most {_points(-lower)} worse"


def _points(share: float) -> str:
    return f"{100 * share:.3g} %"


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Both with as few digits as show that they differ: three, or more if they are close."""
    texts = [(f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in (3, 4, 6, 9, 15)]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[0])
