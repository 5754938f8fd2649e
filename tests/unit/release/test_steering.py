"""A person promotes, rolls back, pauses, resumes: who answers then, what counts, and what kills do."""

from datetime import timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.errors import ConflictError
from tidemill.ports import Alias, Update

PK = names.pk("tides")
ONE, TWO, THREE = "tides-v00001", "tides-v00002", "tides-v00003"
BAD = {"2": 1.0, "3": -0.2}
EQUAL = {"2": 1.0, "3": 1.0}


def alias(world: Any) -> tuple[str, dict[str, float]]:
    live: Alias = world.endpoints.alias("tides")
    return live.version, dict(live.weights)


def running(make_world: Any, **rollout: Any) -> Any:
    """A champion, and a challenger at its first step."""

    def make() -> Any:
        world = make_world(**rollout)
        world.released(ONE)
        world.experiment(TWO)
        world.now += timedelta(minutes=1)
        world.shift(TWO, 0)
        return world

    return make


@pytest.fixture
def shared(make_world: Any) -> Any:
    return running(make_world)()


def test_paused_the_champion_answers_all_and_resumed_the_challenger_has_its_share(shared: Any) -> None:
    paused = shared.steer("pause", reason="a storm")
    assert (paused["release_id"], paused["state"], paused["live"]["weight"]) == (TWO, "running", 0.0)
    assert alias(shared) == ("2", {})
    row = shared.row(names.sk_release(TWO))
    assert (row["paused_by"], row["paused_reason"]) == ("arn:ada", "a storm")
    shared.now += timedelta(hours=1)
    assert shared.steer("resume")["live"]["weight"] == 0.1
    assert alias(shared) == ("2", {"3": 0.1})
    assert shared.row(names.sk_release(TWO))["since"] == shared.now.isoformat()
    actions = [row["action"] for row in shared.index.query(names.pk("tides"), names.AUDIT)]
    assert actions[-2:] == ["release.paused", "release.resumed"]


def test_looks_do_not_count_while_a_release_is_paused(make_world: Any) -> None:
    world = running(make_world, max_looks=2)()
    world.steer("pause", reason="a storm")
    for _ in range(5):
        found = world.judge(TWO, 1)
        assert (found["verdict"], found["look"], found["wait_seconds"]) == ("continue", 1, 3600)
        assert "paused by arn:ada: a storm" in found["reason"]
    assert world.row(names.sk_release(TWO))["looks"] == 0
    assert list(world.objects.keys(names.release("tides", TWO) + "look-")) == []
    world.steer("resume")
    assert world.judge(TWO, 1)["verdict"] == "continue"
    assert world.judge(TWO, 2)["verdict"] == "roll_back"


def test_paused_days_do_not_count(make_world: Any) -> None:
    world = running(make_world, max_days=2)()
    for _ in range(2):
        world.now += timedelta(hours=12)
        world.steer("pause")
        world.now += timedelta(days=10)
        world.steer("resume")
    assert world.judge(TWO, 1)["verdict"] == "continue"
    world.now += timedelta(hours=23)
    assert world.judge(TWO, 2)["verdict"] == "continue"
    world.now += timedelta(hours=1)
    assert "undecided after 2.0 days" in world.judge(TWO, 3)["reason"]


def test_only_requests_after_the_resumption_count(shared: Any) -> None:
    shared.traffic(("2", "3"), BAD.__getitem__, name="before")
    shared.now += timedelta(minutes=1)
    shared.steer("pause")
    shared.now += timedelta(minutes=1)
    shared.steer("resume")
    assert shared.judge(TWO, 1)["verdict"] == "continue"
    look = shared.fact(names.release("tides", TWO) + "look-0001.json")
    assert look["arms"]["challenger"]["requests"] == 0


def test_a_step_that_comes_while_paused_is_taken_without_its_share(shared: Any) -> None:
    shared.steer("pause")
    assert shared.shift(TWO, 1)["weight"] == 0.0
    assert alias(shared) == ("2", {})
    assert shared.row(names.sk_release(TWO))["since"] is None
    assert shared.judge(TWO, 1)["verdict"] == "continue"
    assert shared.steer("resume")["live"]["weight"] == 0.5
    assert alias(shared) == ("2", {"3": 0.5})


