"""The replay sends every row once, keeps the outcomes with their predictions, and hands them in late."""

import threading
from typing import Any

import pandas as pd
import pytest

from cli.errors import Refused
from cli.project_file import read_project
from cli.story.replay import LAG, ROUND, deal, instances, replay

PROJECT = read_project("flights")


class Api:
    """An API that remembers: predictions by id, outcomes, and the order of both."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked: dict[str, dict[str, Any]] = {}
        self.outcomes: dict[str, float] = {}
        self.order: list[str] = []
        self.requests = 0
        self.lose = 0

    def predict(self, project: str, asked: list[dict[str, Any]]) -> dict[str, Any]:
        with self.lock:
            self.requests += 1
            number, self.order = self.requests, [*self.order, "predict"]
            ids = [f"{number}.{i}" for i in range(len(asked))]
            self.asked |= dict(zip(ids, asked, strict=True))
        model = 1 + number % 2
        return {"predictions": [{"prediction_id": i} for i in ids], "model_version": model, "variant": str(model)}

    def send_outcomes(self, project: str, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        self.order = [*self.order, "outcomes"]
        assert all(item["prediction_id"] in self.asked for item in outcomes)
        self.outcomes |= {item["prediction_id"]: item["outcome"] for item in outcomes}
        return {"accepted": len(outcomes) - self.lose}


def rows(count: int) -> pd.DataFrame:
    """Rows whose delay says which they are, and whether they were late."""
    numbers = pd.Series(range(count))
    features = dict.fromkeys(PROJECT.features, 1.0) | {"carrier": "AA", "origin": "JFK"}
    return pd.DataFrame({**features, "departure_delay": numbers, "late": numbers % 2}, index=numbers)


def test_every_row_is_asked_once_and_told_its_own_outcome() -> None:
    api = Api()
    sent = replay(api, PROJECT, rows(1000), per_request=7, seed=1)
    asked = [item["departure_delay"] for item in api.asked.values()]
    assert sorted(asked) == list(range(1000))
    assert {i: api.asked[i]["departure_delay"] % 2 for i in api.asked} == api.outcomes
    assert (sent.requests, sent.rows, sent.outcomes) == (143, 1000, 1000)
    assert sent.models == {1: 71, 2: 72}


def test_outcomes_come_late() -> None:
    api = Api()
    replay(api, PROJECT, rows(ROUND * 6), per_request=1, seed=1)
    assert api.order.index("outcomes") == ROUND * (LAG + 1)


def test_it_ends_when_it_is_enough_and_hands_in_what_is_left() -> None:
    api = Api()
    sent = replay(api, PROJECT, rows(ROUND * 9), per_request=1, seed=1, enough=lambda s: s.requests >= ROUND * 2)
    assert sent.requests == ROUND * 2
    assert sent.outcomes == len(api.outcomes) == ROUND * 2


def test_without_outcomes() -> None:
    api = Api()
    assert replay(api, PROJECT, rows(50), per_request=5, seed=1, with_outcomes=False).outcomes == 0
    assert api.outcomes == {}


def test_dealing_is_at_random_and_the_same_for_the_same_seed() -> None:
    def order(seed: int) -> list[Any]:
        return [
            item["departure_delay"]
            for asked, _ in deal(rows(200), PROJECT, per_request=20, seed=seed)
            for item in asked
        ]

    assert order(1) == order(1) != order(2)
    # A request of 20 spans the whole: not a run of neighbours.
    assert max(order(1)[:20]) - min(order(1)[:20]) > 100


def test_missing_values_are_null_and_types_are_json_s() -> None:
    frame = rows(1).assign(airport_delay=float("nan"))
    item = instances(frame, PROJECT)[0]
    assert item["airport_delay"] is None
    assert {type(value) for value in item.values()} <= {int, float, str, type(None)}
    assert set(item) == set(PROJECT.features)


def test_outcomes_that_are_not_counted_are_an_error() -> None:
    api = Api()
    api.lose = 1
    with pytest.raises(Refused, match="accepted"):
        replay(api, PROJECT, rows(20), per_request=10, seed=1)
