"""The gates: what a candidate must show before it is registered, each with its verdict in figures and in words.

Pure functions; EvaluateCandidate calls them, CloseRun and the model card quote them.
"""

from collections.abc import Sequence
from typing import Any

PASSED, REFUSED, WAIVED, NOT_APPLICABLE = "passed", "refused", "waived", "not_applicable"
COMPARISONS = ("baseline", "champion")
Gate = dict[str, Any]


def improvement(candidate: float, reference: float) -> float | None:
    """How much lower the candidate's metric is, as a share of the reference's. None if the reference is 0:
    nothing can be lower than that."""
    return (reference - candidate) / reference if reference > 0 else None


def better_than(whom: str, metric: str, candidate: float, reference: float, *, least: float, rows: int) -> Gate:
    """The gate named `whom`: the relative improvement must be above `least`, so that with 0 a tie is refused."""
    value = improvement(candidate, reference)
    passes = value is not None and value > least
    own, other = _told_apart(candidate, reference)
    verdict = f"is {'' if passes else 'not '}{_demand(least)}"
    words = f"{metric} {own} {verdict} the {whom}'s {other} on the same {rows:,} rows"
    return _gate(whom, passes, value, least, words)


def no_champion() -> Gate:
    return {**_gate("champion", False, None, None, "there is no champion yet"), "verdict": NOT_APPLICABLE}


def incomparable(reason: str) -> Gate:
    """The champion cannot be asked about these rows."""
    return _gate("champion", False, None, None, reason)


def agreement(rows: int, disagreeing: int, *, most: float) -> Gate:
    """The gate `parity`: at most that share of the rows may be answered differently by the served form."""
    share = disagreeing / rows
    words = (
        f"the ONNX model answers {disagreeing:,} of {rows:,} rows differently ({share:.2%}; at most {most:.2%})"
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


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Both with as few digits as show that they differ: three, or more if they are close."""
    texts = [(f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in (3, 4, 6, 9, 15)]
    return next((pair for pair in texts if pair[0] != pair[1]), texts[0])
