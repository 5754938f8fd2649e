"""Releases from publication to the decision, over stores in memory: who answers which share, and what kills do."""

import gzip
import json
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tidemill import names
from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.objects import S3Objects
from tidemill.errors import ConflictError, RecordNotFound
from tidemill.ports import Alias
from tidemill.projects import Rollout
from tidemill.release.explain import explain
from tidemill.release.shift_traffic import wait_seconds

ONE, TWO, THREE = "tides-v00001", "tides-v00002", "tides-v00003"
GOOD = {"2": 1.0, "3": 1.1}
BAD = {"2": 1.0, "3": -0.2}
FAR_BETTER = {"2": 0.2, "3": 1.5}


def alias(world: Any) -> tuple[str, dict[str, float]]:
    live: Alias = world.endpoints.alias("tides")
    return live.version, dict(live.weights)


def states(world: Any, *models: int) -> list[str]:
    return [world.row(names.sk_model(model))["state"] for model in models]


def challenge(world: Any, skill: dict[str, float], traffic: str = "traffic") -> dict[str, Any]:
    """What the state machine does from PublishVersion on, with traffic during every wait; the last answer."""
    world.experiment(TWO)
    found = {"verdict": "advance", "step": 0}
    while found["verdict"] in ("continue", "advance"):
        if found["verdict"] == "advance":
            world.now += timedelta(minutes=1)
            found |= world.shift(TWO, found["step"])
        name, weight = f"look{found['look']}", world.pointer["weight"]
        answer = getattr(world, traffic)
        answer(("2", "3"), skill.__getitem__, name=name, weight=weight, seed=found["look"])
        found = world.judge(TWO, found["look"])
    return world.settle(TWO, found["verdict"], found["reason"])


@pytest.fixture
def live(world: Any) -> Any:
    world.released(ONE)
    return world


def released(make_world: Any) -> Any:
    def make() -> Any:
        world = make_world()
        world.released(ONE)
        return world

    return make


def test_the_first_model_is_live_at_once(world: Any) -> None:
    model = world.register(world.run(ONE))
    assert world.publish(model, ONE) == {"function_version": "2", "champion": False, "state": "running"}
    assert alias(world) == ("1", {})
    assert world.settle(ONE, "promote", "first model") == {"state": "promoted", "reason": "first model"}
    assert alias(world) == ("2", {})
    assert world.pointer["champion"] == {"model": 1, "function_version": "2"}
    assert states(world, 1) == ["champion"]
    row = world.row(names.sk_release(ONE))
    assert (row["state"], row["verdict"], row["by"]) == ("promoted", "promote", "settle_release")


def test_a_challenger_gets_the_share_of_each_step(live: Any) -> None:
    live.experiment(TWO)
    assert alias(live) == ("2", {})
    first = live.shift(TWO, 0)
    epoch = live.pointer["epoch"]
    assert first == {"weight": 0.1, "wait_seconds": 900, "epoch": epoch, "look": 1, "plan": "canary"}
    assert alias(live) == ("2", {"3": 0.1})
    assert live.shift(TWO, 1, look_seconds=2.5)["wait_seconds"] == 3
    assert alias(live) == ("2", {"3": 0.5})
    assert states(live, 1, 2) == ["champion", "challenger"]


def test_a_good_challenger_is_promoted_through_all_steps(live: Any) -> None:
    assert challenge(live, GOOD)["state"] == "promoted"
    assert alias(live) == ("3", {})
    assert states(live, 1, 2) == ["retired", "champion"]
    assert live.pointer["previous"] == {"model": 1, "function_version": "2"}
    looks = [live.fact(key) for key in live.objects.keys(names.release("tides", TWO) + "look-")]
    assert [look["verdict"] for look in looks][-1] == "promote"
    assert {look["step"] for look in looks} == {0, 1}
    assert live.row(names.sk_release(TWO))["looks"] == len(looks)


def test_a_bad_challenger_is_rolled_back_with_the_numbers_kept(live: Any) -> None:
    assert challenge(live, BAD)["state"] == "rolled_back"
    assert alias(live) == ("2", {})
    assert states(live, 1, 2) == ["champion", "rolled_back"]
    look = live.fact(names.release("tides", TWO) + "look-0001.json")
    assert look["verdict"] == "roll_back"
    assert look["difference"]["lower"] > 0
    assert look["arms"]["challenger"]["sample"]["units"] >= 20
    decision = live.fact(names.release("tides", TWO) + "decision.json")
    assert (decision["verdict"], decision["reason"]) == ("roll_back", look["reason"])


