"""Approval by a person: one decision stands, whoever asks, however late, however often, whoever is killed."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.errors import ConflictError, NotAllowed, RecordNotFound, TooLate
from tidemill.ports import Put, Update
from tidemill.release.decide_release import MACHINE

ONE = "tides-v00001"
ADA, BOB, EVE = "arn:ada", "arn:bob", "arn:eve"
APPROVED = {"model_version": 1, "decision": "approve"}


@pytest.fixture
def asked(make_world: Any) -> Any:
    return asking(make_world)()


def asking(make_world: Any, **rollout: Any) -> Any:
    """A world in which ada's run waits for approval."""

    def make() -> Any:
        world = make_world(approval="required", **rollout)
        world.register(world.run(ONE))
        pk = names.pk("tides")
        world.index.transact([Update(pk, names.sk_run(ONE), {"submitted_by": ADA, "trigger": "manual"})])
        world.ask(ONE)
        return world

    return make


def approval(world: Any) -> dict[str, Any]:
    return world.row(names.sk_approval(ONE))


def trail(world: Any) -> list[tuple[str, str, str | None]]:
    """Action, actor and outcome of all that was said about the approval, in the order of time."""
    rows = world.index.query(names.pk("tides"), names.AUDIT)
    return [
        (row["action"].removeprefix("release."), row["by"], row["details"].get("outcome"))
        for row in rows
        if not row["action"].endswith("registered")
    ]


def test_a_release_waits_and_people_are_told(asked: Any) -> None:
    row = approval(asked)
    assert (row["state"], row["submitted_by"], row["token"]) == ("pending", [ADA], "token-1")
    assert row["deadline"] == (asked.now + timedelta(hours=72)).isoformat()
    ((subject, text),) = asked.notices.told
    assert subject == "Approve model v00001 of tides?"
    assert f"tidemill approve tides {ONE}" in text
    assert ADA in text
    assert "token-1" not in text
    assert asked.callbacks.completed == {}
    assert trail(asked) == [("approval_requested", "request_approval", None)]


def test_registration_says_whether_a_person_is_to_be_asked(world: Any, make_world: Any) -> None:
    from tidemill.release.register_model import register_model

    for each, word in ((world, "none"), (make_world(approval="required"), "required")):
        each.run(ONE)
        ports = {"objects": each.objects, "index": each.index, "clock": each.clock}
        assert register_model(problem=each.problem, run_id=ONE, **ports) == {"model_version": 1, "approval": word}


def test_an_approved_release_goes_on(asked: Any) -> None:
    shown = asked.decide(ONE, "approve", BOB, "looks right")
    assert (shown["state"], shown["by"], shown["reason"]) == ("approved", BOB, "looks right")
    assert "token" not in shown
    assert asked.callbacks.completed == {"token-1": APPROVED}
    assert asked.publish(1, ONE)["state"] == "running"
    fact = asked.fact(names.release("tides", ONE) + "approval-decision.json")
    assert fact == {"decision": "approve", "reason": "looks right", "by": BOB, "at": asked.now.isoformat()}


@pytest.mark.parametrize("by", [BOB, ADA], ids=["another", "the submitter"])
def test_a_refused_release_has_ended(asked: Any, by: str) -> None:
    assert asked.decide(ONE, "refuse", by, "too early")["state"] == "refused"
    assert asked.callbacks.completed == {"token-1": {"model_version": 1, "decision": "refuse"}}
    row = asked.row(names.sk_release(ONE))
    assert (row["state"], row["reason"], row["by"]) == ("refused", "too early", by)
    assert asked.publish(1, ONE)["state"] == "refused", "even if its machine went on"
    assert asked.index.get(names.pk("tides"), names.POINTER_LIVE) is None


