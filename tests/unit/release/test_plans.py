"""The plans of releases: which steps they have, who answers meanwhile, and how they end."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.release.test_explain import record
from tidemill import names
from tidemill.errors import ProjectInvalid
from tidemill.projects import Rollout, parse
from tidemill.release.explain import explain
from tidemill.release.power import Traffic, forecast

ONE, TWO = "tides-v00001", "tides-v00002"
GOOD = {"2": 1.0, "3": 1.1}
BAD = {"2": 1.5, "3": 0.0}


def alias(world: Any) -> tuple[str, dict[str, float]]:
    live = world.endpoints.alias("tides")
    return live.version, dict(live.weights)


def begun(make_world: Any, **rollout: Any) -> Any:
    """A challenger with its first share."""
    world = make_world(**rollout)
    world.released(ONE)
    world.experiment(TWO)
    world.now += timedelta(days=1)
    world.shift(TWO, 0)
    return world


def invalid(world: Any, **rollout: Any) -> str:
    problem = world.problem.model_dump(mode="json", exclude_unset=True)
    with pytest.raises(ProjectInvalid) as caught:
        parse({**problem, "rollout": rollout})
    return str(caught.value)


def test_canary_is_the_plan_of_a_project_that_names_none() -> None:
    assert Rollout().stages() == (("canary", 0.1), ("canary", 0.5))
    assert Rollout(plan="canary") == Rollout(plan=["canary"]) == Rollout()
    assert Rollout(alpha=0.05).alpha_each == 0.025


def test_a_rollout_from_before_there_were_plans_is_read_as_a_canary() -> None:
    old = {name: value for name, value in Rollout().model_dump(mode="json").items() if name != "plan"}
    assert Rollout.model_validate(old).stages() == Rollout().stages()


@pytest.mark.parametrize(
    ("rollout", "told"),
    [
        ({"plan": "ab", "steps": [0.2]}, "rollout.steps: only canary uses it, not ab; leave it out"),
        ({"split": 0.3}, "rollout.split: only ab uses it, not canary; leave it out"),
        ({"plan": "ab", "watch_minutes": 5}, "rollout.watch_minutes: only blue_green uses it"),
        (
            {"plan": "blue_green", "assignment": "entity", "unit": "entity"},
            "rollout.assignment: only canary or ab uses it, not blue_green",
        ),
        (
            {"plan": ["ab", "canary"]},
            "rollout.plan: ab, canary must end with one of canary, ab and blue_green",
        ),
        ({"plan": ["shadow", "replay", "canary"]}, "rollout.plan: shadow, replay, canary must end"),
        ({"plan": ["shadow", "shadow", "canary"]}, "rollout.plan: shadow, shadow, canary must end"),
        ({"plan": "shadow"}, "rollout.plan: shadow must end with one of canary, ab and blue_green"),
        ({"plan": ["canary", "replay"]}, "rollout.plan: canary, replay must end"),
        ({"plan": ["replay", "canary"], "shadow_hours": 2}, "rollout.shadow_hours: only shadow uses it"),
        ({"plan": ["shadow", "canary"], "replay_days": 2}, "rollout.replay_days: only replay uses it"),
        ({"max_errors": 2}, "rollout.max_errors: only replay or shadow uses it"),
        ({"outcomes": "optional"}, "rollout.outcomes: only replay or shadow uses it"),
        (
            {"plan": ["replay", "ab"], "metric": "reward"},
            "rollout.metric: a reward is of the answer",
        ),
        ({"plan": "green_blue"}, "rollout.plan"),
        ({"plan": []}, "rollout.plan"),
    ],
)
def test_what_a_plan_does_not_use_is_refused(make_world: Any, rollout: dict[str, Any], told: str) -> None:
    assert told in invalid(make_world(), **rollout)


def test_a_deployed_project_has_all_settings_and_is_taken(make_world: Any) -> None:
    for plan in ("canary", "ab", "blue_green"):
        problem = make_world().problem.model_dump(mode="json", exclude_unset=True)
        whole = parse({**problem, "rollout": {"plan": plan}})
        assert parse(whole.model_dump(mode="json")) == whole


@pytest.mark.parametrize(("skill", "state"), [({"2": 0.2, "3": 1.5}, "promoted"), (BAD, "rolled_back")])
def test_ab_has_one_split_until_it_is_decided(make_world: Any, skill: dict[str, float], state: str) -> None:
    world = begun(make_world, plan="ab", split=0.4, steps=[0.1, 0.5])
    assert alias(world) == ("2", {"3": 0.4})
    world.traffic(("2", "3"), skill.__getitem__, name="a", weight=0.4)
    found = world.judge(TWO, 1)
    world.settle(TWO, found["verdict"], found["reason"])
    assert world.row(names.sk_release(TWO))["state"] == state
    look = world.fact(names.release("tides", TWO) + "look-0001.json")
    assert (look["plan"], look["weight"], look["alpha"]) == ("ab", 0.4, 0.05)
    assert explain(*record(world, TWO))["same"]


def test_ab_assigns_entities_too(make_world: Any) -> None:
    world = begun(make_world, plan="ab", assignment="entity", unit="entity", steps=[0.1, 0.5])
    assert world.row(names.sk_release(TWO))["arms"] == ["4"]
    assert alias(world) == ("4", {})


def green(make_world: Any, **more: Any) -> Any:
    """A challenger that has had all requests since now; the champion answered an hour before."""
    world = make_world(plan="blue_green", watch_minutes=60, steps=[0.1, 0.5], **more)
    world.released(ONE)
    world.experiment(TWO)
    world.traffic(("2",), GOOD.__getitem__, name="before", weight=0, at=world.now - timedelta(hours=1))
    world.shift(TWO, 0)
    return world


def watched(world: Any, skill: dict[str, float], minutes: float) -> dict[str, Any]:
    """A look that long after the switch, at the challenger's requests."""
    world.now += timedelta(minutes=minutes)
    world.traffic(("3",), skill.__getitem__, name=f"at{world.now.minute}", weight=0)
    return world.judge(TWO)


