"""Times as texts, and the names of what a model is told of one. `tidemill.times` has the values, by numpy."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

Part = Literal["hour", "weekday", "day", "month", "year", "cycle_of_day", "cycle_of_week", "cycle_of_year"]
CYCLES = ("cycle_of_day", "cycle_of_week", "cycle_of_year")


def in_utc(text: str) -> datetime:
    """What an ISO 8601 text says, in UTC and without a zone; UTC where it names none. Raises ValueError."""
    found = datetime.fromisoformat(text)
    try:
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error


def inputs(name: str, parts: Iterable[str]) -> list[str]:
    """The names of what a time becomes: `departed.hour`; of a cycle, `departed.cycle_of_day.sin` and `.cos`."""
    return [
        f"{name}.{part}{suffix}" for part in parts for suffix in ((".sin", ".cos") if part in CYCLES else ("",))
    ]


def of_model(features: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a model takes, by the `features` of its document: each input with the feature that it is of."""
    for feature in features:
        parts = inputs(feature["name"], feature["parts"]) if feature["type"] == "timestamp" else [feature["name"]]
        yield from ((name, feature) for name in parts)