def test_who_submitted_a_run_cannot_approve_it_unless_the_stage_allows_it(asked: Any) -> None:
    with pytest.raises(NotAllowed, match="ask someone else"):
        asked.decide(ONE, "approve", ADA)
    assert approval(asked)["state"] == "pending"
    assert asked.callbacks.completed == {}
    assert trail(asked)[1:] == [("decision_attempted", ADA, "own work")]
    assert asked.decide(ONE, "approve", ADA, self_approval=True)["state"] == "approved"


@pytest.mark.parametrize(("trigger", "author", "expected"), [
    ("data", ADA, [ADA]), ("data", "unknown", []), ("drift", ADA, []),
])  # fmt: skip
def test_who_uploaded_the_data_submitted_the_run_that_they_started(
    make_world: Any, trigger: str, author: str, expected: list[str]
) -> None:
    world = make_world(approval="required")
    world.register(world.run(ONE))
    pk = names.pk("tides")
    world.index.transact([
        Put(pk, names.sk_dataset(3), {"version": 3, "author": author}),
        Update(pk, names.sk_run(ONE), {"trigger": trigger}),
    ])  # fmt: skip
    assert world.ask(ONE)["submitted_by"] == expected


def test_a_late_decision_is_refused_and_recorded_and_ends_the_release(asked: Any) -> None:
    asked.now += timedelta(hours=72)
    with pytest.raises(TooLate, match="has expired"):
        asked.decide(ONE, "approve", BOB)
    assert approval(asked)["state"] == asked.row(names.sk_release(ONE))["state"] == "expired"
    assert asked.callbacks.completed == {"token-1": {"model_version": 1, "decision": "expire"}}
    asked.now += timedelta(minutes=1)
    with pytest.raises(TooLate):
        asked.decide(ONE, "refuse", BOB)
    attempts = [each for each in trail(asked) if each[0] == "decision_attempted"]
    assert attempts == [("decision_attempted", BOB, "late")] * 2
    assert ("expired", MACHINE, None) in trail(asked)


def test_in_the_last_moment_it_may_be_decided(asked: Any) -> None:
    asked.now += timedelta(hours=72) - timedelta(microseconds=1)
    assert asked.decide(ONE, "approve", BOB)["state"] == "approved"


def test_the_machine_ends_what_nobody_decided_and_not_before(asked: Any) -> None:
    with pytest.raises(ConflictError, match="may be decided until"):
        asked.decide(ONE, "expire", MACHINE)
    assert approval(asked)["state"] == "pending"
    asked.now += timedelta(days=4)
    assert asked.decide(ONE, "expire", MACHINE)["decision"] == "expire"


def test_the_machine_hears_of_a_decision_whose_answer_was_lost(asked: Any) -> None:
    asked.decide(ONE, "approve", BOB)
    asked.now += timedelta(days=4)
    assert asked.decide(ONE, "expire", MACHINE)["decision"] == "approve"


def test_a_second_decision_is_refused_and_the_first_one_stands(asked: Any) -> None:
    asked.decide(ONE, "approve", BOB)
    for by, word in ((EVE, "refuse"), (EVE, "approve"), (BOB, "refuse")):
        asked.now += timedelta(minutes=1)
        with pytest.raises(ConflictError, match="approved already by arn:bob"):
            asked.decide(ONE, word, by)
    assert approval(asked)["state"] == "approved"
    assert asked.callbacks.completed == {"token-1": APPROVED}
    assert trail(asked)[2:] == [("decision_attempted", by, "already decided") for by in (EVE, EVE, BOB)]


def test_a_replayed_decision_is_the_same_one_and_in_the_trail(asked: Any) -> None:
    first = asked.decide(ONE, "approve", BOB)
    asked.now += timedelta(minutes=1)
    assert asked.decide(ONE, "approve", BOB) == first
    assert trail(asked)[1:] == [("approved", BOB, None), ("decision_attempted", BOB, "repeated")]


