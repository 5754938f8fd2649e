"""Guards: who is watched when, and what an alarm that went off does: twice, late, after others, killed."""

from typing import Any

import pytest

from tidemill import names
from tidemill.errors import ConflictError
from tidemill.ports import Watch
from tidemill.release import guarding
from tidemill.release import pointer as live_pointer
from tidemill.release.withdraw_challenger import ATTEMPTS

ONE, TWO, THREE = "tides-v00001", "tides-v00002", "tides-v00003"
WATCH = Watch(release_id=TWO, version="3", errors=0.05, p95_ms=2000, min_requests=20)


def alias(world: Any) -> tuple[str, dict[str, float]]:
    live = world.endpoints.alias("tides")
    return live.version, dict(live.weights)


def watched(world: Any) -> Watch | None:
    return world.guards.watched.get("tides")


def challenged(make_world: Any) -> Any:
    """Makes worlds in which model 2 has its first share."""

    def make() -> Any:
        world = make_world()
        world.released(ONE)
        world.experiment(TWO)
        world.shift(TWO, 0)
        return world

    return make


@pytest.fixture
def running(make_world: Any) -> Any:
    return challenged(make_world)()


def test_a_challenger_is_watched_from_its_first_share_to_its_end(world: Any) -> None:
    world.released(ONE)
    world.experiment(TWO)
    assert watched(world) is None
    world.shift(TWO, 0)
    assert watched(world) == WATCH
    world.shift(TWO, 1)
    assert watched(world) == WATCH
    world.settle(TWO, "promote", "not worse")
    assert watched(world) is None


