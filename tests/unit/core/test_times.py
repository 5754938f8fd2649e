"""Times as the numbers that a model is told: held against the standard library's and pandas' calendars."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill import time_parts, times

PARTS = get_args(time_parts.Part)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))


def parts_of(text: str) -> dict[str, float]:
    found = times.derived("at", times.moments([text]), PARTS)
    return {name.removeprefix("at."): float(values[0]) for name, values in found.items()}


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_the_parts_are_those_of_the_calendar_in_utc(moment: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    found, utc = parts_of(moment.replace(tzinfo=zone).isoformat()), moment - timedelta(minutes=minutes)
    assert found["hour"] == pytest.approx(utc.hour + utc.minute / 60 + utc.second / 3600, abs=3e-4)
    assert (found["weekday"], found["day"], found["month"], found["year"]) == (
        utc.weekday(),
        utc.day,
        utc.month,
        utc.year,
    )
    day = found["hour"] / 24
    year = (utc.timetuple().tm_yday - 1 + day) / (datetime(utc.year, 12, 31).timetuple().tm_yday)
    for cycle, share in (("day", day), ("week", (utc.weekday() + day) / 7), ("year", year)):
        assert found[f"cycle_of_{cycle}.sin"] == pytest.approx(np.sin(2 * np.pi * share), abs=1e-5)
        assert found[f"cycle_of_{cycle}.cos"] == pytest.approx(np.cos(2 * np.pi * share), abs=1e-5)


@given(st.lists(moments, min_size=1, max_size=5))
def test_training_and_the_endpoint_are_told_the_same(given: list[datetime]) -> None:
    texts = [moment.replace(tzinfo=UTC).isoformat() for moment in given]
    column = pd.Series(given).dt.tz_localize("UTC")
    fitted = times.derived("at", column.dt.tz_convert(None).to_numpy(dtype="datetime64[us]"), PARTS)
    asked = times.derived("at", times.moments(texts), PARTS)
    for name, values in fitted.items():
        np.testing.assert_array_equal(values, asked[name])
        assert values.dtype == np.float32


@pytest.mark.parametrize("text", ["2026-03-01T12:30:00Z", "2026-03-01 12:30", "2026-03-01T14:30:00+02:00"])
def test_a_time_may_be_written_in_several_ways(text: str) -> None:
    found = parts_of(text)
    assert (found["hour"], found["weekday"], found["month"]) == (12.5, 6, 3)


@pytest.mark.parametrize("value", [None, "", "noon", 7, "2026-13-01", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_time_is_missing_in_every_part(value: Any) -> None:
    found = times.derived("at", times.moments([value, "2026-03-01"]), PARTS)
    assert list(found) == time_parts.inputs("at", PARTS)
    for values in found.values():
        assert np.isnan(values[0])
        assert np.isfinite(values[1])
