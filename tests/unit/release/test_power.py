"""Planning: the closed form, the simulated releases, and what is learned from captured traffic."""

import math

import numpy as np
import pytest

from tidemill.projects import Rollout
from tidemill.release.experiment import Arm
from tidemill.release.power import Traffic, forecast, longest_days, observed, simulate, units_at
from tidemill.release.sequential import Covariate, Sample, difference

BUSY = Traffic(0.3, 40_000, 50_000)


@pytest.mark.parametrize(("sd", "weight", "alpha"), [(0.3, 0.1, 0.025), (2.0, 0.5, 0.05)])
def test_at_the_units_of_the_closed_form_the_interval_reaches_the_limit(
    sd: float, weight: float, alpha: float
) -> None:
    units = round(units_at(0.05, sd, weight, alpha))
    ours = round(units * weight)
    found = difference(Sample(ours, 0.0, sd**2), Sample(units - ours, 0.0, sd**2), alpha)
    assert found is not None
    assert found.upper == pytest.approx(0.05, rel=1e-3)


def test_half_the_distance_takes_about_four_times_the_units_and_a_tenth_2_8_times_those_of_a_half() -> None:
    assert 3.8 < units_at(0.01, 0.3, 0.5, 0.05) / units_at(0.02, 0.3, 0.5, 0.05) < 4.6
    assert 2.6 < units_at(0.02, 0.3, 0.1, 0.05) / units_at(0.02, 0.3, 0.5, 0.05) < 3.2


def test_the_same_seed_gives_the_same_plan() -> None:
    plans = [forecast(Rollout(), BUSY, 0.0, power=0.8, experiments=200, seed=seed) for seed in (3, 3, 4)]
    assert plans[0] == plans[1] != plans[2]


def test_the_median_of_one_step_is_near_the_closed_form() -> None:
    found = forecast(Rollout(steps=(0.5,), look_minutes=5), BUSY, 0.0, power=0.5, experiments=2000, seed=1)
    assert found["units"] == pytest.approx(found["steps"][0]["units"], rel=0.2)


def test_two_steps_take_longer_than_either_and_quantiles_rise() -> None:
    found = forecast(Rollout(), BUSY, 0.0, power=0.8, experiments=1000, seed=1)
    units = [row["units"] for row in found["quantiles"]]
    assert units == sorted(units)
    assert found["units"] == units[3] > max(step["units"] for step in found["steps"])
    assert found["days"] == pytest.approx(found["units"] / BUSY.units_per_day, rel=0.01)


def test_a_challenger_beyond_the_limit_is_never_promoted_but_rolled_back() -> None:
    found = forecast(Rollout(steps=(0.5,)), BUSY, 0.06, power=0.8, experiments=500, seed=1)
    assert (found["units"], found["steps"][0]["units"]) == (None, None)
    assert found["within_longest"]["rolled_back"] > 0.99


def test_what_does_not_fit_into_the_longest_time_is_undecided() -> None:
    slow = Traffic(0.3, 40, 40)
    rules = Rollout(steps=(0.5,), look_minutes=720, max_days=30)
    assert longest_days(rules) == 30
    assert longest_days(Rollout(look_minutes=15)) == pytest.approx(200 * 15 / 1440)
    found = forecast(rules, slow, 0.0, power=0.8, experiments=500, seed=1)
    assert found["within_longest"]["undecided"] > 0.8
    assert found["days"] is not None and found["days"] > 30


def test_no_verdict_before_the_fewest_units() -> None:
    runs = simulate(
        Rollout(steps=(0.5,), min_units=500), Traffic(0.3, 40_000, 40_000), -5.0, experiments=50, seed=1
    )
    assert set(runs.ended) == {1}
    assert runs.units.min() >= 1000


def test_captured_traffic_gives_scatter_and_units_a_day() -> None:
    champion = Arm("2", 900, Sample(700, 0.5, 0.25), 700)
    assert observed(champion, requests=1000, days=2.0) == Traffic(0.5, pytest.approx(700 / 0.9 / 2), 500.0)
    told = Arm("2", 900, Sample(700, 0.5, 0.25, Covariate(1.0, 4.0, 0.6)), 700)
    found = observed(told, requests=1000, days=2.0)
    assert found is not None
    assert found.sd == pytest.approx(0.5 * math.sqrt(1 - 0.6**2))
    assert observed(Arm("2", 900, Sample(1, 0.5, 0.0)), requests=1000, days=2.0) is None


def test_a_simulated_release_takes_no_more_units_than_came() -> None:
    runs = simulate(Rollout(), BUSY, 0.0, experiments=300, seed=2)
    done = np.isfinite(runs.units)
    assert done.mean() > 0.99
    assert np.allclose(runs.units[done], runs.days[done] * BUSY.units_per_day, rtol=0.01)
