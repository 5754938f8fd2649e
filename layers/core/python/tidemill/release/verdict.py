"""The verdict of a look: a pure function of the arms' numbers and the release's rules.

The rules are made so that a challenger gets more traffic only when it is shown not to be worse by the margin or
more, and loses it as soon as it is surely worse:

- sample ratio mismatch → roll back: the numbers cannot be trusted;
- upper bound of (challenger - champion) below the margin → next step, or promotion at the last one;
- lower bound above zero, and not within the margin → roll back;
- else go on looking, until `max_looks`, where the project says what an undecided release becomes.

The margin comes before the lower bound: a difference that is certain but smaller than the margin is one that the
project declared not to matter. Each step is an experiment of its own with alpha divided by the number of steps, so
that the chance of a wrong verdict in the whole release stays below alpha (union bound).
"""

from dataclasses import asdict, dataclass
from typing import Any

from tidemill.projects import Rollout
from tidemill.release import sample_ratio, sequential
from tidemill.release.experiment import Arm


@dataclass(frozen=True)
class Verdict:
    """`word`: continue, advance, promote or roll_back; `reason` in one sentence; `numbers` it was made from."""

    word: str
    reason: str
    numbers: dict[str, Any]


def judge(challenger: Arm, champion: Arm, *, rules: Rollout, step: int, look: int) -> Verdict:
    """The verdict at look number `look` (from 1) of a release at `step` (from 0)."""
    weight = rules.steps[step]
    alpha = rules.alpha / len(rules.steps)
    interval = sequential.difference(challenger.sample, champion.sample, alpha)
    ratio_p = sample_ratio.sequential_p(challenger.requests, champion.requests, weight)
    numbers = {
        "arms": {"challenger": asdict(challenger), "champion": asdict(champion)},
        "difference": asdict(interval) if interval else None,
        "alpha": alpha,
        "margin": rules.margin,
        "weight": weight,
        "sample_ratio": {
            "p": ratio_p,
            "chi_squared_p": sample_ratio.chi_squared_p(challenger.requests, champion.requests, weight),
        },
    }
    word, reason = _decide(challenger, champion, interval, ratio_p, rules=rules, step=step)
    if word == "continue" and look >= rules.max_looks:
        word, reason = rules.undecided, f"undecided after {look} looks ({reason})"
    return Verdict(word, reason, numbers)


def _decide(
    challenger: Arm,
    champion: Arm,
    interval: sequential.Interval | None,
    ratio_p: float,
    *,
    rules: Rollout,
    step: int,
) -> tuple[str, str]:
    if ratio_p < sample_ratio.P_LIMIT:
        total = challenger.requests + champion.requests
        share = f"{challenger.requests} of {total} requests at weight {rules.steps[step]}"
        return "roll_back", f"sample ratio mismatch: the challenger got {share} (p = {ratio_p:.2g})"
    fewest = min(challenger.sample.units, champion.sample.units)
    if fewest < rules.min_units or interval is None:
        return "continue", f"{fewest} requests with outcomes in the smaller arm, {rules.min_units} needed"
    bounds = f"difference of loss {interval.difference:+.4f} in [{interval.lower:+.4f}, {interval.upper:+.4f}]"
    if interval.upper < rules.margin:
        last = step == len(rules.steps) - 1
        return ("promote" if last else "advance"), f"not worse by the margin {rules.margin}: {bounds}"
    if interval.lower > 0:
        return "roll_back", f"surely worse: {bounds}"
    return "continue", f"not decided yet: {bounds}, margin {rules.margin}"