@pytest.mark.parametrize("words", [("approve", "refuse"), ("approve", "approve")])
def test_of_two_decisions_at_once_one_stands(asked: Any, words: tuple[str, str]) -> None:
    meet, found = threading.Barrier(2), []

    def decide(by: str, word: str) -> None:
        meet.wait()
        try:
            found.append((by, asked.decide(ONE, word, by)["decision"]))
        except ConflictError:
            found.append((by, None))

    threads = [threading.Thread(target=decide, args=pair) for pair in zip((BOB, EVE), words, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((by, word),) = [each for each in found if each[1]]
    assert (approval(asked)["by"], approval(asked)["decision"]) == (by, word)
    assert asked.callbacks.completed == {"token-1": {"model_version": 1, "decision": word}}
    outcomes = [outcome for action, _, outcome in trail(asked) if action == "decision_attempted"]
    assert outcomes == ["already decided"]


def test_a_task_that_is_tried_again_waits_under_its_new_token(asked: Any) -> None:
    asked.callbacks.waiting.remove("token-1")
    asked.ask(ONE, "token-2")
    asked.decide(ONE, "approve", BOB)
    assert asked.callbacks.completed == {"token-2": APPROVED}
    assert approval(asked)["deadline"] == (asked.now + timedelta(hours=72)).isoformat()


def test_a_task_that_is_tried_again_after_the_decision_hears_it_at_once(asked: Any) -> None:
    asked.decide(ONE, "approve", BOB)
    assert asked.ask(ONE, "token-2")["state"] == "approved"
    assert asked.callbacks.completed["token-2"] == APPROVED
    assert len(asked.notices.told) == 1


def test_a_token_that_is_renewed_while_the_decision_is_made_is_the_one_that_is_answered(asked: Any) -> None:
    index = asked.ports[1].port

    class Renewing:
        """The task is tried again between the decision's first look at the row and its transaction."""

        def __getattr__(self, name: str) -> Any:
            return getattr(index, name)

        def transact(self, changes: Any) -> None:
            if any(change.sk == names.sk_approval(ONE) and change.set.get("state") for change in changes[:1]):
                renewed = Update(names.pk("tides"), names.sk_approval(ONE), {"token": "token-2"})
                asked.callbacks.waiting = {"token-2"}
                index.transact([renewed])
            index.transact(changes)

    asked.ports[1].port = Renewing()
    asked.decide(ONE, "approve", BOB)
    assert asked.callbacks.completed == {"token-2": APPROVED}


def test_a_decision_begun_by_one_who_was_killed_is_carried_out_by_the_next(
    asked: Any, killed: type[BaseException]
) -> None:
    asked.life.calls = 3  # the row, no decision yet, and its fact
    with pytest.raises(killed):
        asked.decide(ONE, "approve", BOB)
    assert approval(asked)["state"] == "pending"
    with pytest.raises(ConflictError, match="approved already by arn:bob"):
        asked.decide(ONE, "refuse", EVE)
    assert approval(asked)["state"] == "approved"
    assert asked.callbacks.completed == {"token-1": APPROVED}


def test_what_was_not_asked_cannot_be_decided(world: Any) -> None:
    with pytest.raises(RecordNotFound, match="asked for no approval"):
        world.decide(ONE, "approve", BOB)


def test_asking_and_deciding_survive_a_kill_at_any_call(make_world: Any, survive: Any) -> None:
    def make() -> Any:
        world = make_world(approval="required")
        world.register(world.run(ONE))
        return world

    def act(world: Any) -> None:
        world.ask(ONE)
        world.decide(ONE, "approve", BOB)

    assert survive(make, act) > 12


@pytest.mark.parametrize("hours", [0, 100], ids=["refused", "expired"])
def test_the_end_without_approval_survives_a_kill_at_any_call(make_world: Any, survive: Any, hours: int) -> None:
    def act(world: Any) -> None:
        world.now += timedelta(hours=hours)
        try:
            world.decide(ONE, "refuse", BOB)
        except TooLate:
            assert hours

    assert survive(asking(make_world), act) > 6
