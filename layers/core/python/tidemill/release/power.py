"""Power: how many units a release takes until it is decided, before it begins. `tidemill release plan` calls it.

A confidence sequence has no sample size; it stops at a look, when the interval says so. What can be said before is
the distribution of that look. It is simulated with the rules of the project file, its steps and its looks: sums of
many losses are normal, so that a batch of units is two draws, whatever the losses are. Beside it stands a closed
form: the units at which an interval around the true difference just reaches the limit, about the median.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.projects import Rollout
from tidemill.release.experiment import Arm
from tidemill.release.sequential import half_width
from tidemill.release.verdict import added, limits

SHARES = (0.1, 0.25, 0.5, 0.8, 0.9)
MOST_LOOKS = 1000
"""Looks that are simulated; beyond, several of the project's looks are taken together."""
_PATIENCE = 4.0
"""How often the time of the closed form is waited for, before an experiment counts as never decided."""


@dataclass(frozen=True)
class Traffic:
    """`sd`: the standard deviation of a unit's loss (of what the covariate leaves of it), taken to be that of both
    arms. Units are those with an outcome."""

    sd: float
    units_per_day: float
    requests_per_day: float
    tails: float = 0.0
    """Of the units that are added at either end (`sequential.guarded`): their squared distances from the mean."""


def observed(champion: Arm, *, requests: int, days: float) -> Traffic | None:
    """The traffic of which `champion` answered its part: `requests` of all arms in so many days. None where there
    is nothing to learn from it."""
    sample = champion.sample
    if sample.units < 2 or sample.variance <= 0 or days <= 0:
        return None
    left = sample.variance
    if sample.covariate and sample.covariate.variance > 0:
        left -= sample.covariate.covariance**2 / sample.covariate.variance
    share = requests / champion.requests
    tails = 0.0
    if sample.least is not None and sample.most is not None:
        tails = (sample.most - sample.mean) ** 2 + (sample.mean - sample.least) ** 2
    return Traffic(math.sqrt(max(left, 1e-12)), sample.units * share / days, requests / days, tails)


def units_at(distance: float, sd: float, weight: float, alpha: float) -> float:
    """Units of both arms at which half the interval is as wide as the distance from the true difference to the
    limit; found by bisection, as the width falls with every unit."""
    spread = sd / math.sqrt(weight * (1 - weight))
    low, high = 0.0, 40.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        units = math.exp(middle)
        wide = half_width(spread / math.sqrt(units), units, alpha) > distance
        low, high = (middle, high) if wide else (low, middle)
    return math.exp(high)


@dataclass(frozen=True)
class Runs:
    """Simulated releases: how each ended (1 promoted, -1 rolled back, 0 neither), and after how many units and
    days (infinite for the last)."""

    ended: NDArray[np.int64]
    units: NDArray[np.float64]
    days: NDArray[np.float64]


def simulate(rules: Rollout, traffic: Traffic, difference: float, *, experiments: int, seed: int) -> Runs:
    """Releases whose challenger's mean loss differs from the champion's by `difference`, without a maximum
    duration."""
    rng = np.random.default_rng(seed)
    alpha, within = rules.alpha_each, limits(rules)
    batch, days_a_look, looks = _grid(rules, traffic, difference)
    at = np.round(batch * np.arange(looks + 1))
    factors = np.array([half_width(1.0, units, alpha) if units else np.inf for units in at])
    step, own, ended = (np.zeros(experiments, dtype=np.int64) for _ in range(3))
    units, days = (np.full(experiments, np.inf) for _ in range(2))
    spent = np.zeros(experiments)
    count, total = np.zeros((2, experiments)), np.zeros((2, experiments))
    for number in range(1, looks + 1):
        live = np.flatnonzero(ended == 0)
        if not live.size:
            break
        own[live] += 1
        fresh = (at[own[live]] - at[own[live] - 1]).astype(np.int64)
        spent[live] += fresh
        for arm, drawn in enumerate(_split(rng, fresh, np.array(rules.shares())[step[live]])):
            count[arm, live] += drawn
            mean = difference if arm == 0 else 0.0
            total[arm, live] += rng.normal(mean * drawn, traffic.sd * np.sqrt(drawn))
        ready = live[count[:, live].min(axis=0) >= rules.min_units]
        gap = total[0, ready] / count[0, ready] - total[1, ready] / count[1, ready]
        variance = traffic.sd**2 + added(rules) * traffic.tails / count[:, ready]
        half = np.sqrt((variance / count[:, ready]).sum(axis=0)) * factors[own[ready]]
        good = gap + half < within.reach
        bad = ~good & (gap - half > within.hopeless)
        onward = ready[good & (step[ready] < len(rules.shares()) - 1)]
        step[onward], own[onward], count[:, onward], total[:, onward] = step[onward] + 1, 0, 0, 0
        ended[np.setdiff1d(ready[good], onward)], ended[ready[bad]] = 1, -1
        over = live[ended[live] != 0]
        units[over], days[over] = spent[over], number * days_a_look
    return Runs(ended, units, days)


def _split(rng: np.random.Generator, fresh: NDArray[np.int64], weights: NDArray[np.float64]) -> Any:
    challenger = rng.binomial(fresh, weights)
    return challenger, fresh - challenger


def _grid(rules: Rollout, traffic: Traffic, difference: float) -> tuple[float, float, int]:
    """Units and days between two looks, and how many looks there may be."""
    reach = limits(rules).reach
    distance, alpha = abs(reach - difference), rules.alpha_each
    needed = sum(units_at(distance, traffic.sd, weight, alpha) for weight in rules.shares()) if distance else 0.0
    needed += sum(rules.min_units / min(weight, 1 - weight) for weight in rules.shares())
    days = rules.look_minutes / 1440
    looks = math.ceil(_PATIENCE * needed / (traffic.units_per_day * days)) + 2 * len(rules.shares())
    looks = max(looks, math.ceil(longest_days(rules) / days))
    together = math.ceil(looks / MOST_LOOKS)
    return traffic.units_per_day * days * together, days * together, math.ceil(looks / together)


def longest_days(rules: Rollout) -> float:
    """After which an undecided release ends."""
    return min(rules.max_days, rules.max_looks * rules.look_minutes / 1440)


def forecast(
    rules: Rollout, traffic: Traffic, difference: float, *, power: float, experiments: int, seed: int
) -> dict[str, Any]:
    """What is to be expected of a release.

    Units of each step in closed form; `units` and `days` by which the share `power` of the challengers is promoted
    (None: never); quantiles of both; how releases end within the project's maximum.
    """
    alpha, distance = rules.alpha_each, limits(rules).reach - difference
    runs = simulate(rules, traffic, difference, experiments=experiments, seed=seed)
    until = [np.where(runs.ended == 1, values, np.inf) for values in (runs.units, runs.days)]
    longest = longest_days(rules)
    in_time = runs.days <= longest * (1 + 1e-9)
    ends = {"promoted": 1, "rolled_back": -1}
    within = {word: float(np.mean((runs.ended == sign) & in_time)) for word, sign in ends.items()}

    def quantile(share: float) -> dict[str, Any]:
        units, days = (_plain(np.quantile(each, share, method="higher")) for each in until)
        return {"share": share, "units": units, "days": days}

    return {
        "steps": [
            {
                "weight": weight,
                "units": _plain(units_at(distance, traffic.sd, weight, alpha)) if distance > 0 else None,
            }
            for weight in rules.shares()
        ],
        **quantile(power),
        "quantiles": [quantile(share) for share in SHARES],
        "longest_days": longest,
        "within_longest": within | {"undecided": 1 - sum(within.values())},
    }


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
