"""Machines that fit one model together: how they meet, and how they notice that one is lost."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tidemill.errors import MachineLost
from tidemill.training import team

ENOUGH = 60.0


def places(count: int) -> list[team.Place]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return [("127.0.0.1", server.getsockname()[1])] * count


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "GRACE_SECONDS", 0.0)


def unexpected(why: str) -> None:
    raise AssertionError(why)


def machine(
    rank: int, at: list[team.Place], work: Callable[[team.Team], Any], lost: team.Lost = unexpected
) -> Any:
    with team.together(rank, at, lost, seconds=ENOUGH) as together:
        return work(together)


def test_all_know_where_all_are_and_have_parts_of_their_own() -> None:
    at = places(4)
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(machine, rank, at, lambda each: each) for rank in (2, 3, 1, 0)]
        teams = sorted((each.result(timeout=ENOUGH) for each in found), key=lambda each: each.rank)
    assert [each.rank for each in teams] == [0, 1, 2, 3]
    assert len({each.machines for each in teams}) == 1
    assert len(set(teams[0].machines)) == 4
    assert [f"127.0.0.1:{each.port}" for each in teams] == list(teams[0].machines)
    rows = list(range(10))
    assert sorted(row for each in teams for row in rows[each.share(10)]) == rows
    assert rows[teams[1].share(10)] == [1, 5, 9]


def test_nobody_leaves_before_the_last_one_is_done() -> None:
    at, done = places(2), threading.Event()
    order: list[int] = []

    def slow(_: team.Team) -> None:
        assert done.wait(ENOUGH)
        order.append(1)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(machine, 0, at, lambda _: None)
        second = pool.submit(machine, 1, at, slow)
        assert not first.done()
        done.set()
        second.result(timeout=ENOUGH)
        first.result(timeout=ENOUGH)
    assert order == [1]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_machine_that_fails_is_missed_by_the_other_one(failing: int) -> None:
    at, missed = places(2), threading.Event()
    words: list[str] = []

    def lost(why: str) -> None:
        words.append(why)
        missed.set()

    def fail(_: team.Team) -> None:
        raise ValueError("out of memory")

    with ThreadPoolExecutor(2) as pool:
        broken = pool.submit(machine, failing, at, fail)
        pool.submit(machine, 1 - failing, at, lambda _: missed.wait(ENOUGH), lost)
        with pytest.raises(ValueError, match="out of memory"):
            broken.result(timeout=ENOUGH)
        assert missed.wait(ENOUGH)
    assert words[0].startswith(f"machine {failing + 1} cut the line")


def test_a_machine_that_says_nothing_is_missed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "BEAT_SECONDS", ENOUGH)
    monkeypatch.setattr(team, "SILENT_SECONDS", 0.2)
    at, missed = places(2), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        for rank in (0, 1):
            pool.submit(machine, rank, at, lambda _: missed.wait(ENOUGH), lambda _: missed.set())
        assert missed.wait(ENOUGH)


def test_who_does_not_come_is_named() -> None:
    at = [*places(1), ("algo-2", 1), ("algo-3", 1)]
    with (
        pytest.raises(MachineLost, match=r"no word of algo-2, algo-3 in time; start the job again"),
        team.together(0, at, unexpected, seconds=0.2),
    ):
        pass
    with (
        pytest.raises(MachineLost, match=r"does not answer at port .* start the job again"),
        team.together(1, places(2), unexpected, seconds=0.2),
    ):
        pass
    with (
        pytest.raises(MachineLost, match=r"machine 'nowhere.invalid' has no address"),
        team.together(0, [("nowhere.invalid", 1)] * 2, unexpected, seconds=0.2),
    ):
        pass


def test_strangers_at_the_door_are_sent_away() -> None:
    at = places(2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(machine, 0, at, lambda each: each.rank)
        for words in (b"", b"GET / HTTP/1.1\n", b'{"rank": 7, "machine": "x"}\n', b"[]\n"):
            while True:
                try:
                    with socket.create_connection(at[0], timeout=ENOUGH) as stranger:
                        stranger.sendall(words)
                    break
                except OSError:  # it does not listen yet
                    continue
        second = pool.submit(machine, 1, at, lambda each: each.rank)
        assert [first.result(timeout=ENOUGH), second.result(timeout=ENOUGH)] == [0, 1]
