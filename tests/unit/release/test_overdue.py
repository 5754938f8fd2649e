"""The guardrail on missing outcomes: what counts, what it overrides, and that a record tells it again."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.projects import Rollout
from tidemill.release.experiment import Request
from tidemill.release.explain import explain
from tidemill.release.losses import Answer
from tidemill.release.overdue import Overdue, count, judged
from tidemill.release.verdict import Verdict

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
GOING_ON = Verdict("continue", "not decided yet", {"weight": 0.5})
ONE, TWO = "tides-v00001", "tides-v00002"


def rules(limit: float | None = 0.4, fewest: int = 10, hours: float = 24) -> Rollout:
    rails = {"missing_outcomes": limit, "min_requests": fewest, "outcomes_within_hours": hours}
    return Rollout.model_validate({"guardrails": rails})


def request(hours: float, variant: str = "3", identities: tuple[str, ...] = ("a",)) -> Request:
    answers = {identity: (Answer(1.0, 0.5), None) for identity in identities}
    return Request(variant, at=(NOW - timedelta(hours=hours)).isoformat(), answers=answers)


def test_only_old_requests_of_the_challenger_without_any_outcome_are_missing() -> None:
    requests = [
        request(24),  # due by now
        request(23.99),  # has time
        request(30, "2"),  # the champion's
        request(30, identities=("b", "c")),  # one of its two has an outcome
        request(30, identities=("d", "e")),
    ]
    assert count(requests, {"b": 1.0}, variant="3", rules=rules(), now=NOW) == Overdue(3, 2)
    assert count(requests, {"b": 1.0}, variant="3", rules=rules(None), now=NOW) is None
    assert count(requests, {}, variant="3", rules=rules(hours=48), now=NOW) == Overdue(0, 0)


@pytest.mark.parametrize(
    ("overdue", "word"),
    [
        (Overdue(10, 5), "roll_back"),
        (Overdue(10, 4), "continue"),
        (Overdue(9, 9), "continue"),
        (Overdue(0, 0), "continue"),
    ],
)
def test_more_than_the_limit_of_enough_requests_rolls_back(overdue: Overdue, word: str) -> None:
    found = judged(GOING_ON, overdue, rules())
    assert found.word == word
    assert found.numbers == {"weight": 0.5, "overdue": {"requests": overdue.requests, "missing": overdue.missing}}
    if word == "roll_back":
        assert "5 of 10 requests of the challenger that are older than 24 hours have none (50.0%" in found.reason


def test_a_promotion_is_overridden_and_another_rollback_is_not() -> None:
    assert judged(Verdict("promote", "not worse", {}), Overdue(10, 9), rules()).word == "roll_back"
    assert judged(Verdict("roll_back", "surely worse", {}), Overdue(10, 9), rules()).reason == "surely worse"


def test_without_a_limit_nothing_is_counted_or_recorded() -> None:
    assert judged(GOING_ON, None, rules(None)) is GOING_ON


def test_a_release_is_rolled_back_and_the_record_tells_it_again(make_world: Any) -> None:
    world = make_world(steps=[0.5], guardrails={"missing_outcomes": 0.4, "outcomes_within_hours": 1})
    world.released(ONE)
    world.experiment(TWO)
    world.shift(TWO, 0)
    world.traffic(("2", "3"), lambda variant: 0.5, name="a", weight=0.5, requests=100)
    (key,) = world.objects.keys(names.outcomes("tides"))
    outcomes = [json.loads(line) for line in world.objects.get(key).splitlines()]
    half = [line for line in outcomes if int(line["prediction_id"].split("-")[1].split(".")[0]) % 2]
    world.objects.put(key, "\n".join(map(json.dumps, half)).encode())
    first = world.judge(TWO)
    assert first["verdict"] == "continue"  # no request is an hour old
    world.now += timedelta(hours=1)
    found = world.judge(TWO)
    assert found["verdict"] == "roll_back"
    assert "outcomes are missing: " in found["reason"]
    world.settle(TWO, found["verdict"], found["reason"])
    folder = names.release("tides", TWO)
    looks = [world.fact(key) for key in world.objects.keys(folder + "look-")]
    assert [look["overdue"]["missing"] > 0 for look in looks] == [False, True]
    told = explain(world.fact(folder + "plan.json"), looks, world.fact(folder + "decision.json"))
    assert (told["same"], told["follows"]) == (True, True)
    looks[1]["overdue"]["missing"] = 0
    assert not explain(world.fact(folder + "plan.json"), looks, None)["same"]
