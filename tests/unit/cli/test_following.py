"""Following ends when the thing is settled, tells each change once, and gives up with a reason."""

from collections.abc import Iterator
from typing import Any

import pytest

from cli import following
from cli.errors import Refused
from cli.following import Pace
from tidemill import names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.ports import Put

PROJECT = "flights"


class Script:
    """A deployment whose rows change while one sleeps: one change per sleep. Time passes only there."""

    def __init__(self, *changes: dict[str, dict[str, Any]], broken: str | None = None) -> None:
        self.index = MemoryIndex()
        self.objects = MemoryObjects()
        self.changes: Iterator[dict[str, dict[str, Any]]] = iter(changes)
        self.broken = broken
        self.time = 0.0

    def pace(self, at_most: float = 100) -> Pace:
        return Pace(every=1, at_most=at_most, sleep=self.sleep, clock=lambda: self.time)

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        for sk, row in next(self.changes, {}).items():
            if sk.startswith("runs/"):
                self.objects.put(sk, str(row).replace("'", '"').encode())
            else:
                self.index.transact([Put(names.pk(PROJECT), sk, row)])

    def failure(self, machine: str, name: str) -> str | None:
        return self.broken


def test_upload_is_followed_to_its_end() -> None:
    sk = names.sk_upload("u")
    script = Script(
        {}, {sk: {"state": "registered"}}, {}, {sk: {"state": "quarantined"}}, {sk: {"state": "never"}}
    )
    seen = list(following.upload(script, PROJECT, "u", script.pace()))
    assert [row and row["state"] for row in seen] == [None, "registered", "quarantined"]
    assert script.time == 4


@pytest.mark.parametrize("state", ["accepted", "unchanged", "superseded", "quarantined", "failed"])
def test_every_settled_state_ends_an_upload(state: str) -> None:
    script = Script({names.sk_upload("u"): {"state": state}})
    assert following.last(following.upload(script, PROJECT, "u", script.pace()))["state"] == state


def test_run_shows_trials_as_they_end_and_the_best() -> None:
    sk, folder = names.sk_run("r"), names.run(PROJECT, "r") + "trials/"
    script = Script(
        {sk: {"state": "running"}},
        {f"{folder}0000.json": {"trial": 0, "state": "complete", "value": 0.5}},
        {f"{folder}0001.json": {"trial": 1, "state": "failed", "value": 0.1}},
        {f"{folder}0002.json": {"trial": 2, "state": "complete", "value": 0.4}},
        {sk: {"state": "passed"}},
    )
    views = list(following.run(script, PROJECT, "r", script.pace()))
    assert [len(view.trials) for view in views] == [0, 0, 1, 2, 3, 3]
    assert [view.best and view.best["trial"] for view in views] == [None, None, 0, 0, 2, 2]
    assert [view.ended for view in views] == [False] * 5 + [True]


@pytest.mark.parametrize(
    "end", [{"state": "running", "since": "2025-01-01"}, {"state": "promoted"}, {"state": "rolled_back"}]
)
def test_release_serves_once_it_has_traffic_or_is_settled(end: dict[str, str]) -> None:
    sk = names.sk_release("r")
    script = Script({sk: {"state": "running"}}, {sk: end})
    assert following.last(following.release(script, PROJECT, "r", script.pace()))["state"] == end["state"]


def test_decision_waits_beyond_the_first_traffic() -> None:
    sk = names.sk_release("r")
    script = Script({sk: {"state": "running", "since": "2025-01-01"}}, {sk: {"state": "promoted"}})
    following.last(following.decision(script, PROJECT, "r", script.pace()))
    assert script.time == 2


def test_gives_up_saying_what_it_last_saw() -> None:
    script = Script({names.sk_run("r"): {"state": "running", "reason": "new data"}})
    with pytest.raises(Refused, match=r"run r to end: not within 5 s \(last seen: state running, new data\)"):
        following.last(following.run(script, PROJECT, "r", script.pace(at_most=5)))


@pytest.mark.parametrize(
    ("view", "told"),
    [("OK", "OK"), ([], "nothing of it yet"), (["a", "b"], r"\['a', 'b'\]"), (None, "nothing of it yet")],
)
def test_anything_can_be_waited_for(view: Any, told: str) -> None:
    with pytest.raises(Refused, match=rf"the alarm: not within 2 s \(last seen: {told}\)"):
        following.last(following.until(lambda: view, lambda _: False, "the alarm", Script().pace(at_most=2)))


def test_a_broken_machine_ends_the_wait_at_once() -> None:
    script = Script(broken="execution 'r' ended as FAILED: no permission")
    with pytest.raises(Refused, match="no permission"):
        following.last(following.run(script, PROJECT, "r", script.pace()))
    assert script.time == 0


def test_what_ended_well_counts_even_if_the_machine_broke_later() -> None:
    script = Script(broken="execution 'r' ended as ABORTED")
    script.index.transact([Put(names.pk(PROJECT), names.sk_run("r"), {"state": "passed"})])
    assert following.last(following.run(script, PROJECT, "r", script.pace())).ended
