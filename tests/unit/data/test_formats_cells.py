"""Text as numbers, integers, categories and timestamps: held against Python's own reading of each."""

import math
import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data.formats import cells
from tidemill.data.formats.blocks import ARROW, NULLS
from tidemill.projects import Kind

PLAIN = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")


def read(texts: list[str | None], kind: Kind) -> tuple[list[object], list[bool]]:
    values, unreadable = cells.typed(pa.array(texts, pa.string()), kind)
    assert values.type == ARROW[kind]
    assert unreadable is None or True in unreadable.to_pylist()
    return values.to_pylist(), [False] * len(texts) if unreadable is None else unreadable.to_pylist()


@pytest.mark.parametrize("kind", list(Kind))
def test_missing_cells_are_null_and_readable(kind: Kind) -> None:
    assert read([None, *NULLS], kind) == ([None] * 7, [False] * 7)
    assert read([], kind) == ([], [])
    assert cells.typed(pa.array([None], pa.string()), kind)[1] is None


@pytest.mark.parametrize("text", ["1.5", " 1.5\t", "+1.5", ".5", "5.", "1E+5", "-0", "1e-400", "4.9e-324", "007"])
@pytest.mark.parametrize("beside", ["1", "NA", "word"])
def test_numbers_are_as_python_reads_them(text: str, beside: str) -> None:
    values, unreadable = read([text, beside], Kind.NUMBER)
    assert values[0] == float(text) and not unreadable[0]
    assert unreadable[1] == (beside == "word")


@pytest.mark.parametrize(
    "text",
    ["abc", "1_000", "1,5", "0x10", "inf", "-Infinity", "NAN", "1e400", "True", "1 2", " ", "+", "1e", "١٢", "½"],
)
@pytest.mark.parametrize("beside", ["1", "NA", "-"])
def test_what_is_no_finite_number_is_unreadable(text: str, beside: str) -> None:
    values, unreadable = read([text, beside], Kind.NUMBER)
    assert values[0] is None and unreadable == [True, beside == "-"]


@settings(deadline=None)
@given(st.lists(st.one_of(st.text("0123456789+-.eE _xnaifN", max_size=9), st.floats().map(repr)), max_size=5))
def test_no_text_is_read_as_another_number_than_pythons(texts: list[str]) -> None:
    values, unreadable = read(list(texts), Kind.NUMBER)
    for text, value, odd in zip(texts, values, unreadable, strict=True):
        expected = float(text) if PLAIN.fullmatch(text) else math.nan
        assert value == (expected if math.isfinite(expected) else None)
        assert odd == (not math.isfinite(expected) and text not in NULLS)


def test_integers_are_whole() -> None:
    assert read(["3.0", "1e3", "-2", ""], Kind.INTEGER) == ([3, 1000, -2, None], [False] * 4)
    assert read(["1.5", "2", "1e400"], Kind.INTEGER) == ([None, 2, None], [True, False, True])


def test_categories_stay_as_they_are() -> None:
    assert read(["007", " a ", "NA", "1.0"], Kind.CATEGORY) == (["007", " a ", None, "1.0"], [False] * 4)


MOMENTS = {
    "2026-01-02": datetime(2026, 1, 2, tzinfo=UTC),
    "2026-01-02T03:04": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    "2026-01-02 03:04:05": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "2026-01-02T03:04:05Z": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "2026-01-02T03:04:05+01:00": datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC),
    "2026-01-02 03:04:05-0130": datetime(2026, 1, 2, 4, 34, 5, tzinfo=UTC),
    "2026-01-02T03Z": datetime(2026, 1, 2, 3, tzinfo=UTC),
    "2026-01-02T03:04:05.1": datetime(2026, 1, 2, 3, 4, 5, 100_000, tzinfo=UTC),
    "2026-01-02T03:04:05,25Z": datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC),
    "2026-01-02T03:04:05.123456789": datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC),
    "2026-01-02T03:04:05.1234567+01:00": datetime(2026, 1, 2, 2, 4, 5, 123_456, tzinfo=UTC),
    "20260102T030405Z": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    " 2026-01-02 ": datetime(2026, 1, 2, tzinfo=UTC),
    "0001-01-01": datetime(1, 1, 1, tzinfo=UTC),
    "9999-12-31T23:59:59.999999": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "2000-02-29": datetime(2000, 2, 29, tzinfo=UTC),
}


@pytest.mark.parametrize("text", MOMENTS)
@pytest.mark.parametrize("beside", ["2026-01-01", "2026-01-01T00:00:00Z", "NA", "soon"])
def test_timestamps_are_iso_8601(text: str, beside: str) -> None:
    values, unreadable = read([text, beside], Kind.TIMESTAMP)
    assert values[0] == MOMENTS[text]
    assert unreadable == [False, beside == "soon"]


@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-30", "1900-02-29", "2026-13-01", "2026-01-00", "31/12/2026", "2026-01-02T24:00", "2026"),
        *("2026-01-02T03:04:60", "2026-01-02T03:60", "2026-01-02T03:04:05+24:00", "2026-01-02Z", "2026-1-2"),
        *("2026-01-02T03:04:05.", "2026-01-02T03:04:05.1234567890", "0000-01-01", "0001-01-01T00:00+01:00", "1e9"),
    ],
)
@pytest.mark.parametrize("beside", ["2026-01-01", "2026-01-01T00:00:00Z", "NA"])
def test_other_spellings_and_days_that_are_not_are_unreadable(text: str, beside: str) -> None:
    values, unreadable = read([text, beside], Kind.TIMESTAMP)
    assert values[0] is None and unreadable == [True, False]


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6]0)?)?", fullmatch=True))
)
def test_every_day_of_the_calendar_and_none_else(texts: list[str]) -> None:
    values, unreadable = read(list(texts), Kind.TIMESTAMP)
    for text, value, odd in zip(texts, values, unreadable, strict=True):
        try:
            expected = datetime.fromisoformat(text).replace(tzinfo=UTC) if " 24" not in text else None
            expected = None if "T24" in text else expected
        except ValueError:
            expected = None
        assert (value, odd) == (expected, expected is None)


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)), st.integers(-1439, 1439))
def test_a_moment_in_any_zone_is_the_same_moment(moment: datetime, minutes: int) -> None:
    sign, shift = "-" if minutes < 0 else "+", timedelta(minutes=minutes)
    text = f"{(moment + shift).isoformat()}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert read([text], Kind.TIMESTAMP)[0] == [moment.replace(tzinfo=UTC)]
    assert read([text, "x"], Kind.TIMESTAMP)[0] == [moment.replace(tzinfo=UTC), None]
