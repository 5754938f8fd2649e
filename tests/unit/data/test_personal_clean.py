"""Precision: everyday columns, drawn at random and from the story's own data, hold no personal data."""

import hashlib
import io
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.story import diamonds, flights, wines
from tidemill.data.personal import Finding, Scanner

ROWS = 200
seeds = st.integers(0, 2**32 - 1)
# Drawn from fixed seeds: the rule for whole columns has a known, small rate of error.
drawn = settings(max_examples=60, deadline=None, derandomize=True)


def scan(column: object) -> list[Finding]:
    array = column if isinstance(column, pa.Array) else pa.array(column)
    scanner = Scanner()
    return scanner.scan(pa.RecordBatch.from_arrays([array], names=["v"])) + scanner.finish()


def both(values: np.ndarray) -> list[Finding]:
    """As numbers, and as text."""
    return scan(values) + scan([repr(value) for value in values.tolist()])


@drawn
@given(seeds, st.integers(1, 18))
def test_whole_numbers_of_any_length(seed: int, digits: int) -> None:
    assert both(np.random.default_rng(seed).integers(10 ** (digits - 1), 10**digits, ROWS)) == []


@drawn
@given(st.integers(1, 10**18), st.integers(1, 1000))
def test_numbers_counted_up(start: int, step: int) -> None:
    assert both(start + step * np.arange(ROWS)) == []


@drawn
@given(seeds, st.floats(-20, 20))
def test_measurements(seed: int, magnitude: float) -> None:
    values = np.random.default_rng(seed).normal(0, 10**magnitude, ROWS)
    assert both(values) == []
    assert scan([f"{one:.6f},{other:.6f}" for one, other in zip(values, values[::-1], strict=True)]) == []


@drawn
@given(seeds, st.integers(7, 64))
def test_hexadecimal(seed: int, length: int) -> None:
    digests = [hashlib.sha256(f"{seed}-{row}".encode()).hexdigest()[:length] for row in range(ROWS)]
    assert scan(digests) == []
    assert scan([digest.upper() for digest in digests]) == []


@drawn
@given(st.lists(st.uuids(), min_size=1, max_size=50))
def test_uuids(ids: list[uuid.UUID]) -> None:
    assert scan([str(one) for one in ids]) == []
    assert scan([f"/v1/things/{one}?page=2" for one in ids]) == []


@drawn
@given(st.lists(st.datetimes(), min_size=1, max_size=50), st.sampled_from([" ", "T"]))
def test_times(times: list, separator: str) -> None:
    assert scan([one.isoformat(separator) for one in times]) == []
    assert scan([one.isoformat(separator, "seconds") + "+02:00" for one in times]) == []
    assert scan([f"{one.isoformat(separator)} INFO took {one.microsecond} ms" for one in times]) == []
    assert scan(pa.array(times, pa.timestamp("us"))) == []


@drawn
@given(seeds, st.sampled_from([1, 1000, 10**6, 10**9]))
def test_epochs(seed: int, unit: int) -> None:
    seconds = np.random.default_rng(seed).integers(946684800, 2000000000, ROWS)
    assert both(seconds * unit) == []


@pytest.mark.parametrize("as_text", [False, True])
def test_the_storys_files(as_text: bool) -> None:
    files = [flights.to_csv(flights.departures()), diamonds.to_csv(diamonds.diamonds(53_940, seed=1))]
    files.append(wines.to_csv(wines.wines(seed=1)))
    for body in files:
        table = pyarrow.csv.read_csv(io.BytesIO(body))
        if as_text:
            table = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
        scanner = Scanner()
        found = [one for part in table.to_batches() for one in scanner.scan(part)]
        assert found + scanner.finish() == []
