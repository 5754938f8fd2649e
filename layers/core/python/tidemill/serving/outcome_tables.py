"""Outcomes as CSV: a header with the fields of an outcome, and a line for each. The API and uploads read it."""

import csv
import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from tidemill.projects import Project
from tidemill.serving import outcome_rules
from tidemill.serving.faults import refused
from tidemill.serving.outcome_rules import REWARD, Place
from tidemill.serving.values import Fault, listed

CONTENT_TYPE = "text/csv"
MAX_LINE = 10_000
"""Characters beyond which a line is no outcome."""
TOO_LONG = Fault("too_long", {"maxLength": MAX_LINE}, f"has more than {MAX_LINE} characters")


class Row(NamedTuple):
    """An outcome with the line on which it begins; None with the fault of a line that is none."""

    line: int
    outcome: dict[str, Any] | None
    fault: Fault | None = None


def place(number: int) -> Place:
    """Where a cell of that line is."""
    return partial(_place, number)


def _place(number: int, column: str) -> str:
    return f"line {number}, {column}" if column else f"line {number}"


def header_of(line: str) -> list[str]:
    """The columns that a first line names. Raises RequestInvalid unless they are those of an outcome."""
    try:
        cells = cells_of(line[:MAX_LINE].removesuffix("\r"))
    except csv.Error as error:
        raise refused("line 1", Fault("not_csv", {}, f"is not CSV: {error}")) from error
    columns = [cell.strip() for cell in cells]
    if len(set(columns)) < len(columns) or outcome_rules.of(dict.fromkeys(columns)) is None:
        wanted = " or ".join(",".join((*form, f"[{REWARD}]")) for form in outcome_rules.FORMS)
        rule = {"anyOf": [{"required": list(each)} for each in outcome_rules.FORMS]}
        reason = f"must name the columns {wanted}, and each once; it has {listed(columns) or 'none'}"
        raise refused("line 1", Fault("wrong_fields", rule, reason[:500]))
    return columns


def row(cells: Sequence[str], columns: Sequence[str], number: int, problem: Project) -> Row:
    """An outcome from the cells of a line."""
    if len(cells) != len(columns):
        reason = f"has {len(cells)} cells, the header {len(columns)}; quote cells that hold a comma"
        return Row(number, None, Fault("wrong_count", {"items": len(columns)}, reason))
    told = {name: _value(name, cell, problem) for name, cell in zip(columns, cells, strict=True)}
    if told.get(REWARD) == "":
        del told[REWARD]
    return Row(number, told)


def cells_of(line: str) -> list[str]:
    """The cells of a line. A cell holds no line end, so that a quote that does not close costs one line. Raises
    csv.Error."""
    return next(csv.reader([line], strict=True), [])


def parsed(line: str, columns: Sequence[str], number: int, problem: Project) -> Row:
    """The outcome of a line, or its fault."""
    if len(line) > MAX_LINE:
        return Row(
            number, None, Fault("too_long", {"maxLength": MAX_LINE}, f"has more than {MAX_LINE} characters")
        )
    try:
        return row(cells_of(line), columns, number, problem)
    except csv.Error as error:
        return Row(number, None, Fault("not_csv", {}, f"is not CSV: {error}"))


def rows(text: str, problem: Project, most: int) -> Iterable[Row]:
    """The outcomes of a whole text; empty lines are none. Raises RequestInvalid for its header, for more than
    `most` rows, or for none."""
    first, *rest = text.removeprefix("\ufeff").split("\n")
    columns = header_of(first)
    found = [
        parsed(line, columns, number, problem)
        for number, line in enumerate((each.removesuffix("\r") for each in rest), start=2)
        if line
    ]
    if not 1 <= len(found) <= most:
        rule = {"minItems": 1, "maxItems": most}
        reason = f"must hold a header and 1 to {most} outcomes, not {len(found)}; upload larger files"
        raise refused("body", Fault("wrong_count", rule, reason))
    return found


def _value(name: str, cell: str, problem: Project) -> Any:
    """What a cell stands for; the text itself where it should be a number and is none: the rules refuse it."""
    cell = cell.strip()
    if not (name == REWARD or (name == "outcome" and not problem.classes)):
        return cell
    try:
        number = float(cell)
    except ValueError:
        return cell
    return number if math.isfinite(number) else cell
