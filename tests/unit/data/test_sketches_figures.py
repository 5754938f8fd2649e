"""The figures of a sketch are those of the rows: profile, moments, quantiles, D, distinct values."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from tidemill.data.profile import build_profile, category_profile, numeric_profile
from tidemill.data.sketches import (
    CategorySketch,
    DatasetSketch,
    DistinctSketch,
    NumericSketch,
    TimestampSketch,
    row_hashes,
    to_profile,
)
from tidemill.data.sketches.hashing import hash_column, hash_text
from tidemill.monitoring import measures
from tidemill.monitoring.drift import compare, compare_profiles
from tidemill.projects import Kind

RNG = np.random.default_rng(20)
ROWS = 40_000
DATA = {
    "normal": RNG.normal(size=ROWS),
    "lognormal": RNG.lognormal(0, 2, size=ROWS),
    "far from zero": RNG.normal(1e6, 1, size=ROWS),
    "prices": np.round(RNG.lognormal(3, 1, size=ROWS), 2),
    "negative": -np.round(RNG.lognormal(3, 1, size=ROWS), 3),
    "zeros and caps": np.clip(RNG.normal(size=ROWS) * 50 * (RNG.random(ROWS) < 0.6), -100, 77.7),
    "whole": RNG.poisson(3000, size=ROWS).astype(float),
    "piled at round numbers": np.where(
        RNG.random(ROWS) < 0.5, RNG.integers(1, 9, ROWS) * 100, RNG.normal(400, 200, ROWS)
    ),
}


def sketch_of(values: Any) -> NumericSketch:
    sketch = NumericSketch()
    sketch.update(pa.array(values, pa.float64()))
    return sketch


def same_profile(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in ("mean", "std"):
        one, other = mine.pop(name), theirs.pop(name)
        assert one is other is None or one == pytest.approx(other, rel=1e-12, abs=1e-12)
    assert mine == theirs


@pytest.mark.parametrize("distinct", [0, 1, 5, 256, 257, 1500])
def test_the_profile_is_that_of_the_rows_while_all_values_are_counted(distinct: int) -> None:
    values = np.round(RNG.permutation(np.arange(distinct).repeat(3) - distinct // 3) * 0.37, 2)
    values = np.concatenate((values[:-1], values[:7], [np.nan, np.inf, -0.0][: distinct and 3]))
    sketch = sketch_of(values)
    assert sketch.exact
    same_profile(sketch.profile(), numeric_profile(values))
    assert sketch.resolution() <= 1 / 255 and (distinct > 256 or sketch.resolution() == 0)


@pytest.mark.parametrize("name", DATA)
def test_the_distribution_function_is_right_on_both_sides_of_every_edge(name: str) -> None:
    values = DATA[name]
    sketch = sketch_of(values)
    assert not sketch.exact or name == "whole"
    for limit in (256, 20, None):
        profile = sketch.profile(limit)
        edges = np.array(profile["edges"])
        assert limit is None or edges.size <= limit
        ordered = np.sort(values)
        before = np.cumsum(np.add(profile["at"], profile["below"])) - profile["at"]
        assert before.tolist() == np.searchsorted(ordered, edges, side="left").tolist()
        assert (before + profile["at"]).tolist() == np.searchsorted(ordered, edges, side="right").tolist()
        assert (edges[0], edges[-1]) == (values.min(), values.max()) == (profile["min"], profile["max"])
    fullest = max(sketch.histogram.counts - sketch.histogram.at) / values.size
    assert max(sketch.profile()["below"]) / values.size == sketch.resolution() <= 1 / 255 + fullest
    assert sketch.resolution() < 0.01


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(st.floats(), st.integers(-9, 9).map(float)), min_size=1, max_size=50), st.integers(2, 40)
)
def test_so_it_is_of_any_numbers(values: list[float], cap: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidemill.data.sketches.histogram.CAP", cap)
        sketch = sketch_of(values)
    ordered = np.sort(np.array([value for value in values if math.isfinite(value)]))
    profile = sketch.profile(None)
    assert profile["count"] + profile["missing"] == len(values)
    before = np.cumsum(np.add(profile["at"], profile["below"])) - profile["at"]
    assert before.tolist() == np.searchsorted(ordered, profile["edges"], side="left").tolist()
    assert (before + profile["at"]).tolist() == np.searchsorted(ordered, profile["edges"], side="right").tolist()
    assert np.all(np.diff(profile["edges"]) > 0)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("moved", [0.0, 0.05, 1.0])
def test_d_falls_short_of_the_rows_own_by_the_resolutions_at_most(name: str, moved: float) -> None:
    reference = DATA[name][: ROWS // 2]
    current = DATA[name][ROWS // 2 :] + moved * DATA[name].std()
    rows_d = ks_2samp(reference, current).statistic
    one, other = sketch_of(reference), sketch_of(current)
    certain = measures.ks_statistic(one.profile(), other.profile())
    assert certain <= rows_d + 1e-12
    assert rows_d <= certain + one.resolution() + other.resolution() + 1e-12
    plain = measures.ks_statistic(one.profile(), numeric_profile(current, edges=None))
    assert plain - 1e-12 <= rows_d <= plain + one.resolution() + 1e-12


@pytest.mark.parametrize("name", DATA)
def test_quantiles_are_within_their_bin(name: str) -> None:
    values, sketch = DATA[name], sketch_of(DATA[name])
    for q in (0, 0.01, 0.25, 0.5, 0.9, 1):
        exact = np.quantile(values, q, method="inverted_cdf")
        width = 0.0 if sketch.exact else max(abs(exact) * 2.0 ** (sketch.histogram.level - 52), 1e-300)
        assert abs(sketch.quantile(q) - exact) <= width
    assert sketch.median == sketch.quantile(0.5) and NumericSketch().median is None
    with pytest.raises(ValueError, match="quantile of 0 rows"):
        NumericSketch().quantile(0.5)


@pytest.mark.parametrize("ratio", [0.0, 1.0, 1e3, 1e6])
def test_mean_and_deviation_hold_far_from_zero(ratio: float) -> None:
    values = RNG.normal(ratio * 0.1, 0.1, size=50_000)
    sketch, wide = sketch_of(values), values.astype(np.longdouble)
    assert sketch.mean == pytest.approx(float(wide.mean()), rel=1e-13, abs=1e-15)
    assert sketch.std == pytest.approx(float(wide.std()), rel=1e-10)
    assert sketch.std == pytest.approx(values.std(), rel=1e-9)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=40))
def test_sums_are_exact(values: list[float]) -> None:
    moments = sketch_of(values).moments
    assert moments.total == sum(Fraction(value) for value in values) * 2**1200
    assert moments.squares == sum(Fraction(value) ** 2 for value in values) * 2**2400


def test_the_largest_numbers_do_not_overflow() -> None:
    largest = np.finfo(np.float64).max
    sketch = sketch_of([largest, largest, -largest, 5e-324])
    assert sketch.mean == largest / 4 * 1.0
    assert sketch.std == pytest.approx(largest * math.sqrt(3 / 4 - 1 / 16), rel=1e-15)
    assert sketch_of([5e-324] * 3).mean == 5e-324 and sketch_of([0.1] * 3).std == 0


def test_missing_and_not_finite_are_counted_apart() -> None:
    sketch = sketch_of([1.0, None, float("nan"), float("inf"), -0.0, None])
    assert (sketch.count, sketch.missing, sketch.not_finite) == (2, 2, 2)
    assert math.copysign(1, sketch.extremes.low) == 1
    whole = NumericSketch(Kind.INTEGER)
    whole.update(pa.array([2**70 * 1.0, None, -3.0]))
    assert (whole.count, whole.profile()["kind"], whole.profile()["min"]) == (2, "integer", -3.0)


def test_categories_have_the_profile_of_the_rows() -> None:
    names = np.array(["ebb", "flood", "", None, "é", *(f"gate {i}" for i in range(300))], dtype=object)
    values = names[np.minimum(RNG.geometric(0.02, size=5000) - 1, names.size - 1)]
    sketch = CategorySketch()
    sketch.update(pa.array(values[:3000], pa.string()))
    sketch.update(pa.array(values[3000:], pa.large_string()).dictionary_encode())
    assert sketch.exact and sketch.profile() == category_profile(values)
    lengths = [len(value) for value in values if value]
    assert (sketch.shortest, sketch.longest, sketch.characters) == (min(lengths), max(lengths), sum(lengths))


def test_a_sampled_category_estimates_its_distinct_values() -> None:
    names = [f"berth {i}" for i in range(50_000)]
    sketch = CategorySketch()
    sketch.update(pa.array(names))
    assert sketch.distinct == 50_000  # none repeats
    sketch.update(pa.array(names[:20_000] * 2))
    assert len(sketch.values) <= 4096 and sketch.distinct == pytest.approx(50_000, rel=0.07)
    assert all(count == (3 if int(name[6:]) < 20_000 else 1) for name, count in sketch.values.items())
    profile = sketch.profile()
    assert profile["tail"] == 90_000 - sum(profile["values"].values()) and len(profile["values"]) == 200


def test_long_text_is_stored_short_and_stays_distinct() -> None:
    sketch = CategorySketch()
    sketch.update(pa.array(["潮" * 100, "潮" * 101, "潮" * 100 + "汐", "潮" * 101]))
    assert sorted(sketch.values.values()) == [1, 1, 2] and sketch.longest == 101
    assert all(len(value) <= 141 for value in sketch.values)


def test_dictionaries_may_repeat_values_and_hold_nulls() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 4, 4]), pa.array(["a", "a", None, "b", "c"]))
    sketch = CategorySketch()
    sketch.update(values)
    assert (sketch.values, sketch.count, sketch.missing) == ({"a": 2, "c": 2}, 4, 2)
    assert hash_column(values).tolist()[:4] == [hash_text(pa.array(["a"]))[0]] * 2 + [0, 0]


def test_times_have_quantiles_and_text() -> None:
    times = 1_700_000_000_000_000 + np.arange(10_000) * 60_000_000
    sketch = TimestampSketch()
    sketch.update(pa.array(times[:10], pa.timestamp("us")))
    assert sketch.quantile(0.5) == times[4]
    sketch.update(pa.array([*times[10:].tolist(), None], pa.timestamp("us", "UTC")))
    assert abs(sketch.quantile(0.5) - times[4999]) <= 2**sketch.histogram.level
    assert (sketch.quantile(0), sketch.quantile(1)) == (times[0], times[-1])
    profile = sketch.profile()
    assert profile == {
        "kind": "timestamp",
        "count": 10_000,
        "missing": 1,
        "min": "2023-11-14T22:13:20.000000Z",
        "max": "2023-11-21T20:52:20.000000Z",
    }


def test_hashes_are_the_same_in_every_release() -> None:
    texts = ["", "ebb", "eight by", "nine bytes", "潮汐" * 5, "潮" * 400]
    assert (
        hash_text(pa.array(["before", *texts]).slice(1)).tolist() == hash_text(pa.array(texts)).tolist() == TEXTS
    )
    assert hash_column(pa.array([0.0, -0.0, 1.5, None])).tolist() == NUMBERS
    batch = pa.record_batch({"a": pa.array([1.5, None]), "b": pa.array(["ebb", None])})
    assert row_hashes(batch, ["a", "b"]).tolist() == row_hashes(batch, ["b", "a"]).tolist() == KEYS


TEXTS = [
    0x48218226FF3CD4BF,
    0xE3F31695B6587206,
    0x949221B4A998D79F,
    0x128D244068E2CF07,
    0xBE14C4B5273A2B87,
    0x687100090736A0B5,
]
NUMBERS = [0xE220A8397B1DCDAF, 0xE220A8397B1DCDAF, 0xD6DAB18E1392608A, 0]
KEYS = [0xBAA78D5E96611585, 0]


def test_hashes_of_similar_texts_are_evenly_spread() -> None:
    hashes = hash_text(pa.array([f"{i:09d}" for i in range(65_536)]))
    assert len(set(hashes.tolist())) == 65_536
    for shift in (56, 28, 0):
        counts = np.bincount((hashes >> np.uint64(shift) & np.uint64(255)).astype(int), minlength=256)
        assert 150 < np.sum((counts - 256) ** 2 / 256) < 380  # chi-squared, 255 degrees of freedom


def test_duplicates_are_exact_while_all_hashes_are_kept() -> None:
    sketch = DistinctSketch()
    sketch.update(hash_column(pa.array([1.0, 2.0, 2.0, 2.0])))
    assert (sketch.exact, sketch.distinct, sketch.duplicates, sketch.duplicated) == (True, 2, 2, 0.5)
    assert (DistinctSketch().distinct, DistinctSketch().duplicated) == (0, 0)


@pytest.mark.parametrize(("distinct", "rows"), [(300_000, 300_000), (300_000, 301_000), (100_000, 300_000)])
def test_duplicates_are_estimated_when_hashes_are_sampled(distinct: int, rows: int) -> None:
    sketch = DistinctSketch(1 << 12)
    sketch.update(hash_column(pa.array(np.arange(rows) % distinct, pa.int64())))
    assert not sketch.exact and sketch.hashes.size <= 1 << 12
    assert sketch.distinct + sketch.duplicates == rows
    near = {0: 0, 1_000: 600, 200_000: 8_000}[rows - distinct]
    assert abs(sketch.duplicates - (rows - distinct)) <= near


def test_comparisons_take_the_profile_of_a_sketch() -> None:
    kinds = {"flow": Kind.NUMBER, "sluice": Kind.CATEGORY, "wheels": Kind.INTEGER}
    frames = []
    for moved in (0.0, 0.5):
        sluices = RNG.choice(["north", "south", "east"], p=[0.5 - moved / 2, 0.3 + moved / 2, 0.2], size=5000)
        frames.append(
            {
                "flow": RNG.normal(moved, 1, size=5000),
                "sluice": sluices.astype(object),
                "wheels": RNG.integers(0, 9, 5000).astype(float),
            }
        )
    sketches = []
    for frame in frames:
        sketch = DatasetSketch()
        sketch.update(pa.record_batch({name: pa.array(values) for name, values in frame.items()}), kinds)
        sketches.append(to_profile(sketch))
    whole = compare(build_profile(frames[0], kinds), frames[1], psi_threshold=0.1, alpha=0.01)
    for found in (
        compare_profiles(sketches[0], sketches[1], psi_threshold=0.1, alpha=0.01),
        compare(sketches[0], frames[1], psi_threshold=0.1, alpha=0.01),
    ):
        by_name = {column.feature: column for column in found}
        for column in whole:
            assert by_name[column.feature].drifted == column.drifted == (column.feature != "wheels")
            assert by_name[column.feature].psi == pytest.approx(column.psi, rel=0.1, abs=0.002)
            assert by_name[column.feature].statistic == pytest.approx(column.statistic, rel=1e-9, abs=0.012)
