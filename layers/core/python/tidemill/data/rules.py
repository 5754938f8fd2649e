"""The rules of a project file, applied to the rows of an upload: every fault, with count, place and example.

ValidateVersion calls `find_faults`. Nothing here reads or writes: text columns in, faults out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tidemill.data import read
from tidemill.projects import Column, Kind, Project

PLACES = 5  # lines and examples told of each fault
SHOWN = 80  # characters told of an example
WORST = 3  # faults told in the reason
_GRAVITY = (
    "missing_column",
    "wrong_type",
    "unreadable_timestamp",
    "too_few_rows",
    "target_one_class",
    "target_constant",
    "target_not_binary",
    "null_value",
    "not_allowed",
    "below_minimum",
    "above_maximum",
)
_NOUN = {Kind.NUMBER: "a number", Kind.INTEGER: "a whole number", Kind.TIMESTAMP: "an ISO 8601 time"}


@dataclass(frozen=True)
class Fault:
    """One rule that the rows break. `rows` are the first offending data rows, counted from 0; `examples` the first
    distinct offending values; `count` how many rows offend (0 when the fault is not one of rows)."""

    code: str
    column: str | None
    message: str
    count: int = 0
    rows: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()


def find_faults(text: pd.DataFrame, project: Project) -> list[Fault]:
    """Every fault of the rows in `text` (cells as text, see `read.read_text`), the gravest first."""
    faults = list(_row_count_faults(text, project))
    for name, column in project.columns.items():
        if name not in text:
            faults.append(Fault("missing_column", name, f"column {name!r} is missing"))
            continue
        values = read.typed(text[name], column.type)
        unreadable = read.unreadable(text[name], values)
        faults += _cell_faults(text[name], values, unreadable, column)
        if name == project.target and not unreadable.any():
            faults += _target_faults(text[name], values, project)
    return sorted(faults, key=lambda fault: (_GRAVITY.index(fault.code), -fault.count))


def summary(faults: list[Fault]) -> str:
    """The gravest faults in one sentence."""
    told = "; ".join(fault.message for fault in faults[:WORST])
    more = f"; and {len(faults) - WORST} more" if len(faults) > WORST else ""
    return f"{told}{more}. Correct the file, or the rules in the project file, and upload it again"


def _row_count_faults(text: pd.DataFrame, project: Project) -> Iterator[Fault]:
    # Without any known column the frame has no rows either; the missing columns tell that story.
    if text.shape[1] > 0 and len(text) < project.min_rows:
        yield Fault("too_few_rows", None, f"{len(text)} rows are fewer than min_rows, {project.min_rows}")


def _cell_faults(text: pd.Series, values: pd.Series, unreadable: pd.Series, column: Column) -> Iterator[Fault]:
    if unreadable.any():
        code = "unreadable_timestamp" if column.type is Kind.TIMESTAMP else "wrong_type"
        yield _offence(code, text, unreadable, f"not {_NOUN[column.type]}")
    absent = read.missing(text)
    if not column.nullable and absent.any():
        yield _offence("null_value", text, absent, "missing, and the column is not nullable")
    if column.allowed is not None:
        strange = values.notna() & ~values.isin(_as_values(column))
        if strange.any():
            yield _offence("not_allowed", text, strange, "not among the allowed values")
    if column.type.numeric:
        yield from _range_faults(text, values, column)


def _range_faults(text: pd.Series, values: pd.Series, column: Column) -> Iterator[Fault]:
    if column.minimum is not None and (low := values < column.minimum).any():
        yield _offence("below_minimum", text, low, f"below the minimum {column.minimum:g}")
    if column.maximum is not None and (high := values > column.maximum).any():
        yield _offence("above_maximum", text, high, f"above the maximum {column.maximum:g}")


def _target_faults(text: pd.Series, values: pd.Series, project: Project) -> Iterator[Fault]:
    target, found = str(text.name), np.unique(values.dropna())
    every = f"column {target!r}, the target, is {f'{found[0]:g}' if found.size else 'missing'} in every row"
    if project.task == "classification":
        strange = values.notna() & ~values.isin((0, 1))
        if strange.any():
            yield _offence("target_not_binary", text, strange, "neither 0 nor 1, as the target must be")
        elif found.size < 2:
            yield Fault("target_one_class", target, f"{every}; both classes are needed")
    elif found.size < 2:
        yield Fault("target_constant", target, f"{every}; there is nothing to learn")


def _offence(code: str, text: pd.Series, offends: pd.Series, fault: str) -> Fault:
    """The fault of the cells that `offends` marks."""
    offending, count = text[offends], int(offends.sum())
    examples = tuple(str(value)[:SHOWN] for value in offending.unique()[:PLACES])
    share = f"{count} of {len(text)} values {'is' if count == 1 else 'are'}"
    message = f"column {text.name!r}: {share} {fault} (for example {', '.join(map(repr, examples[:2]))})"
    rows = tuple(int(row) for row in np.flatnonzero(offends)[:PLACES])
    return Fault(code, str(text.name), message, count, rows, examples)


def _as_values(column: Column) -> list[str] | list[float]:
    if column.type.numeric:
        return [float(value) for value in column.allowed or ()]
    return [str(value) for value in column.allowed or ()]