def test_no_request_goes_to_a_challenger_that_is_not_watched(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.released(ONE)
    world.experiment(TWO)
    move, seen = world.endpoints.move_alias, []

    def look(project: str, *, weights: dict[str, float], **more: Any) -> None:
        seen.append((dict(weights), watched(world)))
        move(project, weights=weights, **more)

    monkeypatch.setattr(world.endpoints, "move_alias", look)
    world.shift(TWO, 0)
    world.settle(TWO, "roll_back", "worse")
    assert seen == [({"3": 0.1}, WATCH), ({}, WATCH)]
    assert watched(world) is None


def test_the_rules_are_those_of_the_release_s_beginning(make_world: Any) -> None:
    world = make_world(guardrails={"errors": 0.2, "p95_ms": None, "min_requests": 5})
    world.released(ONE)
    world.experiment(TWO)
    world.problem = make_world().problem
    world.shift(TWO, 0)
    assert watched(world) == Watch(TWO, "3", 0.2, None, 5)


def test_an_alarm_rolls_the_release_back_with_its_reason(running: Any) -> None:
    found = running.alarm()
    assert found["outcome"] == "rolled_back"
    assert alias(running) == ("2", {})
    assert watched(running) is None
    row = running.row(names.sk_release(TWO))
    assert (row["state"], row["by"]) == ("rolled_back", "withdraw_challenger")
    for word in ("tidemill-dev-guard-errors-tides", "[0.5]", "(0.05)"):
        assert word in row["reason"] == found["reason"]
    decision = running.fact(names.release("tides", TWO) + "decision.json")
    assert (decision["verdict"], decision["by"]) == ("roll_back", "withdraw_challenger")
    audit = [row for row in running.index.query(names.pk("tides"), names.AUDIT) if "rolled_back" in row["action"]]
    assert [(row["by"], row["details"]["reason"]) for row in audit] == [("withdraw_challenger", found["reason"])]
    assert running.row(names.sk_model(2))["state"] == "rolled_back"
    assert running.judge(TWO)["verdict"] == "settled"


def test_where_entities_are_assigned_the_version_with_both_arms_is_watched(make_world: Any) -> None:
    world = make_world(assignment="entity", unit="entity")
    world.released(ONE)
    world.experiment(TWO)
    world.shift(TWO, 0)
    assert watched(world) == Watch(TWO, "3", 0.05, 2000, 20, within="4")
    assert world.alarm(version="3")["outcome"] == "ignored"
    assert world.steer("pause")["state"] == "running"
    assert (watched(world), alias(world)) == (None, ("2", {}))
    assert world.steer("resume")["state"] == "running"
    assert (watched(world), alias(world)) == (Watch(TWO, "3", 0.05, 2000, 20, within="4"), ("4", {}))
    assert world.alarm(version="4")["outcome"] == "rolled_back"
    assert (watched(world), alias(world)) == (None, ("2", {}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": "2"}, "it is about version 2, and the challenger is answered for by 3"),
        ({"version": None}, "it is about version None"),
        ({"description": "Release tides-v00001: more than 5%"}, "it is not about release tides-v00002"),
        ({"description": ""}, "it is not about release tides-v00002"),
    ],
)
def test_an_alarm_about_another_version_or_release_changes_nothing(running: Any, changes: Any, why: str) -> None:
    before = str(running.state())
    found = running.alarm(**changes)
    assert found["outcome"] == "ignored"
    assert why in found["reason"]
    assert str(running.state()) == before


def test_an_alarm_that_comes_twice_rolls_back_once(running: Any) -> None:
    running.alarm()
    before = str(running.state())
    assert running.alarm() == {"outcome": "ignored", "reason": "no release is running"}
    assert str(running.state()) == before


@pytest.mark.parametrize("verdict", ["promote", "roll_back"])
def test_an_alarm_that_comes_after_the_decision_changes_nothing(running: Any, verdict: str) -> None:
    running.settle(TWO, verdict, "by the experiment")
    before = str(running.state())
    assert running.alarm()["outcome"] == "ignored"
    assert str(running.state()) == before


def test_an_alarm_on_a_superseded_challenger_leaves_the_next_one_alone(running: Any) -> None:
    running.experiment(THREE)
    running.shift(THREE, 0)
    before = str(running.state())
    assert running.alarm()["outcome"] == "ignored"
    assert str(running.state()) == before
    assert watched(running) == Watch(THREE, "4", 0.05, 2000, 20)


def test_the_next_release_begins_without_the_alarms_of_the_last(running: Any) -> None:
    running.experiment(THREE)  # the alarms of release 2 may be in ALARM, which would not be a change for release 3
    assert watched(running) is None


def test_alarms_that_a_killed_settlement_left_are_gone_with_the_next_publication(
    running: Any, killed: type[BaseException]
) -> None:
    clear = running.guards.clear

    def die(project: str) -> None:
        raise killed

    running.guards.clear = die
    with pytest.raises(killed):
        running.settle(TWO, "roll_back", "worse")
    assert watched(running) == WATCH
    running.guards.clear = clear
    running.experiment(THREE)
    assert watched(running) is None


def test_a_decision_to_promote_that_was_made_before_stands(running: Any, killed: type[BaseException]) -> None:
    running.life.calls = 3
    with pytest.raises(killed):
        running.settle(TWO, "promote", "not worse")
    assert running.fact(names.release("tides", TWO) + "decision.json")["verdict"] == "promote"
    assert running.alarm()["outcome"] == "promoted"
    assert alias(running) == ("3", {})


@pytest.mark.parametrize("moves", [1, ATTEMPTS - 1])
def test_an_alarm_reads_again_when_the_pointer_moves_meanwhile(running: Any, moves: int) -> None:
    transact, left = running.index.transact, [moves]

    def disturbed(changes: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise ConflictError("someone was first")
        transact(changes)

    running.index.transact = disturbed
    assert running.alarm()["outcome"] == "rolled_back"
    assert alias(running) == ("2", {})


def test_an_alarm_gives_up_when_the_pointer_moves_all_the_time(running: Any) -> None:
    def disturbed(changes: Any) -> None:
        raise ConflictError("someone was first")

    running.index.transact = disturbed
    with pytest.raises(ConflictError, match="send the alarm's event again"):
        running.alarm()


def test_a_person_who_promotes_at_the_same_moment_is_first_and_stays_so(running: Any) -> None:
    # Between the alarm's reading of the pointer and its decision the release is promoted.
    apply, done = running.endpoints.move_alias, []

    def promote(project: str, **more: Any) -> None:
        apply(project, **more)
        if not done:
            done.append(True)
            running.settle(TWO, "promote", "it is good", by="arn:ada")

    running.endpoints.move_alias = promote
    assert running.alarm()["outcome"] == "promoted"
    assert alias(running) == ("3", {})
    assert watched(running) is None


def test_an_alarm_survives_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    assert survive(challenged(make_world), lambda world: world.alarm()) > 10


def test_of_two_that_follow_the_pointer_the_later_reading_holds(running: Any) -> None:
    # Who read first sets last: the release is settled between its reading and its setting.
    put, done = running.guards.set, []

    def late(project: str, watch: Watch) -> None:
        if not done:
            done.append(True)
            running.settle(TWO, "roll_back", "worse")
        put(project, watch)

    running.guards.set = late
    guarding.follow(running.index, running.objects, running.guards, "tides")
    assert done
    assert watched(running) is None


def test_following_gives_up_when_the_pointer_moves_all_the_time(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = iter(range(1000))
    pointer = live_pointer.read(running.index, "tides")
    monkeypatch.setattr(live_pointer, "read", lambda *_: {**pointer, "epoch": next(epochs)})
    with pytest.raises(ConflictError, match="moved 10 times"):
        guarding.follow(running.index, running.objects, running.guards, "tides")
