"""The verdict of a look: a pure function of the arms' numbers and the release's rules.

The rules are made so that a challenger gets more traffic only when it is shown to reach the goal, and loses it as
soon as it surely does not:

- sample ratio mismatch, of requests or of those with an outcome → roll back: the numbers cannot be trusted;
- upper bound of (challenger - champion) below the limit → next step, or promotion at the last one;
- lower bound above where it is hopeless, and not below the limit → roll back;
- else go on looking, until `max_looks` or `max_days`, where the project says what an undecided release becomes.

The goal `not_worse` has its limit at the margin, and is hopeless above zero. The margin comes before the lower
bound: a difference that is certain but smaller than the margin is one that the project declared not to matter. The
goal `better` has its limit at minus the margin, and is hopeless above it. Each step is an experiment of its own
with alpha divided by the number of steps, so that the chance of a wrong verdict in the whole release stays below
alpha (union bound).
"""

from dataclasses import asdict, dataclass
from typing import Any

from tidemill.projects import Rollout
from tidemill.projects.release import ALL_OR_NOTHING
from tidemill.release import sample_ratio, sequential
from tidemill.release.experiment import Arm


@dataclass(frozen=True)
class Verdict:
    """`word`: continue, advance, promote or roll_back; `reason` in one sentence; `numbers` it was made from."""

    word: str
    reason: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """`reach`: the upper bound must be below it. `hopeless`: the lower bound must not be above it."""

    reach: float
    hopeless: float


def limits(rules: Rollout) -> Limits:
    """Of the goal, in units of the loss."""
    return Limits(rules.margin, 0.0) if rules.goal == "not_worse" else Limits(-rules.margin, -rules.margin)


def added(rules: Rollout) -> int:
    """Units that are added at either end (`sequential.guarded`): two where a loss is all or nothing."""
    return 2 if rules.metric in ALL_OR_NOTHING else 1


def judge(
    challenger: Arm,
    champion: Arm,
    *,
    rules: Rollout,
    step: int,
    look: int,
    days: float | None = None,
    focus: float = sample_ratio.FOCUS,
) -> Verdict:
    """The verdict at look number `look` (from 1) of a release at `step` (from 0) that is `days` old.

    Without `days` (records from before they were kept) there is no maximum duration but `max_looks`. `focus` is of
    the test of the sample ratio; records tell theirs.
    """
    weight, alpha = rules.stages()[step].weight, rules.alpha_each
    safe = sequential.guarded(challenger.sample, champion.sample, added(rules))
    interval = sequential.difference(*sequential.adjusted(*safe), alpha)
    requests = challenger.requests, champion.requests
    numbers: dict[str, Any] = {
        "arms": {"challenger": asdict(challenger), "champion": asdict(champion)},
        "difference": asdict(interval) if interval else None,
        "alpha": alpha,
        "goal": rules.goal,
        "margin": rules.margin,
        "weight": weight,
        "days": days,
        "sample_ratio": {
            "p": sample_ratio.sequential_p(*requests, weight, focus=focus),
            "chi_squared_p": sample_ratio.chi_squared_p(*requests, weight),
            "focus": focus,
        },
        "missing_outcomes": {"p": _missing_p(challenger, champion, weight, focus)},
        "theta": sequential.slope(challenger.sample, champion.sample) if challenger.sample.covariate else None,
    }
    mismatch = _mismatch(challenger, champion, numbers, rules)
    word, reason = mismatch or _decide(challenger, champion, interval, rules, step)
    if word == "continue" and (over := _over(rules, look, days)):
        word, reason = rules.undecided, f"undecided after {over} ({reason})"
    return Verdict(word, reason, numbers)


def _missing_p(challenger: Arm, champion: Arm, weight: float, focus: float) -> float | None:
    """None where it was not counted."""
    if challenger.answered is None or champion.answered is None:
        return None
    return sample_ratio.sequential_p(challenger.answered, champion.answered, weight, focus=focus)


def _over(rules: Rollout, look: int, days: float | None) -> str | None:
    """What has passed, if it is the most that the project allows."""
    if look >= rules.max_looks:
        return f"{look} looks"
    return f"{days:.1f} days" if days is not None and days >= rules.max_days else None


def _mismatch(challenger: Arm, champion: Arm, numbers: dict[str, Any], rules: Rollout) -> tuple[str, str] | None:
    """A verdict, if the arms do not get what the weight says."""
    assigned = "requests" if rules.assignment == "request" else "entities"
    weight, ratio_p, missing_p = numbers["weight"], numbers["sample_ratio"]["p"], numbers["missing_outcomes"]["p"]
    if ratio_p < sample_ratio.P_LIMIT:
        total = challenger.requests + champion.requests
        share = f"{challenger.requests} of {total} {assigned} at weight {weight}"
        return "roll_back", f"sample ratio mismatch: the challenger got {share} (p = {ratio_p:.2g})"
    if missing_p is not None and missing_p < sample_ratio.P_LIMIT:
        shares = " and ".join(
            f"{arm.answered} of {arm.requests} {assigned} of the {who}"
            for who, arm in (("challenger", challenger), ("champion", champion))
        )
        return "roll_back", f"outcomes are missing from one arm: {shares} have one (p = {missing_p:.2g})"
    return None


def _decide(
    challenger: Arm, champion: Arm, interval: sequential.Interval | None, rules: Rollout, step: int
) -> tuple[str, str]:
    fewest = min(challenger.sample.units, champion.sample.units)
    if fewest < rules.min_units or interval is None:
        counted = "requests" if rules.unit == "request" else "entities"
        return "continue", f"{fewest} {counted} with outcomes in the smaller arm, {rules.min_units} needed"
    bounds = f"difference of loss {interval.difference:+.4f} in [{interval.lower:+.4f}, {interval.upper:+.4f}]"
    within, better = limits(rules), rules.goal == "better"
    if interval.upper < within.reach:
        shown = f"better by more than {rules.margin}" if better else f"not worse by the margin {rules.margin}"
        last = step == len(rules.stages()) - 1
        return ("promote" if last else "advance"), f"{shown}: {bounds}"
    if interval.lower > within.hopeless:
        shown = f"surely not better by more than {rules.margin}" if better else "surely worse"
        return "roll_back", f"{shown}: {bounds}"
    return "continue", f"not decided yet: {bounds}, margin {rules.margin}"
