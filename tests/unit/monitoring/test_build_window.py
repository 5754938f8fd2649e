"""Each captured prediction is in one window, whatever arrives late, comes twice, is broken, or is killed."""

import gzip
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill import names
from tidemill.monitoring import build_window as module
from tidemill.monitoring import rows
from tidemill.monitoring.captured import MODEL_VERSION

PROJECT = "tides"


def arrays(world: Any, window_id: str) -> dict[str, Any]:
    return rows.unpack(world.objects.get(names.window(PROJECT, window_id) + "rows.npz"))


def sources(world: Any) -> list[str]:
    """The source keys of all windows, each as often as it is in one."""
    return [key for row in world.rows(names.WINDOWS) for key in world.window(row["window_id"])["sources"]]


def check_all(world: Any) -> None:
    for row in world.rows(names.WINDOWS):
        world.detect(row["window_id"])


def test_without_a_champion_there_is_nothing_to_compare_with(world: Any) -> None:
    world.put(names.POINTER_LIVE, epoch=1, champion=None)
    world.capture(400)
    assert world.build() == {"outcome": "no_model", "window_id": None, "rows": 0}
    assert world.rows(names.WINDOWS) == []


def test_a_window_stays_open_until_it_is_large_enough(world: Any) -> None:
    first = world.capture(200)
    assert world.build() == {"outcome": "too_small", "window_id": None, "rows": 200}
    assert world.row(names.CURSOR_WINDOW) is None
    second = world.capture(150)
    assert world.build() == {"outcome": "closed", "window_id": "00001", "rows": 350}
    assert world.window("00001")["sources"] == sorted([first, second])


def test_a_feature_that_was_masked_in_some_line_is_in_no_window_and_the_window_says_so(world: Any) -> None:
    world.capture(300)
    world.capture(100, masked=["wind", "gone"])
    world.build()
    assert set(arrays(world, "00001")) == {"moon", "harbour", "@prediction", MODEL_VERSION}
    assert world.window("00001")["masked"] == ["gone", "wind"]
    assert world.window("00001")["rows"] == 400


def test_a_line_whose_masked_features_cannot_be_read_counts_as_corrupted(world: Any) -> None:
    world.capture(400)
    key = world.capture(5)
    text = gzip.decompress(world.objects.get(key)).replace(b'"entity_id": null', b'"entity_id": null, "masked": 3')
    world.objects.put(key, gzip.compress(text))
    world.build()
    window = world.window("00001")
    assert (window["rows"], window["corrupted_lines"], window["masked"]) == (400, 1, [])


def test_a_closed_window_says_what_it_holds(world: Any) -> None:
    world.capture(300, days_ago=1, model=1)
    world.capture(100, model=2)
    world.build(trigger="alarm")
    window, row = world.window("00001"), world.row("WINDOW#00001")
    assert (window["rows"], window["model"], window["trigger"]) == (400, 1, "alarm")
    assert (window["from"], window["to"]) == ("2026-03-19T12:00:00+00:00", "2026-03-20T12:00:00+00:00")
    assert {name: row[name] for name in ("rows", "from", "to", "state")} == {
        "rows": 400,
        "from": window["from"],
        "to": window["to"],
        "state": "closed",
    }
    cursor = world.row(names.CURSOR_WINDOW)
    assert (cursor["epoch"], cursor["window_id"], cursor["until"]) == (1, "00001", window["to"])
    columns = arrays(world, "00001")
    assert {name: values.dtype.kind for name, values in columns.items()} == {
        "wind": "f",
        "moon": "f",
        "harbour": "U",
        "@prediction": "f",
        MODEL_VERSION: "i",
    }
    assert Counter(columns[MODEL_VERSION].tolist()) == {1: 300, 2: 100}
    assert 0 < np.isnan(columns["wind"]).mean() < 0.2
    assert [row["action"] for row in world.rows(names.AUDIT)] == ["monitoring.window_closed"]


def test_a_window_is_checked_before_another_one_is_closed(world: Any) -> None:
    world.capture(300)
    closed = world.build()
    world.capture(300)
    assert world.build() == closed
    world.detect("00001")
    assert world.build() == {"outcome": "closed", "window_id": "00002", "rows": 300}


def test_predictions_that_come_twice_count_once(world: Any) -> None:
    world.capture(300, copies=2)
    world.build()
    window = world.window("00001")
    assert (window["rows"], window["duplicates"]) == (300, 300)


def test_what_cannot_be_read_is_counted_and_stops_nothing(world: Any) -> None:
    folder = names.captured(PROJECT, "2026-03-20")
    good = gzip.decompress(world.objects.get(world.capture(300)))
    other = good.replace(b'"project": "tides"', b'"project": "ebbs"').replace(b"request-1", b"request-9")
    lines = [b"{", b"[]", b"17", b'{"kind": "TIDEMILL_CAPTURE"}', other, good[:-200], b""]
    world.objects.put(folder + "0a.jsonl.gz", gzip.compress(b"\n".join(lines)))
    world.objects.put(folder + "0b.jsonl.gz", b"not gzip")
    world.objects.put(folder + "0c.jsonl.gz", gzip.compress(good)[:-30])
    assert world.build()["rows"] == 300
    window = world.window("00001")
    assert (window["corrupted_lines"], window["corrupted_objects"]) == (6, 2)


def test_other_objects_in_the_folder_are_left_alone(world: Any) -> None:
    world.objects.put(names.captured(PROJECT) + "README.txt", b"hello")
    world.objects.put(names.captured(PROJECT, "2026-02-31") + "x.jsonl.gz", b"no such day")
    key = world.capture(300)
    world.build()
    assert world.window("00001")["sources"] == [key]


