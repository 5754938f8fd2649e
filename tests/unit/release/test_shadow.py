"""Plans `replay` and `shadow`: the challenger answers what the champion was asked, and no caller sees it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from cli.explain_page import page
from tests.unit.release.test_explain import record
from tidemill import names
from tidemill.release import shadowed
from tidemill.release.answer_in_shadow import answer_in_shadow
from tidemill.release.explain import explain

ONE, TWO = "tides-v00001", "tides-v00002"
SAME, WORSE, BETTER = 1.0, -1.0, 1.6
"""How the log odds of the challenger's answers go with what the request brings; the champion's have 1."""


def chance(moon: float, skill: float) -> float:
    return float(1 / (1 + np.exp(-skill * moon)))


def answering(skill: float) -> Callable[[str, Any], dict[str, Any]]:
    """What a challenger of that skill answers."""

    def answer(version: str, body: Any) -> dict[str, Any]:
        assert version == "3"
        chances = [chance(row["moon"], skill) for row in body["instances"]]
        told = [
            {"prediction_id": f"own.{place}", "prediction": int(each > 0.5), "probability": each}
            for place, each in enumerate(chances)
        ]
        return {"predictions": told, "model_version": 2, "variant": "3"}

    return answer


def asked(
    world: Any, name: str, at: datetime, *, requests: int = 200, outcomes: bool = True, variant: str = "2"
) -> None:
    """Requests that the champion answered, each by a customer of four, and what happened."""
    rng = np.random.default_rng(len(name))
    lines, happened = [], []
    for number in range(requests):
        rows = []
        for place, moon in enumerate(rng.normal(0, 2, 3)):
            identity, each = f"{name}-{number}.{place}", chance(moon, 1.0)
            rows.append({"prediction_id": identity, "prediction": int(each > 0.5), "probability": each})
            rows[-1]["features"] = {"moon": float(moon), "harbour": None}
            happened.append({"prediction_id": identity, "outcome": int(rng.random() < each), "at": at.isoformat()})
        when = (at + timedelta(seconds=number / 10)).isoformat()
        lines.append({"request_id": f"{name}-{number:03}", "at": when, "variant": variant, "instances": rows})
        lines[-1]["entity_id"] = f"customer-{number % 4}"
    now, world.now = world.now, at
    world.store(lines, happened if outcomes else [], name)
    world.now = now


def begun(make_world: Any, skill: float, plan: list[str], **rollout: Any) -> Any:
    """A release at its first step, with an hour of requests before it."""
    world = make_world(plan=plan, **rollout)
    world.endpoints.answer = answering(skill)
    world.released(ONE)
    asked(world, "before", world.now - timedelta(hours=1))
    world.experiment(TWO)
    world.shift(TWO, 0)
    return world


def look(world: Any) -> dict[str, Any]:
    """What the machine does at a look."""
    world.shadow(TWO)
    return world.judge(TWO)


def last_look(world: Any) -> dict[str, Any]:
    return world.fact(list(world.objects.keys(names.release("tides", TWO) + "look-"))[-1])


def told(world: Any, step: int = 0) -> list[dict[str, Any]]:
    return list(shadowed.answers(world.objects, shadowed.folder("tides", TWO, step)))


def test_the_champion_answers_alone_before_any_exposure(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "shadow", "canary"])
    live = world.endpoints.alias("tides")
    assert (live.version, live.weights, world.pointer["weight"]) == ("2", {}, 0.0)


def test_replay_then_shadow_then_canary(make_world: Any) -> None:
    world = begun(make_world, BETTER, ["replay", "shadow", "canary"], margin=0.2, steps=[0.5])
    found = look(world)
    assert (found["verdict"], found["step"], found["plan"]) == ("advance", 1, "shadow")
    world.now += timedelta(minutes=1)
    assert world.shift(TWO, 1)["plan"] == "shadow"
    assert look(world)["verdict"] == "continue"
    world.now += timedelta(minutes=15)
    asked(world, "meanwhile", world.now - timedelta(minutes=10))
    found = look(world)
    assert (found["verdict"], found["step"], found["plan"]) == ("advance", 2, "canary")
    world.now += timedelta(minutes=1)
    shifted = world.shift(TWO, 2)
    assert (shifted["plan"], shifted["weight"]) == ("canary", 0.5)
    assert world.shadow(TWO) == {"answered": 0, "pending": 0}
    world.traffic(("2", "3"), {"2": 0.2, "3": 1.5}.__getitem__, name="split", weight=0.5)
    found = world.judge(TWO)
    assert found["verdict"] == "promote"
    world.settle(TWO, "promote", found["reason"])
    explained = explain(*record_of(world))
    assert (explained["same"], explained["follows"], explained["steps"]) == (True, True, [0.0, 0.0, 0.5])
    assert {each["alpha"] for each in explained["looks"]} == {0.05 / 3}


def record_of(world: Any) -> Any:
    return record(world, TWO)


@pytest.mark.parametrize("metric", ["log_loss", "accuracy", "cost", "precision", "recall"])
@pytest.mark.parametrize("unit", ["request", "entity"])
def test_a_worse_challenger_is_rolled_back_before_anybody_is_answered_by_it(
    make_world: Any, metric: str, unit: str
) -> None:
    world = begun(make_world, WORSE, ["replay", "canary"], metric=metric, unit=unit, min_units=4)
    found = look(world)
    seen = last_look(world)
    assert seen["difference"]["difference"] > 0.2
    assert seen["paired"]["units"] == {"request": 200, "entity": 4}[unit] or metric in ("precision", "recall")
    # Four customers are too few to be sure of anything; the replay ends without a verdict.
    assert found["verdict"] == "roll_back"
    assert ("surely worse" in found["reason"]) == (unit == "request")
    assert explain(*record_of(world))["same"]


def test_a_challenger_that_answers_alike_passes(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"], margin=0.3)
    assert look(world)["verdict"] == "advance"
    shadow = last_look(world)["shadow"]
    assert (shadow["answered"], shadow["requests"], shadow["errors"]) == (200, 200, 0)
    assert (shadow["equal"], shadow["largest"]) == (1.0, pytest.approx(0, abs=1e-12))


def test_how_alike_the_answers_are_is_in_the_record(make_world: Any) -> None:
    world = begun(make_world, WORSE, ["replay", "canary"])
    look(world)
    shadow = last_look(world)["shadow"]
    assert shadow["equal"] == 0.0
    assert 0.9 < shadow["largest"] <= 1


def test_each_request_is_answered_once_under_the_ids_that_the_caller_has(make_world: Any) -> None:
    world = begun(make_world, BETTER, ["replay", "canary"])
    for _ in range(3):
        assert world.shadow(TWO) == {"answered": 200, "pending": 0}
    lines = told(world)
    assert len({line["request_id"] for line in lines}) == len(lines) == 200
    ids = [item["prediction_id"] for line in lines for item in line["instances"]]
    assert ids == [f"before-{number}.{place}" for number in range(200) for place in range(3)]


def test_what_comes_late_is_answered_at_the_next_look(make_world: Any) -> None:
    world = begun(make_world, SAME, ["shadow", "canary"])
    world.now += timedelta(minutes=20)
    asked(world, "second", world.now - timedelta(minutes=5), requests=10)
    world.shadow(TWO)
    asked(world, "late", world.now - timedelta(minutes=9), requests=10)
    assert world.shadow(TWO)["answered"] == 20
    assert [line["request_id"][:4] for line in told(world)] == ["seco"] * 10 + ["late"] * 10


def test_only_the_champions_requests_of_the_time_are_asked(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"], replay_days=0.5)
    asked(world, "old", world.now - timedelta(hours=13), requests=5)
    asked(world, "another", world.now - timedelta(hours=2), requests=5, variant="1")
    asked(world, "after", world.now + timedelta(minutes=1), requests=5)
    world.now += timedelta(hours=1)
    assert world.shadow(TWO) == {"answered": 200, "pending": 0}
    shadow_of_look = look(world) and last_look(world)["shadow"]
    assert shadow_of_look["requests"] == 200


def test_a_replay_is_of_the_latest_requests_alone(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"], replay_requests=150, margin=0.3)
    assert world.shadow(TWO) == {"answered": 150, "pending": 0}
    assert told(world)[0]["request_id"] == "before-050"
    # What was captured before the release and is delivered now does not lengthen it.
    asked(world, "late", world.now - timedelta(minutes=9), requests=10)
    assert world.shadow(TWO) == {"answered": 150, "pending": 0}
    assert look(world)["verdict"] == "advance"


def test_a_function_without_time_leaves_the_rest_to_the_next_look(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"])
    assert world.shadow(TWO, minutes=0.5) == {"answered": 0, "pending": 200}
    assert world.judge(TWO)["verdict"] == "continue"
    assert world.shadow(TWO) == {"answered": 200, "pending": 0}


def test_a_slow_challengers_answers_are_kept_when_the_time_is_over(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"])
    left = iter([timedelta(minutes=5)] * 31)
    objects, index, endpoints, _ = world.ports
    found = answer_in_shadow(
        project="tides",
        release_id=TWO,
        objects=objects,
        index=index,
        endpoints=endpoints,
        clock=world.clock,
        left=lambda: next(left, timedelta(0)),
    )
    assert 0 < found["answered"] < shadowed.CHUNK
    assert found["answered"] + found["pending"] == 200
    assert len(told(world)) == found["answered"]


def test_no_more_than_a_looks_share_is_asked_before_a_look(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.release.answer_in_shadow.PER_LOOK", 100)
    world = begun(make_world, SAME, ["replay", "canary"], margin=0.01)
    assert world.shadow(TWO) == {"answered": 100, "pending": 100}
    found = world.judge(TWO)
    assert (found["verdict"], found["wait_seconds"]) == ("continue", 1)
    assert last_look(world)["shadow"]["over"] is False


@pytest.mark.parametrize(("allowed", "verdict"), [(0, "roll_back"), (1, "continue")])
def test_a_challenger_that_fails_is_rolled_back_with_the_reason(
    make_world: Any, allowed: int, verdict: str
) -> None:
    world = begun(make_world, SAME, ["shadow", "canary"], max_errors=allowed)
    world.now += timedelta(minutes=20)
    asked(world, "meanwhile", world.now - timedelta(minutes=5), requests=10)
    good, calls = answering(SAME), iter(range(1000))

    def failing(version: str, body: Any) -> dict[str, Any]:
        if next(calls) == 3:
            return {"error": "RequestInvalid", "message": "instances[0].tide: is missing", "status": 422}
        return good(version, body)

    world.endpoints.answer = failing
    found = look(world)
    assert found["verdict"] == verdict
    assert last_look(world)["shadow"]["errors"] == 1
    if verdict == "roll_back":
        assert "failed on 1 of 10 requests (RequestInvalid: instances[0].tide: is missing)" in found["reason"]
        assert explain(*record_of(world))["same"]
    else:
        assert last_look(world)["paired"]["units"] == 9


def test_what_failed_before_a_pause_does_not_count_after_it(make_world: Any) -> None:
    world = begun(make_world, SAME, ["shadow", "canary"])
    world.now += timedelta(minutes=20)
    asked(world, "before", world.now - timedelta(minutes=5), requests=10)
    world.endpoints.answer = lambda *_: {"error": "RequestInvalid", "message": "no", "status": 422}
    assert world.shadow(TWO)["answered"] == 10
    world.steer("pause")
    world.now += timedelta(minutes=20)
    assert world.shadow(TWO) == {"answered": 0, "pending": 0}, "paused, nobody is asked"
    world.steer("resume")
    world.endpoints.answer = answering(SAME)
    world.now += timedelta(minutes=20)
    asked(world, "after", world.now - timedelta(minutes=5), requests=10)
    assert look(world)["verdict"] == "continue"
    assert last_look(world)["shadow"]["errors"] == 0


def test_what_was_captured_without_all_features_is_asked_of_nobody(make_world: Any) -> None:
    world = make_world(plan=["replay", "canary"])
    world.endpoints.answer = answering(SAME)
    world.released(ONE)
    when = (world.now - timedelta(hours=1)).isoformat()
    rows = [{"prediction_id": "r.0", "prediction": 1, "probability": 0.9, "features": {"moon": 1.0}}]
    whole = {"request_id": "r", "at": when, "variant": "2", "entity_id": None, "instances": rows}
    masked = [{**rows[0], "prediction_id": "m.0", "features": {}}]
    world.store([whole, {**whole, "request_id": "m", "instances": masked, "masked": ["moon"]}], [], "a")
    world.experiment(TWO)
    world.shift(TWO, 0)
    assert world.shadow(TWO) == {"answered": 1, "pending": 0}
    world.judge(TWO)
    found = last_look(world)["shadow"]
    assert (found["requests"], found["over"]) == (1, True), "it does not wait for what is never asked"


def test_a_function_error_is_told(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"])
    world.endpoints.answer = lambda *_: {"errorType": "MemoryError", "errorMessage": "no room"}
    assert "(MemoryError: no room)" in look(world)["reason"]


@pytest.mark.parametrize(
    ("rollout", "verdict", "reason"),
    [
        ({}, "roll_back", "undecided after the shadow: 10 answers, 0 errors; 0 requests with outcomes, 20 needed"),
        ({"outcomes": "optional"}, "advance", "no worse than the champion as far as can be seen: 10 answers"),
        ({"undecided": "promote"}, "advance", "undecided after the shadow: 10 answers"),
    ],
)
def test_a_shadow_without_outcomes_ends_after_its_hours(
    make_world: Any, rollout: dict[str, str], verdict: str, reason: str
) -> None:
    world = begun(make_world, SAME, ["shadow", "canary"], shadow_hours=2, **rollout)
    world.now += timedelta(minutes=119)
    asked(world, "meanwhile", world.now - timedelta(minutes=5), requests=10, outcomes=False)
    assert look(world)["verdict"] == "continue"
    world.now += timedelta(minutes=1)
    found = look(world)
    assert (found["verdict"], reason in found["reason"]) == (verdict, True), found["reason"]
    assert ("`outcomes: optional` goes on" in found["reason"]) == (rollout == {})
    assert explain(*record_of(world))["same"]


def test_a_replay_of_nothing_is_told(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"], replay_days=0.01)
    found = look(world)
    assert (found["verdict"], "undecided after the replay: 0 answers" in found["reason"]) == ("roll_back", True)


def test_what_was_changed_in_the_record_is_told(make_world: Any) -> None:
    world = begun(make_world, WORSE, ["replay", "canary"])
    found = look(world)
    world.settle(TWO, found["verdict"], found["reason"])
    plan, looks, decision = record_of(world)
    assert explain(plan, looks, decision)["follows"] is True
    looks[0]["paired"]["mean"] = 0.0
    assert explain(plan, looks, decision)["same"] is False


def test_a_settled_release_asks_nothing(make_world: Any) -> None:
    world = begun(make_world, SAME, ["shadow", "canary"])
    world.now += timedelta(minutes=20)
    asked(world, "meanwhile", world.now - timedelta(minutes=5))
    world.settle(None, "roll_back", "never mind", by="arn:ada")
    assert world.shadow(TWO) == {"answered": 0, "pending": 0}
    assert told(world) == []


def test_a_release_in_the_background_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def make() -> Any:
        world = make_world(plan=["replay", "shadow", "canary"], margin=0.3, steps=[0.5])
        world.endpoints.answer = answering(SAME)
        world.released(ONE)
        asked(world, "before", world.now - timedelta(hours=1), requests=40)
        return world

    def act(world: Any) -> None:
        world.experiment(TWO)
        world.shift(TWO, 0)
        assert look(world)["verdict"] in ("advance", "continue")
        world.now += timedelta(minutes=1)
        world.shift(TWO, 1)
        asked(world, "meanwhile", world.now, requests=40)
        world.now += timedelta(minutes=15)
        look(world)

    assert survive(make, act) > 100


def test_a_replay_with_entities_assigned_has_arms_for_the_steps_with_traffic_alone(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"], assignment="entity", unit="entity", outcomes="optional")
    assert world.row(names.sk_release(TWO))["arms"] == [None, "4", "5"]
    assert world.endpoints.alias("tides").version == "2"
    assert look(world)["verdict"] == "advance"
    world.shift(TWO, 1)
    assert world.endpoints.alias("tides").version == "4"


def test_the_answers_are_a_fact_that_can_be_read(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"])
    world.shadow(TWO)
    (first, second) = world.objects.keys(f"shadowed/tides/{TWO}/step-01/")
    assert first.endswith("000001.jsonl") and second.endswith("000002.jsonl")
    assert "features" not in json.loads(world.objects.get(first).splitlines()[0])["instances"][0]


def test_a_replay_is_explained_on_a_page(make_world: Any) -> None:
    world = begun(make_world, WORSE, ["replay", "canary"])
    look(world)
    shown = page(explain(*record_of(world)))
    assert "over the steps replay → 10% → 50%" in shown
    assert "<td>replay</td>" in shown


def test_two_that_answer_at_once_leave_each_request_answered_once(make_world: Any) -> None:
    world = begun(make_world, SAME, ["replay", "canary"])
    good, begins = answering(SAME), iter([True])

    def overtaken(version: str, body: Any) -> dict[str, Any]:
        if next(begins, False):
            assert world.shadow(TWO)["answered"] == 200
        return good(version, body)

    world.endpoints.answer = overtaken
    assert world.shadow(TWO) == {"answered": 200, "pending": 0}
    assert len({line["request_id"] for line in told(world)}) == len(told(world)) == 200


def test_predictions_that_are_captured_after_their_request_was_answered_are_in_neither_side(
    make_world: Any,
) -> None:
    world = begun(make_world, SAME, ["replay", "canary"])
    world.shadow(TWO)
    when = (world.now - timedelta(hours=1)).isoformat()
    wrong = {"prediction_id": "before-0.9", "prediction": 1, "probability": 0.999, "features": {"moon": 9.0}}
    line = {"request_id": "before-000", "at": when, "variant": "2", "instances": [wrong], "entity_id": "x"}
    world.store([line], [{"prediction_id": "before-0.9", "outcome": 0, "at": when}], "late")
    world.judge(TWO)
    assert last_look(world)["paired"]["mean"] == pytest.approx(0, abs=1e-12)
