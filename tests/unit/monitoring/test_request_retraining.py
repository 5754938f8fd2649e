"""One drifted window starts one run: cool-down, lock, other runs, kills and crowds."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from tidemill import names

RUN = "tides-v00002-drift-00007"


@pytest.fixture
def drifted(make_world: Any) -> Any:
    """Makes worlds with two dataset versions and a drifted window 00007 of the champion."""

    def make(**changes: Any) -> Any:
        world = make_world(**changes)
        for version in (1, 2):
            world.put(names.sk_dataset(version), version=version)
        world.put(names.sk_window("00006"), window_id="00006", model=1, drifted=True, features=["moon"])
        world.put(names.sk_window("00007"), window_id="00007", model=1, drifted=True, features=["wind", "moon"])
        world.put(names.sk_window("00008"), window_id="00008", model=1, drifted=False, features=[])
        return world

    return make


def actions(world: Any) -> list[str]:
    return sorted(row["action"].removeprefix("monitoring.") for row in world.rows(names.AUDIT))


def test_the_newest_drifted_window_starts_a_run_on_the_newest_version(drifted: Any) -> None:
    world = drifted()
    assert world.ask() == {"outcome": "started", "run_id": RUN}
    assert world.workflows.started == {
        ("training", RUN): {
            "project": "tides",
            "dataset_version": 2,
            "run_id": RUN,
            "reason": "drift in window 00007: wind, moon",
            "trigger": "drift",
            "options": {},
        }
    }
    lock = world.row(names.LOCK_RETRAINING)
    assert (lock["epoch"], lock["state"], lock["until"]) == (1, "started", "2026-03-21T12:00:00+00:00")
    assert actions(world) == ["retraining_requested"]


def test_a_second_request_is_held_back_and_the_audit_says_why(drifted: Any) -> None:
    world = drifted()
    world.ask("first")
    world.now += timedelta(hours=23)
    held = world.ask("second")
    assert (held["outcome"], held["until"]) == ("held", "2026-03-21T12:00:00+00:00")
    assert RUN in held["reason"] and "cool-down" in held["reason"]
    entry = next(row for row in world.rows(names.AUDIT) if row["action"] == "monitoring.retraining_held")
    assert (entry["details"]["until"], entry["details"]["reason"]) == (held["until"], held["reason"])
    assert len(world.workflows.started) == 1


def test_the_same_request_twice_is_one_request(drifted: Any) -> None:
    world = drifted()
    assert world.ask("first") == world.ask("first") == {"outcome": "started", "run_id": RUN}
    assert actions(world) == ["retraining_requested"]
    held = world.ask("second")
    state = world.state()
    assert world.ask("second") == held
    assert world.state() == state


def test_after_the_cool_down_a_new_window_starts_a_new_run(drifted: Any) -> None:
    world = drifted()
    world.ask("first", cool_down=60)
    world.now += timedelta(seconds=60)
    world.put(names.sk_window("00009"), window_id="00009", model=1, drifted=True, features=["wind"])
    assert world.ask("second", cool_down=60) == {"outcome": "started", "run_id": "tides-v00002-drift-00009"}
    assert world.row(names.LOCK_RETRAINING)["epoch"] == 2


def test_a_window_is_answered_once_even_without_a_cool_down(drifted: Any) -> None:
    world = drifted()
    world.ask("first", cool_down=0)
    held = world.ask("second", cool_down=0)
    assert held["outcome"] == "held" and "already" in held["reason"] and held["until"] is None


def test_it_is_held_back_while_a_run_goes_on(drifted: Any) -> None:
    world = drifted()
    world.put(names.sk_run("tides-v00002"), run_id="tides-v00002", state="running", at=world.now.isoformat())
    held = world.ask()
    assert held["outcome"] == "held" and "tides-v00002 is still running" in held["reason"]
    assert world.row(names.LOCK_RETRAINING) is None
    world.now += timedelta(days=2)  # nobody closed it
    assert world.ask("later")["outcome"] == "started"


@pytest.mark.parametrize(
    ("changes", "spoil", "reason"),
    [
        ({"retraining": {"on_drift": False}}, (), "on_drift: false"),
        ({}, (names.sk_dataset(1), names.sk_dataset(2)), "no dataset version"),
        ({}, (names.sk_window("00006"), names.sk_window("00007")), "no window"),
        ({}, (names.POINTER_LIVE,), "no window"),
    ],
)
def test_it_is_held_back_where_there_is_nothing_to_do(drifted: Any, changes: Any, spoil: Any, reason: str) -> None:
    world = drifted(**changes)
    for sk in spoil:
        del world.index.rows[names.pk("tides"), sk]
    held = world.ask()
    assert held["outcome"] == "held" and reason in held["reason"]
    assert world.workflows.started == {} and actions(world) == ["retraining_held"]


def test_a_former_champions_window_is_no_reason(drifted: Any) -> None:
    world = drifted()
    world.release(model=2)
    assert "no window of the champion" in world.ask()["reason"]


def test_killed_at_any_step_the_same_request_ends_in_the_same_state(
    drifted: Any, disturb: Any, kill_at: Any, killed: Any
) -> None:
    expected, counting = drifted(), disturb(-1, lambda: None)
    result = expected.ask(disturbed=counting)
    for step in range(1, counting.steps + 1):
        world = drifted()
        with pytest.raises(killed):
            world.ask(disturbed=kill_at(step))
        assert world.ask() == result, step
        assert world.state() == expected.state(), step
        assert list(world.workflows.started) == [("training", RUN)], step


def test_a_run_that_is_owed_is_started_by_whoever_comes_next(
    drifted: Any, disturb: Any, kill_at: Any, killed: Any
) -> None:
    counting = disturb(-1, lambda: None)
    drifted().ask(disturbed=counting)
    for step in range(1, counting.steps + 1):
        world = drifted()
        with pytest.raises(killed):
            world.ask("first", disturbed=kill_at(step))
        world.ask("second")
        assert list(world.workflows.started) == [("training", RUN)], step
        assert actions(world).count("retraining_requested") == 1, step


def test_another_request_at_any_step_starts_no_second_run(drifted: Any, disturb: Any) -> None:
    for cool_down in (0, 3600):
        counting = disturb(-1, lambda: None)
        drifted().ask(cool_down=cool_down, disturbed=counting)
        for step in range(1, counting.steps + 1):
            world = drifted()

            def other(world: Any = world, cool_down: float = cool_down) -> None:
                world.ask("second", cool_down=cool_down)

            world.ask("first", cool_down=cool_down, disturbed=disturb(step, other))
            assert list(world.workflows.started) == [("training", RUN)], step
            assert actions(world) == ["retraining_held", "retraining_requested"], step


@pytest.mark.parametrize("cool_down", [0, 3600])
def test_twenty_requests_at_once_start_one_run(drifted: Any, cool_down: float) -> None:
    world, barrier, results = drifted(), threading.Barrier(20), []

    def ask(i: int) -> None:
        barrier.wait()
        results.append(world.ask(f"request {i}", cool_down=cool_down)["outcome"])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["held"] * 19 + ["started"]
    assert list(world.workflows.started) == [("training", RUN)]
    assert actions(world) == ["retraining_held"] * 19 + ["retraining_requested"]