def test_a_release_may_be_paused_before_its_first_step(make_world: Any) -> None:
    world = make_world()
    world.released(ONE)
    world.experiment(TWO)
    world.steer("pause")
    assert world.shift(TWO, 0)["weight"] == 0.0
    world.steer("resume")
    assert alias(world) == ("2", {"3": 0.1})


def test_resumed_before_its_first_step_it_has_no_share_yet(make_world: Any) -> None:
    world = make_world()
    world.released(ONE)
    world.experiment(TWO)
    world.steer("pause")
    world.steer("resume")
    assert alias(world) == ("2", {})
    assert world.shift(TWO, 0)["weight"] == 0.1
    assert world.row(names.sk_release(TWO))["since"] == world.now.isoformat()


def test_a_look_that_was_taken_before_the_pause_moves_nothing_after_it(
    shared: Any, killed: type[BaseException]
) -> None:
    shared.traffic(("2", "3"), BAD.__getitem__, name="before")
    index = shared.ports[1].port

    class Pausing:
        """A person pauses the release between the look and its number."""

        def __getattr__(self, name: str) -> Any:
            return getattr(index, name)

        def transact(self, changes: Any) -> None:
            shared.ports[1].port = index
            shared.steer("pause")
            index.transact(changes)

    shared.ports[1].port = Pausing()
    with pytest.raises(ConflictError):
        shared.judge(TWO, 1)
    assert shared.fact(names.release("tides", TWO) + "look-0001.json")["verdict"] == "roll_back"
    assert shared.judge(TWO, 1)["verdict"] == "continue"
    shared.now += timedelta(minutes=1)
    shared.steer("resume")
    found = shared.judge(TWO, 1)
    assert (found["verdict"], found["look"]) == ("continue", 2)
    assert "started anew" in found["reason"]


@pytest.mark.parametrize("calls", range(1, 11))
def test_a_resumption_that_died_is_finished_by_the_machine(
    shared: Any, killed: type[BaseException], calls: int
) -> None:
    shared.steer("pause")
    shared.life.calls = calls
    with pytest.raises(killed):
        shared.steer("resume")
    found = shared.judge(TWO, 1)
    if found["verdict"] == "advance":
        shared.shift(TWO, found["step"])
        assert (alias(shared), found["step"], found["look"]) == (("2", {"3": 0.1}), 0, 1)
        assert shared.row(names.sk_release(TWO))["since"] is not None
    else:
        paused = shared.row(names.sk_release(TWO)).get("paused_at")
        assert alias(shared) == (("2", {}) if paused else ("2", {"3": 0.1}))


def test_promote_and_rollback_are_one_call_each(shared: Any) -> None:
    assert shared.steer("promote")["state"] == "promoted"
    assert alias(shared) == ("3", {})
    published = dict(shared.endpoints.published)
    assert shared.steer("rollback", reason="complaints")["state"] == "rolled_back"
    assert alias(shared) == ("2", {})
    assert shared.endpoints.published == published, "nothing is built"
    assert shared.fact(names.release("tides", TWO) + "reversal.json")["reason"] == "complaints"


def test_a_paused_release_can_be_settled(shared: Any) -> None:
    shared.steer("pause")
    assert shared.steer("rollback")["state"] == "rolled_back"
    assert shared.judge(TWO, 1)["verdict"] == "settled"


@pytest.mark.parametrize(
    ("before", "action", "message"),
    [
        (["promote"], "promote", "no challenger to promote: model 2 answers all"),
        (["promote"], "pause", "no running release to pause: model 2 answers all"),
        (["pause"], "pause", "paused already, by arn:ada"),
        ([], "resume", "is not paused"),
        (["promote", "rollback"], "rollback", "cannot be taken back|is promoted already"),
    ],
)
def test_what_cannot_be_done_is_a_conflict_and_moves_nothing(
    shared: Any, before: list[str], action: str, message: str
) -> None:
    for each in before:
        shared.steer(each)
    rows = {key: row for key, row in shared.index.rows.items() if names.AUDIT not in key[1]}
    with pytest.raises(ConflictError, match=message) as caught:
        shared.steer(action, by="arn:bob")
    assert caught.value.status == 409
    assert {key: row for key, row in shared.index.rows.items() if names.AUDIT not in key[1]} == rows


def test_where_nothing_was_released_nothing_can_be_steered(world: Any) -> None:
    for action in ("promote", "rollback", "pause", "resume"):
        with pytest.raises(ConflictError):
            world.steer(action)


