"""The guardrail on missing outcomes: requests of the challenger that should have an outcome by now, and have none.

The test of the sample ratio (verdict.py) finds outcomes that are missing from one arm. This one is about the
challenger alone, against a share that the project names: a challenger whose answers lead to nothing that can be
measured is not to be decided upon. It comes before everything that a look says but another rollback.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from tidemill.projects import Rollout
from tidemill.release.experiment import Request
from tidemill.release.verdict import Verdict


@dataclass(frozen=True)
class Overdue:
    """The challenger's requests that are older than the project allows outcomes to be, and those of them that have
    none."""

    requests: int
    missing: int


def count(
    requests: Iterable[Request], outcomes: Mapping[str, Any], *, variant: str, rules: Rollout, now: datetime
) -> Overdue | None:
    """Of that variant, at `now`; None where the project sets no limit."""
    rails = rules.guardrails
    if rails.missing_outcomes is None:
        return None
    before = now - timedelta(hours=rails.outcomes_within_hours)
    old = [each for each in requests if each.variant == variant and datetime.fromisoformat(each.at) <= before]
    return Overdue(len(old), sum(not any(identity in outcomes for identity in each.answers) for each in old))


def judged(found: Verdict, overdue: Overdue | None, rules: Rollout) -> Verdict:
    """The verdict of a look with this guardrail over it; its numbers tell the counts."""
    if overdue is None:
        return found
    numbers = {**found.numbers, "overdue": asdict(overdue)}
    rails = rules.guardrails
    limit, fewest = rails.missing_outcomes, rails.min_requests
    if found.word == "roll_back" or limit is None or overdue.requests < fewest:
        return Verdict(found.word, found.reason, numbers)
    share = overdue.missing / overdue.requests
    if share <= limit:
        return Verdict(found.word, found.reason, numbers)
    reason = (
        f"outcomes are missing: {overdue.missing} of {overdue.requests} requests of the challenger that are older"
        f" than {rails.outcomes_within_hours:g} hours have none ({share:.1%}, the limit is {limit:.1%})"
    )
    return Verdict("roll_back", reason, numbers)


def recorded(look: Mapping[str, Any]) -> Overdue | None:
    """What a look recorded; None where it was not counted."""
    return Overdue(**look["overdue"]) if look.get("overdue") else None
