"""The difference of two dataset versions in one sentence, for people. Called by `report` and by the CLI."""

from collections.abc import Mapping
from typing import Any

_SHIFTED = 3  # columns named
Diff = Mapping[str, Any]


def verdict(diff: Diff) -> str:
    """What changed, the rows first: "3 rows added, 2 removed, 5 changed; departure_delay shifted"."""
    if diff["equal"]:
        return "Nothing changed"
    told = [rows_told(diff["rows"]), columns_told(diff["schema"]), _shifted(diff["distributions"])]
    if diff["rows"] is None or not any(told):
        told = [files_told(diff["files"]), *told]
    sentence = "; ".join(part for part in told if part)
    return sentence[:1].upper() + sentence[1:]


def rows_told(rows: Mapping[str, Any] | None) -> str:
    """The rows: added, removed and changed, those that there are."""
    if rows is None:
        return ""
    return _counted([(rows[name], name) for name in ("added", "removed", "changed")], "row") or "the same rows"


def columns_told(schema: Mapping[str, Any]) -> str:
    """The columns: added, removed and retyped."""
    return _counted([(len(schema[name]), name) for name in ("added", "removed", "retyped")], "column")


def files_told(files: Mapping[str, Any]) -> str:
    """The files: added, removed, replaced and moved."""
    return _counted([(len(files[name]), name) for name in ("added", "removed", "replaced", "moved")], "file")


def _counted(numbers: list[tuple[int, str]], noun: str) -> str:
    some = [(number, word) for number, word in numbers if number]
    if not some:
        return ""
    (first, word), *others = some
    head = f"{first:,} {noun if first == 1 else noun + 's'} {word}"
    return ", ".join([head, *(f"{number:,} {word}" for number, word in others)])


def _shifted(distributions: Mapping[str, Any] | None) -> str:
    names = distributions["shifted"] if distributions else []
    if not names:
        return ""
    more = f" and {len(names) - _SHIFTED} more columns" if len(names) > _SHIFTED + 1 else ""
    shown = names if not more else names[:_SHIFTED]
    joined = ", ".join(shown) if more or len(shown) < 2 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{joined}{more} shifted"
