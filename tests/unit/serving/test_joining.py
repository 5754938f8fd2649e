"""Outcomes find their predictions: late, again, corrected, by id or by entity and time; nothing is guessed."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidemill import names
from tidemill.adapters.memory import MemoryObjects
from tidemill.serving import joining
from tidemill.serving.capture import pseudonym
from tidemill.serving.joining import Asked

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def by_id(prediction_id: str, outcome: Any, received: datetime = NOON, **more: Any) -> dict[str, Any]:
    return {"prediction_id": prediction_id, "outcome": outcome, "at": received.isoformat(), **more}


def about(
    entity: str, happened: datetime, outcome: Any, received: datetime | None = None, within: float = 24
) -> Any:
    told = {"entity_id": entity, "happened": happened.isoformat(), "within": within, "outcome": outcome}
    return {**told, "at": (received or happened + HOUR).isoformat()}


def asked(entity: str, at: datetime, *predictions: str, all_captured: bool = True) -> Asked:
    return Asked(entity, at, predictions, all_captured)


def join(lines: list[Any], *requests: Asked) -> tuple[dict[str, Any], dict[str, int]]:
    counted: Counter[str] = Counter()
    found = joining.join("tides", lines, requests, counted)
    return {identity: told.value for identity, told in found.items()}, dict(counted)


def test_the_outcome_received_last_counts_in_whichever_order_they_are_read() -> None:
    lines = [by_id("r.0", value, NOON + value * HOUR) for value in range(5)]
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        assert join(lines)[0] == {"r.0": 4}


def test_an_outcome_about_an_entity_is_of_its_latest_prediction_at_or_before_the_time() -> None:
    requests = [asked("anna", NOON + n * HOUR, f"r{n}.0") for n in range(3)]
    requests.append(asked("bert", NOON + HOUR, "b.0"))
    random.Random(1).shuffle(requests)
    for minutes, expected in ((59, "r0.0"), (60, "r1.0"), (61, "r1.0"), (600, "r2.0")):
        line = about("anna", NOON + timedelta(minutes=minutes), 1)
        assert join([line], *requests) == ({expected: 1}, {"by_entity": 1})


@pytest.mark.parametrize(
    ("line", "requests"),
    [
        (about("anna", NOON - HOUR, 1), [asked("anna", NOON, "r.0")]),
        (about("carl", NOON + HOUR, 1), [asked("anna", NOON, "r.0")]),
        (about("anna", NOON + 25 * HOUR, 1), [asked("anna", NOON, "r.0")]),
        (about("anna", NOON + HOUR, 1), []),
        (about("anna", NOON + HOUR, 1), [asked("anna", NOON, "r.0", all_captured=False)]),
    ],
    ids=["before any", "another", "too late", "nobody asked", "of a sample"],
)
def test_an_outcome_without_its_prediction_is_counted_and_not_guessed(line: Any, requests: list[Asked]) -> None:
    assert join([line], *requests) == ({}, {"unknown": 1})


def test_the_hours_are_those_that_were_set_when_it_came() -> None:
    request = asked("anna", NOON, "r.0")
    happened = NOON + 24 * HOUR
    assert join([about("anna", happened, 1, within=24)], request)[0] == {"r.0": 1}
    assert join([about("anna", happened, 1, within=23.9)], request)[0] == {}


@pytest.mark.parametrize(
    "requests",
    [
        [asked("anna", NOON, "r.0", "r.1")],
        [asked("anna", NOON, "r.0"), asked("anna", NOON, "s.0")],
    ],
    ids=["one request of two", "two at once"],
)
def test_an_outcome_of_several_predictions_is_counted_and_not_guessed(requests: list[Asked]) -> None:
    early = asked("anna", NOON - HOUR, "q.0")
    assert join([about("anna", NOON + HOUR, 1)], early, *requests) == ({}, {"ambiguous": 1})


def test_an_event_told_again_or_corrected_counts_once() -> None:
    happened, request = NOON + HOUR, asked("anna", NOON, "r.0")
    first, again = about("anna", happened, 0), about("anna", happened, 1, happened + 5 * HOUR)
    for lines in ([first, again], [again, first], [first, again, again, first]):
        assert join(lines, request) == ({"r.0": 1}, {"by_entity": 1})


def test_of_two_events_received_together_the_later_one_counts() -> None:
    request = asked("anna", NOON, "r.0")
    lines = [about("anna", NOON + n * HOUR, n, NOON + 9 * HOUR) for n in (3, 1, 2)]
    assert join(lines, request)[0] == {"r.0": 3}


def test_by_id_or_by_entity_the_one_received_last_counts() -> None:
    request, happened = asked("anna", NOON, "r.0"), NOON + HOUR
    entity = about("anna", happened, 1, NOON + 2 * HOUR)
    assert join([entity, by_id("r.0", 0, NOON + 3 * HOUR)], request)[0] == {"r.0": 0}
    assert join([by_id("r.0", 0, NOON + HOUR), entity], request)[0] == {"r.0": 1}


def test_hashed_and_plain_ids_are_of_the_same_entity() -> None:
    hashed = pseudonym("tides", "anna")
    for captured, told in ((hashed, "anna"), ("anna", hashed), (hashed, hashed)):
        assert join([about(told, NOON + HOUR, 1)], asked(captured, NOON, "r.0"))[0] == {"r.0": 1}


@pytest.mark.parametrize(
    "poison",
    [
        {"prediction_id": "r.0", "outcome": 1},
        by_id("r.0", "1") | {"at": 3},
        by_id("r.0", None),
        by_id("r.0", float("nan")),
        {"outcome": 1, "at": NOON.isoformat()},
        about("anna", NOON, 1) | {"happened": "2026-05-04T12:00:00"},
        about("anna", NOON, 1) | {"within": "a day"},
        about("anna", NOON, 1) | {"entity_id": None},
    ],
)
def test_a_line_that_is_no_outcome_is_counted_and_the_others_stand(poison: dict[str, Any]) -> None:
    found = join([poison, by_id("s.0", 1)], asked("anna", NOON, "r.0"))
    assert found == ({"s.0": 1}, {"unreadable": 1})


def test_an_outcome_that_came_80_days_after_the_prediction_is_read() -> None:
    objects, received = MemoryObjects(), NOON + 80 * DAY
    lines = [by_id("r.0", 1, received), about("anna", NOON + HOUR, 1, received)]
    key = names.outcomes("tides", received.date().isoformat()) + "a.jsonl"
    objects.put_new(key, "".join(json.dumps(line) + "\n" for line in lines).encode())
    requests, counted = [asked("anna", NOON, "s.0")], Counter[str]()
    span: dict[str, Any] = {"since": NOON, "until": received, "asked": requests, "counted": counted}
    assert set(joining.read(objects, "tides", **span)) == {"r.0", "s.0"}
    assert joining.read(objects, "tides", **{**span, "until": received - DAY}) == {}
