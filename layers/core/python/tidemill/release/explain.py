"""A release explained: every verdict made again from the record alone. `tidemill release explain` calls it.

A look holds the sufficient statistics of both arms (units, means, variances, counts), the plan the rules; nothing
else is read. So this holds years later, when captures have expired.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.projects import Rollout
from tidemill.projects.release import UNEXPOSED
from tidemill.release import overdue, paired, record, watch
from tidemill.release.experiment import Arm
from tidemill.release.paired import Shadow
from tidemill.release.sequential import Covariate, Sample
from tidemill.release.verdict import Verdict, judge, limits

Facts = dict[str, Any]
TOLERANCE = 1e-9
"""Relative: another processor rounds a logarithm otherwise."""
FIGURES = ("difference", "sample_ratio", "missing_outcomes", "theta", "alpha", "margin", "weight")


def explain(
    plan: Mapping[str, Any], looks: Sequence[Mapping[str, Any]], decision: Mapping[str, Any] | None
) -> Facts:
    """What was compared by which rules, each look with what is made of it again, the numbers of looks that are not
    there, and whether the decision follows from the last one. Raises ValidationError if the plan is none."""
    rules, measure = record.rules(plan), record.measure(plan)
    found = [_look(plan, look) for look in sorted(looks, key=lambda each: int(each["look"]))]
    within = limits(rules)
    return {
        "project": plan["project"],
        "release_id": plan["release_id"],
        "model": plan["model"],
        "metric": measure.metric,
        "unit": measure.unit,
        "covariate": measure.covariate,
        "goal": rules.goal,
        "margin": rules.margin,
        "limits": {"reach": within.reach, "hopeless": within.hopeless},
        "alpha": rules.alpha,
        "plan": [stage.plan for stage in rules.stages()],
        "steps": [stage.weight for stage in rules.stages()],
        "began": plan["at"],
        "looks": found,
        "decision": dict(decision) if decision else None,
        "follows": _follows(found, decision),
        "missing": sorted(set(range(1, len(found) + 1)) - {look["look"] for look in found}),
        "same": all(look["same"] for look in found),
    }


def arm(recorded: Mapping[str, Any]) -> Arm:
    """An arm as it was recorded, also by a version that knew neither covariates nor missing outcomes."""
    sample = dict(recorded["sample"])
    covariate = sample.pop("covariate", None)
    whole = Sample(**sample, covariate=Covariate(**covariate) if covariate else None)
    return Arm(recorded["variant"], recorded["requests"], whole, recorded.get("answered"))


def _look(plan: Mapping[str, Any], look: Mapping[str, Any]) -> Facts:
    focus = look["sample_ratio"].get("focus", 0.0)  # the first records had none
    rules = record.rules(plan)
    again = overdue.judged(_again(rules, look, focus), overdue.recorded(look), rules)
    made = again.numbers | {"sample_ratio": again.numbers["sample_ratio"] | {"focus": focus}}
    known = {**look, "sample_ratio": {**look["sample_ratio"], "focus": focus}}
    odd = [name for name in FIGURES if name in known and not alike(known[name], made[name])]
    odd = (["verdict"] if again.word != look["verdict"] else []) + odd
    return {**look, "again": {"verdict": again.word, "reason": again.reason}, "differs": odd, "same": not odd}


def _again(rules: Rollout, look: Mapping[str, Any], focus: float) -> Verdict:
    """By the plan of the look's step; the first records had but one plan."""
    ours, theirs = (arm(look["arms"][side]) for side in ("challenger", "champion"))
    step, number = look["step"], look.get("look_of_step", look["look"])  # the first records had one count
    if look.get("plan") == "blue_green":
        return watch.judge(ours, theirs, rules=rules, step=step, minutes=look["minutes"])
    if look.get("plan") in UNEXPOSED:
        both, shadow = Sample(**look["paired"]), Shadow(**look["shadow"])
        return paired.judge(ours, theirs, both, shadow, rules=rules, step=step, look=number)
    return judge(ours, theirs, rules=rules, step=step, look=number, days=look.get("days"), focus=focus)


def alike(one: Any, other: Any) -> bool:
    """Whether two recorded values are the same, but for rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12)


def _follows(looks: Sequence[Facts], decision: Mapping[str, Any] | None) -> bool | None:
    """Whether the decision is what the last look says, made again. None: there is none, or a person or a failure
    made it, or there was nothing to compare with."""
    if not decision or not looks or decision["by"] != "settle_release":
        return None
    if decision["reason"] != looks[-1]["reason"]:
        return None
    return bool(looks[-1]["again"]["verdict"] == decision["verdict"])