def test_a_late_object_is_in_the_next_window_and_only_there(world: Any) -> None:
    first = world.capture(300)
    world.build()
    check_all(world)
    late = world.capture(300, days_ago=module.LATE_DAYS)
    world.build()
    check_all(world)
    assert world.window("00002")["sources"] == [late]
    world.now += timedelta(days=40)
    third = world.capture(300)
    world.build()
    assert world.window("00003")["sources"] == [third]
    assert sources(world) == [first, late, third]


def test_a_day_in_the_future_closes_no_day_before_it(world: Any) -> None:
    world.capture(300, days_ago=-400)
    world.build()
    check_all(world)
    key = world.capture(300)
    world.build()
    assert world.window("00002")["sources"] == [key]


def test_the_ledger_keeps_only_days_that_can_still_change(world: Any) -> None:
    for _ in range(3):
        world.capture(300)
        world.build()
        check_all(world)
        world.now += timedelta(days=30)
    ledger = world.window("00003", "ledger.json")["keys"]
    assert ledger == world.window("00003")["sources"]


def test_a_long_queue_becomes_several_windows(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OBJECTS", 2)
    keys = [world.capture(120, days_ago=day) for day in (6, 5, 4, 3, 2, 1)]
    sizes = []
    while world.build()["outcome"] == "closed":
        check_all(world)
        sizes.append(len(world.window(f"{len(sizes) + 1:05d}")["sources"]))
    assert sizes == [3, 3]  # two objects hold too few rows
    assert sources(world) == keys


def test_an_object_that_expired_since_it_was_listed_does_not_stop_the_window(world: Any, disturb: Any) -> None:
    gone, _ = world.capture(100), world.capture(300)

    def expire() -> None:
        del world.objects.versions[gone]

    steps_until_listed = 8  # pointer, cursor, exists, keys: each before and after
    result = world.build(disturbed=disturb(steps_until_listed, expire))
    assert result == {"outcome": "closed", "window_id": "00001", "rows": 300}
    assert world.window("00001")["corrupted_objects"] == 1


def prepared(make_world: Callable[..., Any]) -> Any:
    """A world with one checked window and enough captured for the next one, one object of it late."""
    world = make_world()
    world.capture(300)
    world.build()
    check_all(world)
    world.capture(200)
    world.capture(200, days_ago=2)
    return world


def total_steps(make_world: Callable[..., Any], disturb: Any) -> int:
    counting = disturb(-1, lambda: None)
    prepared(make_world).build(disturbed=counting)
    return counting.steps


def test_killed_at_any_step_a_rerun_ends_in_the_same_state(
    make_world: Any, disturb: Any, kill_at: Any, killed: Any
) -> None:
    expected = prepared(make_world)
    result = expected.build()
    for step in range(1, total_steps(make_world, disturb) + 1):
        world = prepared(make_world)
        with pytest.raises(killed):
            world.build(disturbed=kill_at(step))
        assert world.build() == result, step
        assert world.state() == expected.state(), step


def test_a_kill_while_more_arrives_loses_nothing(make_world: Any, disturb: Any, kill_at: Any, killed: Any) -> None:
    for step in range(1, total_steps(make_world, disturb) + 1):
        world = prepared(make_world)
        with pytest.raises(killed):
            world.build(disturbed=kill_at(step))
        world.capture(300, days_ago=3)
        while world.build()["outcome"] == "closed":
            check_all(world)
        assert sorted(sources(world)) == list(world.objects.keys(names.captured(PROJECT))), step


def test_another_trigger_at_any_step_closes_the_same_window(make_world: Any, disturb: Any) -> None:
    """The other one runs wholly between two steps of this one, and finds an object that this one may not know."""
    for step in range(1, total_steps(make_world, disturb) + 1):
        world = prepared(make_world)

        def other(world: Any = world) -> None:
            world.capture(50, days_ago=1)
            world.build()

        result = world.build(disturbed=disturb(step, other))
        assert (result["outcome"], result["window_id"]) == ("closed", "00002"), step
        assert result["rows"] == world.window("00002")["rows"] == arrays(world, "00002")["wind"].size, step
        assert [row["window_id"] for row in world.rows(names.WINDOWS)] == ["00001", "00002"], step
        assert max(Counter(sources(world)).values()) == 1, step


def test_twenty_triggers_at_once_close_one_window(world: Any) -> None:
    for _ in range(4):
        world.capture(100)
    barrier, results = threading.Barrier(20), []

    def trigger() -> None:
        barrier.wait()
        results.append(world.build())

    threads = [threading.Thread(target=trigger) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [{"outcome": "closed", "window_id": "00001", "rows": 400}] * 20
    assert len(world.rows(names.WINDOWS)) == len(world.rows(names.AUDIT)) == 1


@settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    events=st.lists(
        st.one_of(
            st.tuples(st.just("capture"), st.integers(0, 15)), st.tuples(st.just("build"), st.integers(0, 40))
        ),
        max_size=25,
    )
)
def test_whatever_happens_each_object_is_in_one_window(
    make_world: Any, kill_at: Any, killed: Any, events: list[tuple[str, int]]
) -> None:
    world = make_world(drift={"min_rows": 2})
    for event, number in events:
        if event == "capture":
            world.capture(1, days_ago=number)
            continue
        try:
            world.build(disturbed=kill_at(number))
            check_all(world)
        except killed:
            world.now += timedelta(hours=5)
    world.capture(2)
    while world.build()["outcome"] == "closed":
        check_all(world)
    assert sorted(sources(world)) == list(world.objects.keys(names.captured(PROJECT)))
