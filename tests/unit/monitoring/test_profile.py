"""A profile stands for its rows: what can be asked of it, and how exactly it answers."""

import json

import numpy as np
import pytest

from tidemill.data.profile import EDGES, VALUES, build_profile, numeric_profile
from tidemill.projects import Kind


def column(values: object, kind: Kind) -> dict:
    profile = build_profile({"x": np.asarray(values)}, {"x": kind})
    assert json.loads(json.dumps(profile, allow_nan=False)) == profile
    return profile["columns"]["x"]


def test_a_number_of_few_values_is_kept_whole() -> None:
    profile = column([3.0, 1.0, 3.0, np.nan, 2.5], Kind.NUMBER)
    assert profile["edges"] == [1.0, 2.5, 3.0]
    assert profile["at"] == [1, 1, 2]
    assert profile["below"] == [0, 0, 0]
    assert (profile["count"], profile["missing"], profile["min"], profile["max"]) == (4, 1, 1.0, 3.0)
    assert profile["mean"] == pytest.approx(2.375)
    assert profile["std"] == pytest.approx(np.std([3.0, 1.0, 3.0, 2.5]))


def test_the_distribution_function_is_exact_at_every_edge() -> None:
    values = np.random.default_rng(7).lognormal(size=10_000)
    profile = column(values, Kind.NUMBER)
    edges, through = np.array(profile["edges"]), np.cumsum(np.add(profile["at"], profile["below"]))
    assert len(edges) == EDGES
    assert through.tolist() == [int(np.sum(values <= edge)) for edge in edges]
    assert (through - profile["at"]).tolist() == [int(np.sum(values < edge)) for edge in edges]


def test_no_gap_between_edges_holds_much_even_beside_a_heavy_value() -> None:
    rng = np.random.default_rng(8)
    values = np.concatenate((np.zeros(9_000), rng.exponential(size=1_000)))
    profile = column(values, Kind.NUMBER)
    assert profile["edges"][0] == 0.0 and profile["at"][0] == 9_000
    assert max(profile["below"]) <= values.size / (EDGES - 1)


def test_infinity_is_missing_and_an_empty_column_has_no_edges() -> None:
    assert column([np.inf, -np.inf, 1.0], Kind.NUMBER)["missing"] == 2
    empty = column([np.nan, np.nan], Kind.INTEGER)
    assert (empty["count"], empty["missing"], empty["edges"], empty["mean"]) == (0, 2, [], None)


def test_categories_beyond_the_most_frequent_are_a_tail() -> None:
    names = [f"v{i:03d}" for i in range(VALUES + 50) for _ in range(VALUES + 50 - i)]
    profile = column(names, Kind.CATEGORY)
    assert profile["distinct"] == VALUES + 50
    assert list(profile["values"])[:2] == ["v000", "v001"]
    assert profile["tail"] == sum(range(1, 51))
    assert sum(profile["values"].values()) + profile["tail"] == profile["count"] == len(names)


@pytest.mark.parametrize("missing", ["", None, float("nan")])
def test_missing_categories_are_counted_not_named(missing: object) -> None:
    profile = column(np.array(["a", missing, "b", "a"], dtype=object), Kind.CATEGORY)
    assert profile["values"] == {"a": 2, "b": 1}
    assert (profile["count"], profile["missing"]) == (3, 1)


def test_timestamps_keep_their_range_only() -> None:
    profile = column(np.array(["2026-02-01T00:00:00Z", "", "2026-01-01T00:00:00Z"]), Kind.TIMESTAMP)
    assert profile == {
        "kind": "timestamp",
        "count": 2,
        "missing": 1,
        "min": "2026-01-01T00:00:00Z",
        "max": "2026-02-01T00:00:00Z",
    }


def test_a_column_without_a_kind_is_left_out() -> None:
    assert build_profile({"x": np.ones(2)}, {}) == {"columns": {}}


def test_every_value_can_be_kept() -> None:
    values = np.random.default_rng(9).normal(size=1_000)
    profile = numeric_profile(values, edges=None)
    assert profile["edges"] == sorted(values.tolist())
    assert set(profile["below"]) == {0}
