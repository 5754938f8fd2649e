"""The verdict of a look while the challenger answers all requests: the plan `blue_green`.

There is no champion beside it to compare with, only the champion's answers from before. What differs may be the
time and not the model, so this promotes nobody for being better: it takes back what is surely worse by more than
the margin, and else lets the watch come to its end.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from tidemill.projects import Rollout
from tidemill.release import sequential
from tidemill.release.experiment import Arm
from tidemill.release.verdict import Verdict, added

NO_RATIO = {"p": None, "chi_squared_p": None, "focus": None}
"""In the record of a look at which nothing was split."""


def before(rules: Rollout, since: datetime) -> datetime:
    """From when on the champion's answers count: as long as the watch is, at least a day, as days repeat."""
    return since - max(timedelta(minutes=rules.watch_minutes), timedelta(days=1))


def judge(challenger: Arm, champion: Arm, *, rules: Rollout, step: int, minutes: float) -> Verdict:
    """The verdict after so many minutes. `challenger`: since the switch; `champion`: in the time before it."""
    safe = sequential.guarded(challenger.sample, champion.sample, added(rules))
    interval = sequential.difference(*sequential.adjusted(*safe), rules.alpha_each)
    numbers: dict[str, Any] = {
        "arms": {"challenger": asdict(challenger), "champion": asdict(champion)},
        "difference": asdict(interval) if interval else None,
        "alpha": rules.alpha_each,
        "goal": rules.goal,
        "margin": rules.margin,
        "weight": rules.stages()[step].weight,
        "minutes": minutes,
        "sample_ratio": NO_RATIO,
        "theta": sequential.slope(challenger.sample, champion.sample) if challenger.sample.covariate else None,
    }
    word, reason = _decide(challenger, champion, interval, rules, minutes)
    return Verdict(word, reason, numbers)


def _decide(
    challenger: Arm, champion: Arm, interval: sequential.Interval | None, rules: Rollout, minutes: float
) -> tuple[str, str]:
    enough = min(challenger.sample.units, champion.sample.units) >= rules.min_units
    seen = f"{challenger.requests} requests, {challenger.sample.units} units with outcomes"
    if enough and interval is not None:
        seen = f"difference of loss {interval.difference:+.4f} in [{interval.lower:+.4f}, {interval.upper:+.4f}]"
        if interval.lower > rules.margin:
            return "roll_back", f"surely worse than the champion before, by more than {rules.margin}: {seen}"
    if minutes < rules.watch_minutes:
        return "continue", f"watched for {minutes:.0f} of {rules.watch_minutes:g} minutes: {seen}"
    return "promote", f"nothing bad in {rules.watch_minutes:g} minutes with all requests: {seen}"
