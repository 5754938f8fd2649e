"""Which gates a candidate goes through, with the figures of its evidence.

Pure functions; EvaluateCandidate calls `judge`.
"""

from collections.abc import Mapping
from typing import Any, cast

from tidemill.training import gates
from tidemill.training.champion import Champion
from tidemill.training.metrics import Metrics
from tidemill.training.plan import Plan


def judge(
    plan: Plan,
    measured: Mapping[str, Metrics],
    parity: Mapping[str, Any],
    champion: Champion | None,
    evidence: Mapping[str, Any],
    costs: Mapping[str, Any],
) -> list[gates.Gate]:
    """All gates of the project file, in the order in which a person asks."""
    rules, rows = plan.project.gates, plan.rows["holdout"]
    obstacle = "there is no champion yet" if champion is None else champion.obstacle
    return [
        _better_than(plan, "baseline", measured, evidence),
        _beats_champion(plan, measured, champion, evidence),
        gates.slices(evidence["slices"], most=rules.slices, burden=rules.slices_burden, champion=obstacle),
        _agreement(parity, rules.parity),
        gates.enough_rows(rows, least=rules.holdout_rows),
        *_asked_for(plan, evidence, costs, parity.get("form", "onnx")),
    ]


def _agreement(parity: Mapping[str, Any], most: float) -> gates.Gate:
    words = {"form": parity["form"]} if "form" in parity else {}
    return gates.agreement(parity["rows"], parity["disagreeing"], most=most, **words)


def _better_than(
    plan: Plan, whom: str, measured: Mapping[str, Metrics], evidence: Mapping[str, Any]
) -> gates.Gate:
    rules = plan.project.gates
    least = {"baseline": rules.over_baseline, "champion": rules.over_champion}[whom]
    own, other = (cast(float, measured[who][plan.metric]) for who in ("candidate", whom))
    change = evidence["comparisons"][whom]["improvement"]
    return gates.better_than(whom, plan.metric, own, other, change, least=least, rows=plan.rows["holdout"])


def _beats_champion(
    plan: Plan, measured: Mapping[str, Metrics], champion: Champion | None, evidence: Mapping[str, Any]
) -> gates.Gate:
    if champion is None:
        return gates.no_champion()
    if champion.predictions is None:
        return gates.incomparable(champion.obstacle)
    return _better_than(plan, "champion", measured, evidence)


def _asked_for(plan: Plan, evidence: Mapping[str, Any], costs: Mapping[str, Any], form: str) -> list[gates.Gate]:
    """The gates that are off unless the project file sets their limit."""
    rules, calibration, fairness = plan.project.gates, evidence["calibration"] or {}, evidence["fairness"]
    ratios = [each.get("selection_ratio") for each in fairness]
    odds = [each.get(f"{which}_positive_difference") for each in fairness for which in ("true", "false")]
    robustness = evidence["robustness"]
    worsenings = [case["worsening"] for case in (*robustness["features"], robustness["at_random"])]
    size, slow = costs["bytes"][f"model.{form}"], costs["latency"]["p95_ms"]
    error, paid = calibration.get("expected_error"), (evidence["decisions"] or {}).get("cost")
    asked = {
        "calibration": (gates.at_most, "the expected calibration error", error),
        "decision_cost": (gates.at_most, "the mean cost of a decision", paid),
        "selection_ratio": (gates.at_least, "the least ratio of selection rates", _least(ratios)),
        "equalised_odds": (gates.at_most, "the largest difference of rates", _most(odds)),
        "robustness": (gates.at_most, "the worsening where values are missing", _most(worsenings)),
        "model_bytes": (gates.at_most, "the size of the served form in bytes", size),
        "latency_ms": (gates.at_most, "the 95th percentile of the time for one row in ms", slow),
    }
    limits = {name: getattr(rules, name) for name in asked}
    return [
        judged(name, what, value, limits[name])
        for name, (judged, what, value) in asked.items()
        if limits[name] is not None
    ]


def _least(values: list[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
