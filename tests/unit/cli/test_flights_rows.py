"""The flights' rows are true to the real data, and hold nothing that is known later than the departure."""

import numpy as np
import pandas as pd
import pytest
import yaml

from cli.story import flights
from infra.project_files import FOLDER
from tidemill.data.profile import build_profile
from tidemill.monitoring.drift import compare
from tidemill.projects import Kind, parse

PROJECT = parse(yaml.safe_load((FOLDER / "flights.yaml").read_text()))


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """The package's tables, of the first six days of January."""
    found = {"flights": flights._read("flights.csv.zip"), "weather": flights._read("weather.csv")}
    found = {name: table[(table["month"] == 1) & (table["day"] <= 6)] for name, table in found.items()}
    return found | {"airports": flights._read("airports.csv")}


@pytest.fixture(scope="module")
def rows(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return flights.rows(**tables)


def test_real_numbers_of_the_year() -> None:
    # Of 336,776 departures, 9,430 have no arrival delay: they were cancelled or diverted.
    frame = flights.departures()
    assert len(frame) == 336_776 - 9_430
    assert frame["late"].sum() == (flights._read("flights.csv.zip")["arr_delay"] >= 15).sum()
    assert frame["departed"].is_monotonic_increasing


def test_columns_are_those_of_the_project(rows: pd.DataFrame) -> None:
    assert set(rows.columns) == set(PROJECT.columns)
    for name, rule in PROJECT.columns.items():
        assert rule.nullable or rows[name].notna().all(), name


def test_timetable_minutes_are_plausible_for_the_distance(rows: pd.DataFrame) -> None:
    """An error in a time zone would be an hour: airliners do 250 to 520 miles an hour, and taxi half an hour."""
    in_the_air = rows["scheduled_minutes"] - 30
    speed = rows["distance"] / in_the_air * 60
    assert speed[rows["distance"] > 500].between(250, 520).all()
    honolulu = rows[rows["distance"] == 4983]
    assert honolulu["scheduled_minutes"].between(600, 700).all()
    assert len(honolulu)


def test_means_hold_only_what_was_known(tables: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    """Against a plain loop over all pairs of flights."""
    source = tables["flights"]
    source = source[source["arr_delay"].notna()].reset_index(drop=True)
    left = pd.to_datetime(source["time_hour"]) + pd.to_timedelta(source["minute"] + source["dep_delay"], unit="m")
    lost = source["arr_delay"] - source["dep_delay"]
    planned = flights.scheduled_minutes(
        source,
        pd.to_datetime(source["time_hour"]) + pd.to_timedelta(source["minute"], unit="m"),
        tables["airports"],
    )
    landed = left + pd.to_timedelta(planned + lost, unit="m")
    frame = source.assign(departed=left, landed=landed, lost=lost)
    for by, time, value, hours in (("origin", "departed", "dep_delay", 1), ("dest", "landed", "lost", 24)):
        found = flights.recent_mean(frame, by=by, time=time, value=value, hours=hours)
        for i in range(0, len(frame), 97):
            ago = frame["departed"][i] - frame[time]
            known = (frame[by] == frame[by][i]) & (ago > pd.Timedelta(0)) & (ago <= pd.Timedelta(hours=hours))
            expected = frame[value][known].mean()
            assert np.isclose(found[i], expected, atol=0.006, equal_nan=True), (value, i)


def test_a_later_flight_changes_no_earlier_row(tables: dict[str, pd.DataFrame], rows: pd.DataFrame) -> None:
    """Cut the future off: rows of the first three days stay as they are."""
    noon = pd.Timestamp("2013-01-04T17:00:00Z")
    hours = pd.to_datetime(tables["flights"]["time_hour"])
    departures = hours + pd.to_timedelta(tables["flights"]["minute"] + tables["flights"]["dep_delay"], unit="m")
    earlier = flights.rows(**{**tables, "flights": tables["flights"][departures < noon]})
    # A flight that left before noon but lands after it is known to both.
    pd.testing.assert_frame_equal(earlier, rows[rows["departed"] < noon].reset_index(drop=True))


def test_rain_is_of_the_hour_before() -> None:
    weather = pd.DataFrame(
        {
            "origin": ["JFK", "JFK"],
            "time_hour": ["2013-01-01T10:00:00Z", "2013-01-01T11:00:00Z"],
            "precip": [0.1, 0.7],
        }
    )
    origin, hour = pd.Series(["JFK", "LGA"]), pd.Series(pd.to_datetime(["2013-01-01T11:00:00Z"] * 2))
    found = flights.rain_before(origin, hour, weather)
    assert found[0] == 0.1
    assert np.isnan(found[1])


def test_storms_are_drift_and_spring_is_none() -> None:
    """By the project's own policy, against the profile of what model 2 learns from."""
    reference = flights.months(1, 2, 3, 4)
    reference = reference[: int(len(reference) * 0.8)]
    kinds = {name: rule.type for name, rule in PROJECT.feature_columns().items()}
    profile = build_profile(_arrays(reference), kinds)
    spring = flights.months(5).sample(5000, random_state=1)
    assert len(_drifted(profile, spring)) < PROJECT.drift.features
    storms = flights.storm_days(7)
    assert 5000 < len(storms) < 9000
    assert {"departure_delay", "airport_delay"} <= _drifted(profile, storms)
    assert len(_drifted(profile, storms.sample(2000, random_state=1))) >= PROJECT.drift.features


def test_csv_reads_back_as_it_was() -> None:
    frame = flights.months(2).head(50)
    lines = flights.to_csv(frame).decode().splitlines()
    assert lines[0] == ",".join(flights.COLUMNS)
    assert lines[1].startswith(f"{frame['departed'][0]:%Y-%m-%dT%H:%M:%SZ},")
    assert len(lines) == 51


def _arrays(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    numeric = {name: PROJECT.columns[name].type.numeric for name in PROJECT.features}
    return {name: frame[name].to_numpy(float if number else object) for name, number in numeric.items()}


def _drifted(profile: dict, frame: pd.DataFrame) -> set[str]:
    found = compare(profile, _arrays(frame), psi_threshold=PROJECT.drift.psi, alpha=PROJECT.drift.alpha)
    assert {item.kind for item in found} >= {Kind.NUMBER.value, Kind.CATEGORY.value}
    return {item.feature for item in found if item.drifted}
