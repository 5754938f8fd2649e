"""Faults: rules that rows, files or batches break, told so that a person can mend them.

The gate of each row and of each file makes them; ValidateVersion writes them into its report.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tidemill.data.formats.blocks import RowFault

PLACES = 5  # lines and examples told of each fault
SHOWN = 80  # characters told of an example
WORST = 3  # faults told in the reason
GRAVITY = (
    "missing_column",
    "personal_data",
    "bad_json",
    "too_deep",
    "duplicate_keys",
    "uneven_row",
    "wrong_type",
    "not_finite",
    "unreadable_timestamp",
    "too_few_rows",
    "target_one_class",
    "target_constant",
    "target_not_binary",
    "target_leak",
    "class_collapse",
    "keys_overlap",
    "duplicate_rows",
    "null_value",
    "not_allowed",
    "below_minimum",
    "above_maximum",
)
_WHAT = {
    "uneven_row": "have another number of cells than the header",
    "bad_json": "are not JSON objects",
    "too_deep": "are nested too deeply to be read",
    "duplicate_keys": "have a key twice",
}


@dataclass(frozen=True)
class Fault:
    """One rule that is broken. `count`: how many rows break it (0 when it is not one of rows); `lines` and
    `examples`: of the first ones."""

    code: str
    column: str | None
    message: str
    count: int = 0
    lines: tuple[int, ...] = ()
    examples: tuple[str, ...] = ()


def sort_key(fault: Fault) -> tuple[int, int]:
    """The gravest first, then the most frequent."""
    grave = GRAVITY.index(fault.code) if fault.code in GRAVITY else len(GRAVITY)
    return grave, -fault.count


def summary(faults: Iterable[Fault]) -> str:
    """The gravest faults in one sentence with its remedy."""
    told = list(faults)
    more = f"; and {len(told) - WORST} more" if len(told) > WORST else ""
    what = "; ".join(fault.message for fault in told[:WORST])
    return f"{what}{more}. Correct the file, or the rules in the project file, and upload it again"


@dataclass
class _Seen:
    reason: str
    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)


class Tally:
    """Counts the faults of rows, and keeps the first PLACES of each kind: line and value."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str | None], _Seen] = {}

    def add(self, code: str, column: str | None, reason: str, count: int, first: Iterable[RowFault]) -> None:
        """`count` rows of a block break a rule; `first` are the first of them."""
        seen = self._seen.setdefault((code, column), _Seen(reason))
        seen.count += count
        if len(seen.first) < PLACES:
            seen.first = [*seen.first, *((fault.line, fault.value) for fault in first)][:PLACES]

    def merge(self, later: "Tally") -> None:
        """Take in what was counted in what follows in the file."""
        for (code, column), other in later._seen.items():
            seen = self._seen.setdefault((code, column), _Seen(other.reason))
            seen.count += other.count
            seen.first = [*seen.first, *other.first][:PLACES]

    def to_json(self) -> list[Any]:
        """`[[code, column, reason, count, [[line, value], …]], …]`."""
        return [
            [code, column, seen.reason, seen.count, [list(place) for place in seen.first]]
            for (code, column), seen in self._seen.items()
        ]

    @classmethod
    def from_json(cls, form: Iterable[Any]) -> "Tally":
        """The tally that `to_json` wrote."""
        tally = cls()
        for code, column, reason, count, first in form:
            tally._seen[code, column] = _Seen(reason, count, [(line, value) for line, value in first])
        return tally

    def faults(self, rows: int) -> list[Fault]:
        """What was counted over `rows` rows, the gravest first."""
        made = [self._fault(code, column, seen, rows) for (code, column), seen in self._seen.items()]
        return sorted(made, key=lambda fault: (*sort_key(fault), fault.column or "", fault.code))

    @staticmethod
    def _fault(code: str, column: str | None, seen: _Seen, rows: int) -> Fault:
        lines = tuple(line for line, _ in seen.first)
        if column is None:
            what = _WHAT.get(code, seen.reason)
            where = ", ".join(map(str, lines))
            message = f"{seen.count} of {rows} rows {what} (lines {where}; the first: {seen.reason})"
            return Fault(code, column, message, seen.count, lines)
        examples = tuple(dict.fromkeys(value for _, value in seen.first))
        share = f"{seen.count} of {rows} values {'is' if seen.count == 1 else 'are'}"
        shown = ", ".join(map(repr, examples[:2]))
        message = f"column {column!r}: {share} {seen.reason} (for example {shown})"
        return Fault(code, column, message, seen.count, lines, examples)


def as_json(fault: Fault) -> dict[str, Any]:
    """A fault as the reports carry it."""
    return {
        "code": fault.code,
        "column": fault.column,
        "message": fault.message,
        "count": fault.count,
        "lines": list(fault.lines),
        "examples": list(fault.examples),
    }
