"""The verdict of a look before any exposure: the same requests, answered by both. Plans `shadow` and `replay`.

Each unit has both losses, so that their difference is compared with the limits of the goal: one sample, by the
confidence sequence of a mean (Waudby-Smith et al., arXiv 2103.06476v7, eq. 9). What is hard for both models is in
neither side of it, which is worth many times the units of a split. Outcomes are those that followed from the
champion's answers.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from tidemill.projects import Rollout
from tidemill.release import sequential
from tidemill.release.experiment import Arm
from tidemill.release.sequential import Interval, Sample
from tidemill.release.verdict import Verdict, added, limits
from tidemill.release.watch import NO_RATIO


@dataclass(frozen=True)
class Shadow:
    """The challenger's answers so far: how many of how many requests, how many of them are errors, and the first
    of these; whether the step is over; and how alike both models answer (None where they gave none): the share of
    equal predictions, and the largest difference of a probability, or of a number that was predicted."""

    plan: str
    answered: int
    requests: int
    errors: int
    first_error: str | None
    over: bool
    equal: float | None = None
    largest: float | None = None


def judge(
    challenger: Arm, champion: Arm, sample: Sample, shadow: Shadow, *, rules: Rollout, step: int, look: int
) -> Verdict:
    """The verdict. `sample`: of the units' differences, challenger - champion."""
    interval = difference(sample, challenger, champion, rules)
    numbers: dict[str, Any] = {
        "arms": {"challenger": asdict(challenger), "champion": asdict(champion)},
        "paired": asdict(sample),
        "shadow": asdict(shadow),
        "difference": asdict(interval) if interval else None,
        "alpha": rules.alpha_each,
        "goal": rules.goal,
        "margin": rules.margin,
        "weight": rules.stages()[step].weight,
        "sample_ratio": NO_RATIO,
        "theta": None,
    }
    word, reason = _decide(sample, interval, shadow, rules)
    if word == "continue" and (shadow.over or look >= rules.max_looks):
        word, reason = _end(reason, sample, shadow, rules)
    return Verdict(word, reason, numbers)


def difference(sample: Sample, challenger: Arm, champion: Arm, rules: Rollout) -> Interval | None:
    """The interval of the mean difference; None while there is nothing that could differ.

    A challenger that answers alike differs in no unit so far: as in `sequential.guarded`, units are added, here at
    the largest difference that the losses seen allow, in either direction.
    """
    ends = [arm.sample for arm in (challenger, champion)]
    least = [each.least for each in ends if each.least is not None]
    most = [each.most for each in ends if each.most is not None]
    if sample.units < 2 or not least or not most:
        return None
    reach = max(most) - min(least)
    away = (reach - sample.mean) ** 2 + (reach + sample.mean) ** 2
    variance = sample.variance + added(rules) * away / sample.units
    if variance <= 0:
        return None
    half = sequential.half_width(math.sqrt(variance / sample.units), sample.units, rules.alpha_each)
    return Interval(sample.mean, sample.mean - half, sample.mean + half)


def _decide(sample: Sample, interval: Interval | None, shadow: Shadow, rules: Rollout) -> tuple[str, str]:
    if shadow.errors > rules.max_errors:
        share = f"{shadow.errors} of {shadow.answered} requests ({shadow.first_error})"
        return "roll_back", f"the challenger failed on {share}; at most {rules.max_errors} may"
    if sample.units < rules.min_units or interval is None:
        counted = "requests" if rules.unit == "request" else "entities"
        return "continue", f"{sample.units} {counted} with outcomes, {rules.min_units} needed"
    bounds = f"difference of loss {interval.difference:+.4f} in [{interval.lower:+.4f}, {interval.upper:+.4f}]"
    within, better = limits(rules), rules.goal == "better"
    if interval.upper < within.reach:
        shown = f"better by more than {rules.margin}" if better else f"not worse by the margin {rules.margin}"
        return "advance", f"{shown} on the same requests: {bounds}"
    if interval.lower > within.hopeless:
        shown = f"surely not better by more than {rules.margin}" if better else "surely worse"
        return "roll_back", f"{shown} on the same requests: {bounds}"
    return "continue", f"not decided yet: {bounds}, margin {rules.margin}"


def _end(reason: str, sample: Sample, shadow: Shadow, rules: Rollout) -> tuple[str, str]:
    """What becomes of a step that ends undecided."""
    seen = f"{shadow.answered} answers, {shadow.errors} errors; {reason}"
    if rules.outcomes == "optional":
        return "advance", f"no worse than the champion as far as can be seen: {seen}"
    if rules.undecided == "promote":
        return "advance", f"undecided after the {shadow.plan}: {seen}"
    remedy = "" if sample.units >= rules.min_units else "; `outcomes: optional` goes on without them"
    return "roll_back", f"undecided after the {shadow.plan}: {seen}{remedy}"
