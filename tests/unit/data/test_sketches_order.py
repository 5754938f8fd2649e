"""A sketch is a function of the multiset of rows: any batches, any merging order, the same bytes."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import canonical
from tidemill.data.sketches import (
    CategorySketch,
    DatasetSketch,
    DistinctSketch,
    NumericSketch,
    SketchInvalid,
    TimestampSketch,
    to_profile,
)
from tidemill.data.sketches.hashing import hash_column
from tidemill.data.sketches.packed import gaps, pack, unpack, whole
from tidemill.projects import Kind

EDGE = [0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1.7976931348623157e308, 2.0**53 + 2, 9.99, 1e22]
NUMBERS = st.one_of(
    st.none(),
    st.sampled_from(EDGE),
    st.floats(),
    st.integers(-(2**70), 2**70).map(float),
    st.integers(0, 9).map(float),
)
TEXTS = st.one_of(
    st.none(), st.text(max_size=12), st.sampled_from(["", "ebb", "flood", "é", "潮汐", "x" * 101, "x" * 102])
)
TIMES = st.one_of(
    st.none(), st.integers(-(2**55), 2**55), st.integers(1_700_000_000_000_000, 1_700_000_000_000_009)
)


def merged(parts: list[Any], draw: Callable[[Any], int]) -> Any:
    """The parts merged in a random tree: any two, in either direction, until one is left."""
    while len(parts) > 1:
        one = parts.pop(draw(st.integers(0, len(parts) - 1)))
        parts[draw(st.integers(0, len(parts) - 1))].merge(one)
    return parts[0]


def in_pieces(rows: list[Any], build: Callable[[list[list[Any]]], Any], data: st.DataObject) -> Any:
    """A sketch of the shuffled rows: split into parts, each fed in batches, merged in a random tree."""
    rows = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    batches = [rows[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    owner = [data.draw(st.integers(0, 3)) for _ in batches]
    parts = [build([batch for batch, part in zip(batches, owner, strict=True) if part == i]) for i in range(4)]
    return merged(parts, data.draw)


def build_of(sketch: Callable[[], Any], array: Callable[[list[Any]], Any]) -> Callable[[list[list[Any]]], Any]:
    def build(batches: list[list[Any]]) -> Any:
        made = sketch()
        for batch in batches:
            made.update(array(batch))
        return made

    return build


BUILDS = {
    "number": (NUMBERS, build_of(NumericSketch, lambda rows: pa.array(rows, pa.float64()))),
    "category": (TEXTS, build_of(CategorySketch, lambda rows: pa.array(rows, pa.string()))),
    "timestamp": (TIMES, build_of(TimestampSketch, lambda rows: pa.array(rows, pa.timestamp("us", "UTC")))),
}


@pytest.mark.parametrize("kind", BUILDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_batches_and_merging_do_not_matter(kind: str, data: st.DataObject) -> None:
    values, build = BUILDS[kind]
    rows = data.draw(st.lists(values, max_size=60))
    whole_sketch, pieces = build([rows]), in_pieces(rows, build, data)
    form = canonical.dumps(whole_sketch.to_json())
    assert canonical.dumps(pieces.to_json()) == form
    assert canonical.dumps(type(pieces).from_json(pieces.to_json()).to_json()) == form


@pytest.mark.parametrize("kind", BUILDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_nor_do_they_when_room_is_scarce(kind: str, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidemill.data.sketches.histogram.CAP", 5)
        patch.setattr("tidemill.data.sketches.categories.CAP", 4)
        patch.setattr("tidemill.data.sketches.moments.BLOCK", 7)
        values, build = BUILDS[kind]
        rows = data.draw(st.lists(values, min_size=8, max_size=60))
        whole_sketch, pieces = build([rows]), in_pieces(rows, build, data)
        form = canonical.dumps(whole_sketch.to_json())
        assert canonical.dumps(pieces.to_json()) == form
        assert canonical.dumps(type(pieces).from_json(pieces.to_json()).to_json()) == form


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=30_000),
        np.random.default_rng(2).normal(1e6, 1, size=30_000),
        np.round(np.random.default_rng(3).lognormal(3, 2, size=30_000), 2),
        np.random.default_rng(4).normal(size=30_000) * (np.arange(30_000) % 2),
        np.random.default_rng(5).integers(-(10**6), 10**6, size=30_000).astype(float),
        np.ldexp(
            np.random.default_rng(6).normal(size=30_000), np.random.default_rng(7).integers(-1073, 1020, 30_000)
        ),
        np.where(np.arange(30_000) % 3 == 0, 1 + 1e-9 * np.arange(30_000), -1000 - 1e-6 * np.arange(30_000)),
    ],
    ids=["normal", "far from zero", "prices", "zeros", "whole", "all magnitudes", "two clusters"],
)
def test_full_histograms_do_not_depend_on_batches(values: np.ndarray) -> None:
    forms = set()
    for size, step in ((30_000, 1), (4096, -1), (977, 1), (64, -1)):
        parts = [NumericSketch() for _ in range(3)]
        for i, start in enumerate(range(0, values.size, size)):
            parts[i % 3].update(pa.array(values[::step][start : start + size]))
        parts[step].merge(parts[0])
        parts[2 if step == 1 else 1].merge(parts[step])
        forms.add(canonical.dumps(parts[2 if step == 1 else 1].to_json()))
    assert len(forms) == 1


def test_full_samples_do_not_depend_on_batches() -> None:
    names = np.array([f"ship {i * 7919 % 20_000}" for i in range(40_000)])
    texts, hashes = set(), set()
    for size in (40_000, 5_000, 333):
        text, distinct = [CategorySketch(), CategorySketch()], [DistinctSketch(1000), DistinctSketch(1000)]
        for i, start in enumerate(range(0, names.size, size)):
            array = pa.array(names[start : start + size])
            text[i % 2].update(array if i % 3 else array.dictionary_encode())
            distinct[i % 2].update(hash_column(array))
        text[0].merge(text[1])
        distinct[1].merge(distinct[0])
        texts.add(canonical.dumps(text[0].to_json()))
        hashes.add(canonical.dumps(distinct[1].to_json()))
        assert canonical.dumps(DistinctSketch.from_json(distinct[1].to_json()).to_json()) in hashes
    assert len(texts) == len(hashes) == 1
    assert text[0].level > 0 and len(text[0].values) <= 4096


KINDS = {"flow": Kind.NUMBER, "wheels": Kind.INTEGER, "sluice": Kind.CATEGORY, "at": Kind.TIMESTAMP}
ROWS = st.lists(st.tuples(NUMBERS, st.one_of(st.none(), st.integers(0, 3)), TEXTS, TIMES), max_size=30)


def batch_of(rows: list[Any]) -> pa.RecordBatch:
    flow, wheels, sluice, at = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [])
    return pa.record_batch(
        {
            "flow": pa.array(flow, pa.float64()),
            "wheels": pa.array(wheels, pa.int64()),
            "sluice": pa.array(sluice, pa.string()),
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "note": pa.array(["not sketched"] * len(rows)),
        }
    )


def dataset(batches: list[list[Any]]) -> DatasetSketch:
    sketch = DatasetSketch()
    sketch.update(batch_of([]), KINDS)
    for rows in batches:
        sketch.update(batch_of(rows), KINDS)
    return sketch


@settings(deadline=None, max_examples=40)
@given(rows=ROWS, data=st.data())
def test_data_sets_merge_to_the_same_bytes(rows: list[Any], data: st.DataObject) -> None:
    one, pieces = dataset([rows]), in_pieces(rows, dataset, data)
    form = canonical.dumps(one.to_json())
    assert canonical.dumps(pieces.to_json()) == form
    assert canonical.dumps(DatasetSketch.from_json(pieces.to_json()).to_json()) == form
    assert one.rows == len(rows)
    same = {(0.0 if f == 0 else repr(f), w, s, t) for f, w, s, t in rows}
    assert one.distinct.duplicates == len(rows) - len(same)


def test_a_sketch_says_its_form_and_refuses_others() -> None:
    form = dataset([[(1.5, 2, "ebb", 0)]]).to_json()
    assert form["form"] == 1 and set(form["columns"]) == set(KINDS)
    with pytest.raises(SketchInvalid, match="form 2, not 1"):
        DatasetSketch.from_json({**form, "form": 2})
    with pytest.raises(SketchInvalid, match="damaged"):
        DatasetSketch.from_json({"form": 1, "columns": {"flow": {"kind": "number"}}})
    broken = {**form["columns"]["flow"], "counts": "gA=="}
    with pytest.raises(SketchInvalid, match="ends within a number"):
        DatasetSketch.from_json({**form, "columns": {"flow": broken}})


def test_a_column_of_another_kind_does_not_merge() -> None:
    one, other = DatasetSketch(), DatasetSketch()
    one.update(pa.record_batch({"flow": pa.array([1.0])}), {"flow": Kind.NUMBER})
    other.update(pa.record_batch({"flow": pa.array(["1"])}), {"flow": Kind.CATEGORY})
    with pytest.raises(SketchInvalid, match="'flow' is category here and number in the sketch"):
        one.merge(other)
    with pytest.raises(SketchInvalid, match="2 and 3 hashes"):
        DistinctSketch(2).merge(DistinctSketch(3))


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_numbers_come_back_from_their_text(numbers: list[int]) -> None:
    assert unpack(pack(np.array(numbers, dtype=np.uint64))).tolist() == numbers
    keys = np.array(sorted(set(numbers)), dtype=np.uint64)
    assert whole(unpack(pack(gaps(keys)))).tolist() == keys.tolist()


def test_a_hundred_columns_take_some_hundred_kilobytes() -> None:
    rng = np.random.default_rng(8)
    sketch = NumericSketch()
    sketch.update(pa.array(rng.lognormal(size=60_000)))
    assert len(canonical.dumps(sketch.to_json())) < 8_000


def test_the_profile_of_a_data_set_names_its_columns() -> None:
    profile = to_profile(dataset([[(1.5, 2, "ebb", 0), (None, None, None, None)]]))
    assert {name: column["kind"] for name, column in profile["columns"].items()} == {
        name: kind.value for name, kind in KINDS.items()
    }
    assert datetime.fromisoformat(profile["columns"]["at"]["min"]) == datetime(1970, 1, 1, tzinfo=UTC)
