"""The names of what a model is told of a time. `tidemill.times` has their values, and needs numpy."""

from collections.abc import Iterable
from typing import Literal

Part = Literal["hour", "weekday", "day", "month", "year", "cycle_of_day", "cycle_of_week", "cycle_of_year"]
CYCLES = ("cycle_of_day", "cycle_of_week", "cycle_of_year")


def inputs(name: str, parts: Iterable[str]) -> list[str]:
    """The names of what a time becomes: `departed.hour`; of a cycle, `departed.cycle_of_day.sin` and `.cos`."""
    return [
        f"{name}.{part}{suffix}" for part in parts for suffix in ((".sin", ".cos") if part in CYCLES else ("",))
    ]
