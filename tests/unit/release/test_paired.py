"""The paired verdict: its interval, and how often it is wrong when it is looked at again and again."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tidemill.projects import Rollout
from tidemill.release import sequential
from tidemill.release.experiment import Arm
from tidemill.release.paired import Shadow, difference, judge
from tidemill.release.sequential import Sample

SHADOW = Shadow(plan="shadow", answered=100, requests=100, errors=0, first_error=None, over=False)
RULES = Rollout(plan=["shadow", "canary"], steps=[0.5], alpha=0.1, margin=0.02, metric="accuracy")


def sample(values: np.ndarray) -> Sample:
    spread = float(values.var(ddof=1))
    return Sample(len(values), float(values.mean()), spread, least=float(values.min()), most=float(values.max()))


def seen(ours: np.ndarray, theirs: np.ndarray) -> tuple[Arm, Arm, Sample]:
    arms = [
        Arm(variant, len(losses), sample(losses), len(losses)) for variant, losses in (("3", ours), ("2", theirs))
    ]
    return arms[0], arms[1], sample(ours - theirs)


def verdict(ours: np.ndarray, theirs: np.ndarray, rules: Rollout = RULES) -> str:
    return judge(*seen(ours, theirs), SHADOW, rules=rules, step=0, look=1).word


def passed(draw: Any, rules: Rollout, *, experiments: int, seed: int) -> float:
    """The share of challengers that pass, looked at after every 50 units of 1,000."""
    rng, ends = np.random.default_rng(seed), 0
    for _ in range(experiments):
        ours, theirs = draw(rng, 1000)
        for units in range(50, 1001, 50):
            word = verdict(ours[:units], theirs[:units], rules)
            if word != "continue":
                ends += word == "advance"
                break
    return ends / experiments


def rare(rng: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray]:
    """The champion is wrong in 2 of 100, the challenger in 4, independently of each other."""
    return (rng.random(units) < 0.04).astype(float), (rng.random(units) < 0.02).astype(float)


def sure(rng: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray]:
    """The challenger fails where the champion does, and in 2 of 100 others."""
    theirs = rng.random(units) < 0.1
    return (theirs | (rng.random(units) < 0.02 / 0.9)).astype(float), theirs.astype(float)


def noisy(rng: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses with much in common; the challenger's are worse by the margin."""
    common = rng.exponential(1, units)
    return common + rng.normal(0.02, 0.3, units), common


@pytest.mark.parametrize("draw", [rare, sure, noisy])
def test_a_challenger_worse_by_the_margin_passes_no_more_often_than_alpha_says(draw: Any) -> None:
    rules = RULES if draw is not noisy else replace_metric("log_loss")
    assert passed(draw, rules, experiments=400, seed=1) <= 0.05


def replace_metric(metric: str) -> Rollout:
    return Rollout(plan=["shadow", "canary"], steps=[0.5], alpha=0.1, margin=0.02, metric=metric)


def test_what_both_find_hard_is_in_neither_side() -> None:
    rng = np.random.default_rng(2)
    ours, theirs = noisy(rng, 500)
    challenger, champion, both = seen(ours - 0.02, theirs)
    rules = replace_metric("log_loss")
    paired = difference(both, challenger, champion, rules)
    apart = sequential.difference(challenger.sample, champion.sample, rules.alpha_each)
    assert paired and apart
    assert paired.upper - paired.lower < (apart.upper - apart.lower) / 2


def test_the_interval_is_the_confidence_sequence_of_a_mean_with_added_units() -> None:
    both = Sample(100, 0.01, 0.04, least=-1, most=1)
    arm = Arm("3", 100, Sample(100, 0.1, 0.09, least=0.0, most=1.0), 100)
    found = difference(both, arm, replace(arm, variant="2"), RULES)
    assert found
    variance = 0.04 + 2 * ((1 - 0.01) ** 2 + (1 + 0.01) ** 2) / 100
    half = sequential.half_width((variance / 100) ** 0.5, 100, 0.05)
    assert (found.lower, found.upper) == (pytest.approx(0.01 - half), pytest.approx(0.01 + half))


def test_answers_that_are_alike_are_shown_to_be_so_only_with_time() -> None:
    rng = np.random.default_rng(3)
    same = (rng.random(4000) < 0.1).astype(float)
    assert verdict(same[:50], same[:50]) == "continue"
    assert verdict(same, same) == "advance"


def test_without_any_loss_that_differs_nothing_is_said() -> None:
    never = np.zeros(500)
    assert verdict(never, never) == "continue"
    assert difference(Sample(0, 0.0, 0.0), *seen(never[:2], never[:2])[:2], RULES) is None


def test_the_goal_better_must_be_reached_on_the_same_requests() -> None:
    rules = Rollout(plan=["shadow", "canary"], steps=[0.5], alpha=0.1, margin=0, metric="log_loss", goal="better")
    rng = np.random.default_rng(4)
    common = rng.exponential(1, 2000)
    assert verdict(common + rng.normal(-0.1, 0.3, 2000), common, rules) == "advance"
    assert verdict(common + rng.normal(0.1, 0.3, 2000), common, rules) == "roll_back"


def test_too_many_looks_end_a_step_that_is_not_over() -> None:
    rng = np.random.default_rng(5)
    ours, theirs = rare(rng, 100)
    found = judge(*seen(ours, theirs), SHADOW, rules=RULES, step=0, look=RULES.max_looks)
    assert (found.word, "undecided after the shadow" in found.reason) == ("roll_back", True)