def test_blue_green_gives_the_challenger_all_requests_and_keeps_the_champion_ready(make_world: Any) -> None:
    world = green(make_world)
    assert alias(world) == ("3", {})
    assert (world.pointer["champion"]["function_version"], world.pointer["weight"]) == ("2", 1.0)
    assert watched(world, GOOD, 30)["verdict"] == "continue"
    found = watched(world, GOOD, 30)
    assert (found["verdict"], "nothing bad in 60 minutes" in found["reason"]) == ("promote", True)
    world.settle(TWO, found["verdict"], found["reason"])
    assert (alias(world), world.pointer["previous"]["function_version"]) == (("3", {}), "2")
    assert explain(*record(world, TWO))["follows"] is True


def test_a_bad_look_takes_blue_green_back(make_world: Any) -> None:
    world = green(make_world)
    found = watched(world, BAD, 5)
    assert (found["verdict"], "worse than the champion before" in found["reason"]) == ("roll_back", True)
    world.settle(TWO, found["verdict"], found["reason"])
    assert alias(world) == ("2", {})
    explained = explain(*record(world, TWO))
    assert (explained["same"], explained["follows"]) == (True, True)
    look = world.fact(names.release("tides", TWO) + "look-0001.json")
    assert look["arms"]["champion"]["requests"] == look["arms"]["challenger"]["requests"] == 400


def test_worse_by_less_than_the_margin_is_not_taken_back(make_world: Any) -> None:
    world = green(make_world, margin=10)
    assert watched(world, BAD, 5)["verdict"] == "continue"


def test_a_person_takes_blue_green_back_in_the_middle_and_after_it(make_world: Any) -> None:
    for minutes in (5, 60):
        world = green(make_world)
        found = watched(world, GOOD, minutes)
        if found["verdict"] != "continue":
            world.settle(TWO, found["verdict"], found["reason"])
        assert world.settle(None, "roll_back", "complaints", by="arn:ada")["state"] == "rolled_back"
        assert alias(world) == ("2", {})


def test_only_the_champions_time_before_and_the_challengers_after_count(make_world: Any) -> None:
    world = green(make_world)
    world.traffic(("3",), BAD.__getitem__, name="earlier", weight=0, at=world.now - timedelta(minutes=30))
    world.traffic(("2",), BAD.__getitem__, name="old", weight=0, at=world.now - timedelta(days=1, minutes=1))
    world.traffic(("2",), BAD.__getitem__, name="last", weight=0, at=world.now + timedelta(seconds=1))
    watched(world, GOOD, 30)
    look = world.fact(names.release("tides", TWO) + "look-0001.json")
    assert look["arms"]["champion"]["requests"] == look["arms"]["challenger"]["requests"] == 400


def test_blue_green_without_requests_ends_with_its_watch(make_world: Any) -> None:
    world = green(make_world)
    world.now += timedelta(hours=1)
    found = world.judge(TWO)
    assert (found["verdict"], "0 requests" in found["reason"]) == ("promote", True)


def test_blue_green_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def act(world: Any) -> None:
        world.experiment(TWO)
        world.shift(TWO, 0)
        found = watched(world, BAD, 5)
        world.settle(TWO, found["verdict"], found["reason"])

    def make() -> Any:
        world = make_world(plan="blue_green", steps=[0.1, 0.5])
        world.released(ONE)
        world.traffic(("2",), GOOD.__getitem__, name="before", weight=0, at=world.now - timedelta(hours=1))
        return world

    assert survive(make, act) > 30


def test_a_watch_judges_nobody_by_too_few(make_world: Any) -> None:
    world = green(make_world, min_units=401)
    found = watched(world, BAD, 5)
    assert (found["verdict"], "400 units with outcomes" in found["reason"]) == ("continue", True)


def test_steps_before_any_exposure_have_their_part_of_alpha_and_no_part_of_the_forecast() -> None:
    traffic = Traffic(0.6, 4000, 4000, 0.36)
    plain = Rollout(margin=0.06)
    after = Rollout(margin=0.06, plan=["replay", "shadow", "canary"])
    one, other = (forecast(each, traffic, 0.0, power=0.8, experiments=50, seed=1) for each in (plain, after))
    assert [step["weight"] for step in other["steps"]] == [0.1, 0.5]
    assert after.alpha_each == plain.alpha / 4
    assert all(more["units"] > less["units"] for more, less in zip(other["steps"], one["steps"], strict=True))
    assert forecast(Rollout(plan="ab", split=0.3), traffic, 0.0, power=0.8, experiments=5, seed=1)["steps"][0][
        "weight"
    ] == pytest.approx(0.3)
