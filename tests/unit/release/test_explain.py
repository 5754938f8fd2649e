"""Verdicts made again from the record alone."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.release.explain import explain
from tidemill.release.sample_ratio import chi_squared_p, sequential_p


def record(world: Any, release_id: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any] | None]:
    """What lies in the folder of the release, and nothing else."""
    folder = names.release("tides", release_id)
    facts = {key.removeprefix(folder): world.fact(key) for key in world.objects.keys(folder)}
    looks = [fact for name, fact in facts.items() if name.startswith("look-")]
    return facts["plan.json"], looks, facts.get("decision.json")


def released(world: Any, skill: float, run: str = "tides-v00002") -> str:
    """A release played to its end, with a challenger of that skill beside a champion of 0.5."""
    world.released("tides-v00001")
    world.experiment(run)
    step, look = 0, 1
    world.shift(run, step)
    for round_ in range(40):
        world.traffic(
            ("2", "3"),
            lambda variant: skill if variant == "3" else 0.5,
            name=f"t{round_}",
            weight=world.weight(step),
        )
        world.now += timedelta(minutes=15)
        found = world.judge(run, look)
        look = found["look"]
        if found["verdict"] == "advance":
            step = found["step"]
            world.shift(run, step)
        elif found["verdict"] != "continue":
            world.settle(run, found["verdict"], found["reason"])
            return run
    raise AssertionError("never decided")


@pytest.fixture
def made(make_world: Any) -> Any:
    def make(skill: float, **rollout: Any) -> tuple[Any, ...]:
        world = make_world(**rollout)
        world.weight = lambda step: world.problem.rollout.steps[step]
        return record(world, released(world, skill))

    return make


@pytest.mark.parametrize(("skill", "word"), [(0.9, "promote"), (0.1, "roll_back")])
def test_every_verdict_is_made_again_from_the_record(made: Any, skill: float, word: str) -> None:
    found = explain(*made(skill))
    assert (found["same"], found["missing"], found["follows"]) == (True, [], True)
    assert found["looks"][-1]["again"]["verdict"] == word == found["decision"]["verdict"]
    assert (found["metric"], found["unit"], found["goal"]) == ("log_loss", "request", "not_worse")


def test_what_was_changed_in_the_record_is_told(made: Any) -> None:
    plan, looks, decision = made(0.9)
    looks[-1]["arms"]["challenger"]["sample"]["mean"] += 0.3
    found = explain(plan, looks, decision)
    assert (found["same"], found["follows"]) == (False, False)
    assert {"verdict", "difference"} <= set(found["looks"][-1]["differs"])
    assert [look["same"] for look in found["looks"][:-1]] == [True] * (len(looks) - 1)


def test_another_margin_than_the_recorded_one_is_told(made: Any) -> None:
    plan, looks, decision = made(0.9)
    plan["rollout"]["margin"] = 0.04
    assert explain(plan, looks, decision)["looks"][0]["differs"] == ["margin"]


def test_a_look_that_is_gone_and_a_decision_that_does_not_follow_are_told(made: Any) -> None:
    plan, looks, decision = made(0.9)
    assert decision is not None
    assert explain(plan, looks, {**decision, "verdict": "roll_back"})["follows"] is False
    assert explain(plan, looks, {**decision, "by": "a person"})["follows"] is None
    assert explain(plan, looks, {**decision, "reason": "the release failed: Boom"})["follows"] is None
    assert explain(plan, looks[1:], decision)["missing"] == [1]


def test_records_from_before_covariates_and_missing_outcomes_are_read(made: Any) -> None:
    plan, looks, decision = made(0.9)
    for name in ("metric", "unit", "covariate", "goal", "max_days"):
        del plan["rollout"][name]
    del plan["costs"]
    for look in looks:
        for name in ("metric", "unit", "covariate", "goal", "days", "missing_outcomes", "theta"):
            del look[name]
        counts = [look["arms"][side]["requests"] for side in ("challenger", "champion")]
        look["sample_ratio"] = {
            "p": sequential_p(*counts, look["weight"], focus=0),
            "chi_squared_p": chi_squared_p(*counts, look["weight"]),
        }
        for arm in look["arms"].values():
            del arm["answered"], arm["sample"]["covariate"]
    found = explain(plan, looks, decision)
    assert (found["same"], found["follows"], found["metric"]) == (True, True, "log_loss")


def test_it_is_a_fact_that_can_be_written(made: Any) -> None:
    assert json.loads(json.dumps(explain(*made(0.9))))
