"""Times as a model takes them: their parts, such as the hour, as numbers. Training, the
endpoint and monitoring call it.

Nothing but numpy: the inference function imports it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.time_parts import Part, in_utc, inputs

Moments = NDArray[np.datetime64]
_DAY = np.timedelta64(1, "D")


def derived(name: str, moments: Moments, parts: Iterable[Part]) -> dict[str, NDArray[np.float32]]:
    """Each of `time_parts.inputs(name, parts)`, shape [n], of times in UTC (datetime64[us], shape [n]); NaN where
    there is none.

    `hour` 0 to 24 with its fraction, `weekday` 0 (Monday) to 6, `day` of the month from 1, `month` from 1, `year`.
    A cycle is the place in it as a point of the unit circle, so that its end is next to its beginning."""
    found = [column for part in parts for column in _columns(part, moments)]
    return dict(zip(inputs(name, parts), found, strict=True))


def moments(texts: Sequence[Any]) -> Moments:
    """ISO 8601 texts as times, shape [n]; UTC where they name no zone, NaT where one is missing or unreadable."""
    return np.array([_moment(text) for text in texts], dtype="datetime64[us]")


def _moment(text: Any) -> np.datetime64:
    try:
        return np.datetime64(in_utc(text), "us")
    except (TypeError, ValueError):
        return np.datetime64("NaT", "us")


def _columns(part: Part, moments: Moments) -> list[NDArray[np.float32]]:
    missing = np.isnat(moments)
    known = np.where(missing, np.datetime64(0, "us"), moments)
    if part in _NUMBERS:
        values = [_NUMBERS[part](known)]
    else:
        angle = 2 * np.pi * _CYCLES[part](known)
        values = [np.sin(angle), np.cos(angle)]
    return [np.where(missing, np.nan, value).astype(np.float32) for value in values]


def _of_day(moments: Moments) -> NDArray[np.float64]:
    share: NDArray[np.float64] = (moments - moments.astype("datetime64[D]")) / _DAY
    return share


def _weekday(moments: Moments) -> NDArray[Any]:
    # The day 0 of 1970 was a Thursday.
    days: NDArray[Any] = (moments.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return days


def _of_year(moments: Moments) -> NDArray[np.float64]:
    year = moments.astype("datetime64[Y]")
    first, last = (each.astype("datetime64[D]") for each in (year, year + np.timedelta64(1, "Y")))
    share: NDArray[np.float64] = (moments - first) / (last - first)
    return share


_NUMBERS: Mapping[str, Callable[[Moments], NDArray[Any]]] = {
    "hour": lambda moments: 24 * _of_day(moments),
    "weekday": _weekday,
    "day": lambda moments: (
        (moments.astype("datetime64[D]") - moments.astype("datetime64[M]").astype("datetime64[D]")) / _DAY + 1
    ),
    "month": lambda moments: moments.astype("datetime64[M]").astype(np.int64) % 12 + 1,
    "year": lambda moments: moments.astype("datetime64[Y]").astype(np.int64) + 1970,
}
_CYCLES: Mapping[str, Callable[[Moments], NDArray[np.float64]]] = {
    "cycle_of_day": _of_day,
    "cycle_of_week": lambda moments: (_weekday(moments) + _of_day(moments)) / 7,
    "cycle_of_year": _of_year,
}
