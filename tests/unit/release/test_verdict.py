"""The rules of a verdict, one by one."""

from typing import Any

import pytest

from tidemill import canonical
from tidemill.projects import Rollout
from tidemill.release.experiment import Arm
from tidemill.release.sequential import Covariate, Sample
from tidemill.release.verdict import Verdict, judge


def look(difference: float, *, units: int = 5000, step: int = 0, number: int = 1, **more: Any) -> Verdict:
    """A look at arms whose losses differ by that much, with a standard deviation of 0.3, at equal weights."""
    rules = Rollout(**{"steps": (0.5, 0.5), "margin": 0.05, "min_units": 20, **more})
    champion = Arm("2", units, Sample(units, 0.5, 0.09))
    challenger = Arm("3", units, Sample(units, 0.5 + difference, 0.09))
    return judge(challenger, champion, rules=rules, step=step, look=number)


def test_a_challenger_that_is_not_worse_goes_on_to_the_next_step_and_at_the_last_one_is_promoted() -> None:
    assert look(-0.1).word == "advance"
    assert look(-0.1, step=1).word == "promote"
    assert look(0.0, step=1).word == "promote"


def test_a_challenger_that_is_surely_worse_is_rolled_back_at_any_step() -> None:
    assert [look(0.2, step=step).word for step in (0, 1)] == ["roll_back"] * 2
    assert "surely worse" in look(0.2).reason


def test_a_sure_difference_within_the_margin_does_not_matter() -> None:
    found = look(0.02, units=100_000)
    assert found.numbers["difference"]["lower"] > 0
    assert found.word == "advance"


def test_without_a_margin_a_challenger_must_be_surely_better() -> None:
    assert look(0.0, margin=0).word == "continue"
    assert look(-0.1, margin=0).word == "advance"


@pytest.mark.parametrize("difference", [-0.5, 0.5])
def test_before_the_fewest_units_there_is_no_verdict(difference: float) -> None:
    assert look(difference, units=19).word == "continue"
    assert look(difference, units=200, min_units=201).word == "continue"


def test_what_cannot_be_decided_ends_as_the_project_says() -> None:
    assert look(0.05, units=100, number=200, max_looks=201).word == "continue"
    assert look(0.05, units=100, number=201, max_looks=201).word == "roll_back"
    found = look(0.05, units=100, number=201, max_looks=201, undecided="promote")
    assert found.word == "promote"
    assert "undecided after 201 looks" in found.reason


def test_a_sample_ratio_mismatch_comes_before_everything() -> None:
    rules = Rollout(steps=(0.1, 0.5), margin=0.05)
    champion = Arm("2", 900, Sample(900, 0.5, 0.09))
    challenger = Arm("3", 300, Sample(300, 0.1, 0.09))
    found = judge(challenger, champion, rules=rules, step=0, look=1)
    assert found.word == "roll_back"
    assert "300 of 1200 requests at weight 0.1" in found.reason


def test_alpha_is_shared_by_the_steps() -> None:
    assert look(0.0).numbers["alpha"] == 0.025
    assert look(0.0, steps=(0.5,)).numbers["alpha"] == 0.05


def test_the_numbers_are_a_fact_that_can_be_written() -> None:
    for found in (look(0.1), look(0.1, units=0)):
        assert canonical.dumps(found.numbers)
    assert look(0.1, units=0).numbers["difference"] is None


def test_a_challenger_that_shall_be_better_must_be_so_by_more_than_the_margin() -> None:
    assert look(-0.2, goal="better").word == "advance"
    assert "better by more than 0.05" in look(-0.2, goal="better").reason
    assert look(-0.05, goal="better").word == "continue"
    assert look(0.0, goal="better").word == "roll_back"
    assert "surely not better" in look(0.0, goal="better").reason
    assert [look(gap, goal="better", margin=0).word for gap in (-0.1, 0.0, 0.1)] == [
        "advance",
        "continue",
        "roll_back",
    ]


def test_a_release_ends_after_the_longest_time_that_the_project_allows() -> None:
    rules = Rollout(steps=(0.5,), margin=0.05)
    arm = Arm("2", 100, Sample(100, 0.5, 0.09))
    at = [judge(arm, arm, rules=rules, step=0, look=9, days=days) for days in (None, 29.9, 30.0)]
    assert [found.word for found in at] == ["continue", "continue", "roll_back"]
    assert "undecided after 30.0 days" in at[2].reason


@pytest.mark.parametrize(("answered", "word"), [(450, "continue"), (330, "roll_back")])
def test_outcomes_that_are_missing_from_one_arm_end_the_experiment(answered: int, word: str) -> None:
    rules = Rollout(steps=(0.5,), margin=0.05)
    champion = Arm("2", 1000, Sample(500, 0.5, 2.0), 500)
    challenger = Arm("3", 1000, Sample(answered, 0.5, 2.0), answered)
    found = judge(challenger, champion, rules=rules, step=0, look=1)
    assert found.word == word
    assert word == "continue" or "330 of 1000 requests of the challenger" in found.reason


def test_a_covariate_decides_what_is_undecided_without_it() -> None:
    rules = Rollout(steps=(0.5,), margin=0.02)
    told = Sample(2000, 0.5, 0.09, Covariate(1.0, 1.0, 0.28))
    plain = Sample(2000, 0.5, 0.09)
    assert judge(Arm("3", 2000, plain), Arm("2", 2000, plain), rules=rules, step=0, look=1).word == "continue"
    found = judge(Arm("3", 2000, told), Arm("2", 2000, told), rules=rules, step=0, look=1)
    assert (found.word, found.numbers["theta"]) == ("promote", pytest.approx(0.28))