@pytest.mark.parametrize(("skill", "state"), [(FAR_BETTER, "promoted"), (BAD, "rolled_back")])
def test_models_of_named_classes_are_released_by_what_they_lose(
    live: Any, skill: dict[str, float], state: str
) -> None:
    assert challenge(live, skill, "named_traffic")["state"] == state
    look = live.fact(names.release("tides", TWO) + "look-0001.json")
    challenger, champion = (look["arms"][arm]["sample"]["mean"] for arm in ("challenger", "champion"))
    assert (challenger < champion) == (state == "promoted")


def test_a_release_over_s3_and_dynamodb(world: Any) -> None:
    def client(service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name="us-east-1", **keys)

    with mock_aws():
        client("s3").create_bucket(Bucket="data")
        client("dynamodb").create_table(
            TableName="index",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        world.over(S3Objects(client("s3"), "data"), DynamoIndex(client("dynamodb"), "index"))
        world.released(ONE)
        assert challenge(world, FAR_BETTER)["state"] == "promoted"
        assert alias(world) == ("3", {})
        assert states(world, 1, 2) == ["retired", "champion"]
        assert world.settle(None, "roll_back", "complaints", by="arn:ada")["state"] == "rolled_back"
        assert alias(world) == ("2", {})


def test_only_traffic_since_the_last_shift_counts(live: Any) -> None:
    live.experiment(TWO)
    live.shift(TWO, 0)
    live.traffic(("2", "3"), BAD.__getitem__, name="before")
    live.now += timedelta(minutes=1)
    live.shift(TWO, 1)
    assert live.judge(TWO)["verdict"] == "continue"
    look = live.fact(names.release("tides", TWO) + "look-0001.json")
    assert look["arms"]["challenger"]["requests"] == 0
    assert look["since"] == live.now.isoformat()


def test_traffic_that_is_not_split_as_told_rolls_back(live: Any) -> None:
    live.experiment(TWO)
    live.shift(TWO, 0)
    live.traffic(("2", "3"), GOOD.__getitem__, name="all", weight=0.4)
    found = live.judge(TWO)
    assert found["verdict"] == "roll_back"
    assert "sample ratio mismatch" in found["reason"]


def test_a_look_is_taken_once(live: Any) -> None:
    live.experiment(TWO)
    live.shift(TWO, 0)
    first = live.judge(TWO, 1)
    live.traffic(("2", "3"), BAD.__getitem__, name="later")
    assert live.judge(TWO, 1) == first
    assert live.judge(TWO, 2)["verdict"] == "roll_back"
    assert live.row(names.sk_release(TWO))["looks"] == 2


def test_a_look_before_there_is_traffic_is_refused(live: Any) -> None:
    live.experiment(TWO)
    with pytest.raises(ConflictError, match="no traffic yet"):
        live.judge(TWO)


def test_a_persons_word_settles_a_release_and_the_machine_sees_it(live: Any) -> None:
    live.experiment(TWO)
    live.shift(TWO, 0)
    assert live.settle(None, "promote", "the demo is now", by="arn:ada")["state"] == "promoted"
    assert alias(live) == ("3", {})
    found = live.judge(TWO, 1)
    assert (found["verdict"], found["wait_seconds"]) == ("settled", 0)
    assert "the demo is now" in found["reason"]
    assert live.shift(TWO, 1)["wait_seconds"] == 0
    assert alias(live) == ("3", {})
    assert live.settle(TWO, "roll_back", "machine failed")["state"] == "promoted"
    assert live.row(names.sk_release(TWO))["by"] == "arn:ada"


def test_a_person_takes_back_a_promotion(live: Any) -> None:
    challenge(live, GOOD)
    assert live.settle(None, "roll_back", "complaints", by="arn:ada") == {
        "state": "rolled_back",
        "reason": "complaints",
    }
    assert alias(live) == ("2", {})
    assert states(live, 1, 2) == ["champion", "rolled_back"]
    assert live.fact(names.release("tides", TWO) + "decision.json")["verdict"] == "promote"
    assert live.fact(names.release("tides", TWO) + "reversal.json")["by"] == "arn:ada"
    assert live.settle(TWO, "roll_back", "complaints", by="arn:ada")["state"] == "rolled_back"
    assert alias(live) == ("2", {})


def test_after_a_lost_challenge_a_person_can_still_go_back_to_the_champion_before(live: Any) -> None:
    challenge(live, GOOD)
    live.now += timedelta(hours=1)
    live.experiment(THREE)
    live.settle(THREE, "roll_back", "surely worse")
    assert live.settle(None, "roll_back", "complaints", by="arn:ada")["state"] == "rolled_back"
    assert alias(live) == ("2", {})
    assert live.row(names.sk_release(TWO))["state"] == "rolled_back"


def test_there_must_be_something_to_go_back_to(live: Any) -> None:
    with pytest.raises(ConflictError, match="cannot be taken back"):
        live.settle(ONE, "roll_back", "why not", by="arn:ada")
    live.experiment(TWO)
    with pytest.raises(ConflictError, match="settle the running release"):
        live.settle(ONE, "roll_back", "why not", by="arn:ada")
    assert alias(live) == ("2", {})


def test_a_release_that_never_started_has_nothing_to_settle(world: Any) -> None:
    assert world.settle(ONE, "roll_back", "registration failed")["state"] == "not_started"
    assert world.settle(None, "roll_back", "oops", by="arn:ada")["state"] == "not_started"
    assert alias(world) == ("1", {})
    with pytest.raises(RecordNotFound):
        world.shift(ONE, 0)


def test_a_first_model_can_be_rolled_back_before_it_answers(world: Any) -> None:
    world.experiment(ONE)
    assert world.settle(ONE, "roll_back", "publication failed")["state"] == "rolled_back"
    assert alias(world) == ("1", {})
    assert world.pointer["champion"] is None


def test_a_challenger_cannot_share_traffic_with_nobody(world: Any) -> None:
    world.experiment(ONE)
    with pytest.raises(ConflictError, match="settle the release"):
        world.shift(ONE, 0)


def test_a_newer_release_supersedes_the_running_one(live: Any) -> None:
    live.experiment(TWO)
    live.shift(TWO, 0)
    live.experiment(THREE)
    old = live.row(names.sk_release(TWO))
    assert (old["state"], old["reason"]) == (
        "superseded",
        f"superseded by release {THREE} of the newer model v00003",
    )
    assert states(live, 1, 2, 3) == ["champion", "registered", "challenger"]
    assert live.judge(TWO)["verdict"] == "settled"
    assert live.settle(TWO, "promote", "too late")["state"] == "superseded"
    live.shift(THREE, 0)
    assert alias(live) == ("2", {"4": 0.1})
    live.shift(TWO, 1)
    assert alias(live) == ("2", {"4": 0.1})


def test_an_older_model_does_not_displace_a_newer_one(live: Any) -> None:
    late = live.register(live.run(TWO))
    live.experiment(THREE)
    assert live.publish(late, TWO)["state"] == "superseded"
    assert live.pointer["release_id"] == THREE
    assert states(live, late, 3) == ["registered", "challenger"]
    assert live.publish(late, TWO)["state"] == "superseded"


def test_the_rules_of_a_release_are_those_of_its_beginning(live: Any) -> None:
    live.experiment(TWO)
    live.problem = type(live)(steps=[0.9]).problem
    assert live.shift(TWO, 0)["weight"] == 0.1


def test_the_first_decision_stands(live: Any, killed: type[BaseException]) -> None:
    # Killed after writing the decision; then the machine's failure path asks for the contrary.
    live.experiment(TWO)
    live.life.calls = 3
    with pytest.raises(killed):
        live.settle(TWO, "promote", "not worse")
    assert live.fact(names.release("tides", TWO) + "decision.json")["verdict"] == "promote"
    assert live.row(names.sk_release(TWO))["state"] == "running"
    assert live.settle(TWO, "roll_back", "the release failed")["state"] == "promoted"
    assert alias(live) == ("3", {})


def test_a_stale_step_moves_nothing(live: Any) -> None:
    live.experiment(TWO)
    live.shift(TWO, 1)
    epoch = live.pointer["epoch"]
    assert live.shift(TWO, 0)["weight"] == 0.5
    assert (live.pointer["epoch"], alias(live)) == (epoch, ("2", {"3": 0.5}))


def test_every_change_of_the_pointer_is_in_the_audit(live: Any) -> None:
    challenge(live, GOOD)
    rows = live.index.query(names.pk("tides"), names.AUDIT)
    actions = sorted(row["action"] for row in rows)
    assert actions.count("release.started") == actions.count("release.promoted") == 2
    assert actions.count("release.shifted") == 2
    assert actions.count("release.registered") == 2


@pytest.mark.parametrize("skill", [FAR_BETTER, BAD], ids=["promoted", "rolled back"])
def test_a_whole_release_survives_a_kill_at_any_call(make_world: Any, survive: Any, skill: Any) -> None:
    assert survive(released(make_world), lambda world: challenge(world, skill)) > 40


def test_a_first_release_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    assert survive(make_world, lambda world: world.released(ONE)) > 20


def test_taking_back_a_promotion_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def make() -> Any:
        world = released(make_world)()
        challenge(world, GOOD)
        return world

    assert survive(make, lambda world: world.settle(TWO, "roll_back", "complaints", by="arn:ada")) > 9


def test_superseding_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def make() -> Any:
        world = released(make_world)()
        world.experiment(TWO)
        world.shift(TWO, 0)
        return world

    def act(world: Any) -> None:
        world.experiment(THREE)
        world.shift(THREE, 0)

    assert survive(make, act) > 20


def test_a_look_holds_what_its_verdict_was_made_from(make_world: Any) -> None:
    world = make_world(metric="accuracy", covariate="moon", steps=[0.5])
    world.released("tides-v00001")
    world.experiment("tides-v00002")
    world.shift("tides-v00002", 0)
    world.traffic(("2", "3"), lambda variant: 0.5, name="a", weight=0.5)
    world.now += timedelta(minutes=15)
    world.judge("tides-v00002", 1)
    folder = names.release("tides", "tides-v00002")
    look, plan = world.fact(folder + "look-0001.json"), world.fact(folder + "plan.json")
    assert plan["costs"] == {"false_positive": 1.0, "false_negative": 1.0}
    assert (look["metric"], look["unit"], look["covariate"], look["goal"]) == (
        "accuracy",
        "request",
        "moon",
        "not_worse",
    )
    assert look["days"] == pytest.approx(15 / 1440)
    for arm in look["arms"].values():
        assert arm["answered"] == arm["requests"] == arm["sample"]["units"]
        assert (arm["sample"]["least"], arm["sample"]["most"]) == (0.0, pytest.approx(0.8, abs=0.21))
    assert look["missing_outcomes"]["p"] == look["sample_ratio"]["p"]


def test_a_release_that_lasts_too_long_ends(make_world: Any) -> None:
    world = make_world(max_days=2, margin=0)
    world.released("tides-v00001")
    world.experiment("tides-v00002")
    world.shift("tides-v00002", 0)
    found = []
    for hours in (24, 24):
        world.now += timedelta(hours=hours)
        found.append(world.judge("tides-v00002"))
    assert [each["verdict"] for each in found] == ["continue", "roll_back"]
    assert "undecided after 2.0 days" in found[1]["reason"]


def test_requests_without_outcomes_in_one_arm_alone_end_the_release(make_world: Any) -> None:
    world = make_world(steps=[0.5])
    world.released("tides-v00001")
    world.experiment("tides-v00002")
    world.shift("tides-v00002", 0)
    world.traffic(("2", "3"), lambda variant: 0.5, name="a", weight=0.5)
    (key,) = world.objects.keys(names.captured("tides"))
    lines = [json.loads(line) for line in gzip.decompress(world.objects.get(key)).splitlines()]
    lost = {item["prediction_id"] for line in lines if line["variant"] == "3" for item in line["instances"]}
    (outcomes,) = world.objects.keys(names.outcomes("tides"))
    kept = [
        line for line in world.objects.get(outcomes).splitlines() if json.loads(line)["prediction_id"] not in lost
    ]
    world.objects.put(outcomes, b"\n".join(kept))
    found = world.judge("tides-v00002")
    assert found["verdict"] == "roll_back"
    assert "outcomes are missing from one arm: 0 of" in found["reason"]


def test_each_step_has_looks_of_its_own(make_world: Any) -> None:
    world = make_world(max_looks=3, min_units=100_000)
    world.released(ONE)
    world.experiment(TWO)
    world.shift(TWO, 0)
    for _ in range(2):
        assert world.judge(TWO)["verdict"] == "continue"
    world.shift(TWO, 1)
    assert [world.judge(TWO)["verdict"] for _ in range(3)] == ["continue", "continue", "roll_back"]
    look = world.fact(names.release("tides", TWO) + "look-0005.json")
    assert (look["look"], look["look_of_step"], look["reason"].split(" (")[0]) == (5, 3, "undecided after 3 looks")
    plan = world.fact(names.release("tides", TWO) + "plan.json")
    looks = [world.fact(names.release("tides", TWO) + f"look-{n:04d}.json") for n in range(1, 6)]
    assert explain(plan, looks, None)["same"]


def test_a_long_watch_is_looked_at_less_often() -> None:
    rules = Rollout(plan=("blue_green",), watch_minutes=60 * 24 * 50, look_minutes=15)
    assert wait_seconds(rules, 0, None) == 60 * 72
    assert wait_seconds(Rollout(plan=("blue_green",), look_minutes=15), 0, None) == 900