def test_who_has_seen_an_older_pointer_moves_nothing(shared: Any) -> None:
    seen = shared.pointer["epoch"]
    shared.steer("pause", by="arn:bob")
    with pytest.raises(ConflictError, match=f"from epoch {seen} to {seen + 1}: model 1 answers 100%"):
        shared.steer("promote", epoch=seen)
    assert alias(shared) == ("2", {})
    assert shared.steer("promote", epoch=seen + 1)["state"] == "promoted"


def test_the_first_decision_stands_against_a_second_one_and_is_carried_out(
    shared: Any, killed: type[BaseException]
) -> None:
    shared.life.calls = 9  # alarms and alias follow, the release, and the fact of the decision
    with pytest.raises(killed):
        shared.steer("rollback", by="arn:ada")
    assert shared.fact(names.release("tides", TWO) + "decision.json")["by"] == "arn:ada"
    assert shared.row(names.sk_release(TWO))["state"] == "running"
    with pytest.raises(ConflictError, match="rolled_back already, by arn:ada"):
        shared.steer("promote", by="arn:bob")
    assert alias(shared) == ("2", {})


@pytest.mark.parametrize("action", ["pause", "promote", "rollback"])
def test_whoever_asks_again_after_a_kill_finds_it_done(
    make_world: Any, killed: type[BaseException], action: str
) -> None:
    whole = running(make_world)()
    whole.steer(action)
    for survived in range(30):
        world = running(make_world)()
        world.life.calls = survived
        try:
            world.steer(action)
        except killed:
            try:
                world.steer(action)
            except ConflictError as done:
                assert "paused already" in str(done) or "answers all" in str(done) or "cannot be" in str(done)
        world.life.calls = None
        assert alias(world) == alias(whole), survived
        assert world.pointer == whole.pointer


def test_a_decision_about_a_release_that_was_superseded_meanwhile_is_a_conflict(shared: Any) -> None:
    objects = shared.ports[0].port

    class Superseding:
        """A newer model takes the slot just before the decision is written."""

        def __getattr__(self, name: str) -> Any:
            return getattr(objects, name)

        def put_new(self, key: str, body: bytes, **how: Any) -> bool:
            if key.endswith("decision.json"):
                shared.ports[0].port = objects
                shared.experiment(THREE)
            return bool(objects.put_new(key, body, **how))

    shared.ports[0].port = Superseding()
    with pytest.raises(ConflictError, match="superseded already"):
        shared.steer("promote")
    assert shared.pointer["challenger"]["model"] == 3
    assert shared.row(names.sk_release(TWO))["state"] == "superseded"


def test_a_promotion_is_taken_back_in_the_name_of_who_moved_the_pointer(
    shared: Any, killed: type[BaseException]
) -> None:
    shared.steer("promote")
    folder = names.release("tides", TWO)
    for calls in range(4, 30):
        shared.life.calls = calls
        with pytest.raises(killed):
            shared.steer("rollback", by="arn:bob")
        if shared.objects.exists(folder + "reversal.json"):
            break
    assert shared.row(names.sk_release(TWO))["state"] == "promoted"
    shared.steer("rollback", by="arn:eve", reason="complaints")
    row = shared.row(names.sk_release(TWO))
    assert (row["state"], row["by"], row["reason"]) == ("rolled_back", "arn:eve", "complaints")
    assert shared.fact(folder + "reversal.json")["by"] == "arn:bob"


@pytest.mark.parametrize("plan", ["canary", ["replay", "canary"]])
def test_paused_it_is_looked_at_rarely_whatever_the_plan(make_world: Any, plan: Any) -> None:
    world = make_world(plan=plan)
    world.released(ONE)
    world.experiment(TWO)
    assert world.shift(TWO, 0)["wait_seconds"] < 3600
    world.steer("pause")
    assert world.judge(TWO)["wait_seconds"] == 3600


@pytest.mark.parametrize(("verdict", "ends"), [("promote", True), ("roll_back", True), ("continue", False)])
def test_what_a_look_has_decided_is_not_paused(shared: Any, verdict: str, ends: bool) -> None:
    shared.index.transact([Update(PK, names.sk_release(TWO), {"verdict": verdict, "reason": "the last look"})])
    if not ends:
        assert shared.steer("pause")["state"] == "running"
        return
    with pytest.raises(ConflictError, match="being carried out"):
        shared.steer("pause")
    assert shared.settle(TWO, verdict, "the last look")["state"] in ("promoted", "rolled_back")
