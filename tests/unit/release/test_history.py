"""Every move of the pointer is told, in the order in which it happened, with who answered from then on."""

from datetime import timedelta
from typing import Any

from tidemill.release import history

ONE, TWO, THREE = "tides-v00001", "tides-v00002", "tides-v00003"


def test_every_epoch_is_one_move_with_who_answers_from_then_on(world: Any) -> None:
    world.released(ONE)
    world.experiment(TWO)
    for act in (
        lambda: world.shift(TWO, 0),
        lambda: world.steer("pause", reason="a storm"),
        lambda: world.steer("resume"),
        lambda: world.steer("promote", by="arn:bob", reason="fine"),
        lambda: world.steer("rollback", reason="complaints"),
        lambda: world.experiment(THREE),
    ):
        world.now += timedelta(minutes=1)
        act()
    found = history.moves(world.index, "tides")
    assert [move["epoch"] for move in found] == list(range(1, world.pointer["epoch"] + 1))
    assert [move["action"] for move in found] == [
        "started", "promoted", "started", "shifted", "paused", "resumed", "promoted", "rolled_back", "started",
    ]  # fmt: skip
    assert [float(move["weight"]) for move in found[2:]] == [0.0, 0.1, 0.0, 0.1, 0.0, 0.0, 0.0]
    champions = [move["champion"]["model"] for move in found[1:]]
    assert champions == [1, 1, 1, 1, 1, 2, 1, 1]
    assert (found[6]["by"], found[6]["reason"], found[6]["release_id"]) == ("arn:bob", "fine", TWO)
    assert found[-1]["challenger"] == world.pointer["challenger"]


def test_what_held_at_a_time_is_the_last_move_before_it(world: Any) -> None:
    world.released(ONE)
    began = world.now
    world.now += timedelta(hours=1)
    world.experiment(TWO)
    found = history.moves(world.index, "tides")
    assert history.at(found, (began - timedelta(seconds=1)).isoformat()) is None
    assert history.at(found, (began + timedelta(minutes=30)).isoformat())["action"] == "promoted"
    assert history.at(found, world.now.isoformat())["challenger"]["model"] == 2
