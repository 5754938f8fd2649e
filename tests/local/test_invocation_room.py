"""Functions take turns where a laptop has no room for all of them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.extensions.invocation_room import PLACES_PER_FUNCTION, Room


class Visit:
    """An invocation in a thread of its own, that ends when it is told to."""

    def __init__(self, room: Room, function: str) -> None:
        self.runs, self._end = threading.Event(), threading.Event()
        before = len(room._waiting) + room._taken.total()
        self._thread = threading.Thread(target=self._visit, args=(room, function))
        self._thread.start()
        while len(room._waiting) + room._taken.total() == before:  # it has come; the next one comes after it
            pass

    def _visit(self, room: Room, function: str) -> None:
        with room.place(function):
            self.runs.set()
            self._end.wait()

    def end(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def visit():
    visits: list[Visit] = []

    def start(room: Room, function: str) -> Visit:
        visits.append(Visit(room, function))
        return visits[-1]

    yield start
    for each in visits:
        each.end()


def test_who_came_first_goes_first(visit):
    room = Room(places=1, per_function=1)
    first, second, third = (visit(room, name) for name in "abc")
    assert first.runs.wait(5)
    assert not second.runs.is_set()
    first.end()
    assert second.runs.wait(5)
    assert not third.runs.is_set()
    second.end()
    assert third.runs.wait(5)


def test_no_function_takes_all_places(visit):
    room = Room(places=3, per_function=2)
    trials = [visit(room, "run_trial") for _ in range(4)]
    other = visit(room, "predict")
    assert other.runs.wait(5)
    assert [trial.runs.is_set() for trial in trials] == [True, True, False, False]
    other.end()
    assert not trials[2].runs.is_set()
    trials[0].end()
    assert trials[2].runs.wait(5)


def test_a_place_is_given_back_after_a_failure():
    room = Room(places=1, per_function=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), room.place("f"):
            raise ZeroDivisionError


def test_many_at_once_never_exceed_the_places():
    room, here, most, lock = Room(places=3, per_function=3), 0, 0, threading.Lock()

    def invoke(number: int) -> None:
        nonlocal here, most
        with room.place(f"f{number % 5}"):
            with lock:
                here, most = here + 1, max(most, here + 1)
            with lock:
                here -= 1

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(invoke, range(500)))
    assert (here, most <= 3, room._waiting) == (0, True, [])


SLEEPER = """
import time
def handler(event, context):
    began = time.time()
    time.sleep(0.2)
    return began, time.time()
"""


def test_a_storm_of_invocations_takes_turns(function, invoke):
    name = function(SLEEPER)
    with ThreadPoolExecutor(3 * PLACES_PER_FUNCTION) as pool:
        spans = list(pool.map(lambda _: invoke(name), range(3 * PLACES_PER_FUNCTION)))
    assert max(sum(began <= now < ended for began, ended in spans) for now, _ in spans) <= PLACES_PER_FUNCTION


HELD = """
import os, time
def handler(event, context):
    while not os.path.exists(event["until"]):
        time.sleep(0.01)
    return event["number"]
"""


def test_nobody_is_refused(function, invoke, tmp_path):
    """MiniStack would refuse from some hundreds on, by the memory of the machine."""
    name, many, gate = function(HELD), 700, tmp_path / "open"
    with ThreadPoolExecutor(many) as pool:
        answers = [pool.submit(invoke, name, {"number": n, "until": str(gate)}) for n in range(many)]
        time.sleep(4)  # they are all there by then, or this shows nothing
        gate.touch()
        assert [answer.result() for answer in answers] == list(range(many))
