"""The history of a dataset as a graph of text: versions with their parents, what became of each upload. Pure.

    ● v3  train  3,000 rows  +1,000  9f3ab2c4  2026-03-03 12:00  June is complete
    │    + june.csv
    │    ✗ may.csv  not_csv
    ● v2  prod   2,000 rows  +1,000  1c20e5aa  2026-03-02 12:00

An upload stands below the version that it became or was found in; one that became none stands above the version
that was current when it came, by the recorded times.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from cli import show
from tidemill import names
from tidemill.data import references

MOST_UPLOADS = 6  # of one version; a batch may have thousands
UNSAID = f"upload of {names.INCOMING}"  # the reason where nobody gave one: the uploads are listed anyway
MARKS = {
    "accepted": ("+", "green"),
    "unchanged": ("=", "dim"),
    "superseded": ("↷", "dim"),
    "quarantined": ("✗", "red"),
    "failed": ("!", "red"),
}
Facts = dict[str, Any]


def draw(versions: Sequence[Facts], uploads: Iterable[Facts], *, limit: int | None = None) -> list[Text]:
    """The lines, the newest version first, as `versions` are; at most `limit` of them are shown."""
    own, loose = _placed(versions, uploads)
    shown = versions[:limit]
    columns = [[_label(row) for row in shown], [_rows(row, versions) for row in shown]]
    for column in columns:
        width = max((part.cell_len for part in column), default=0)
        for part in column:
            part.pad_right(width - part.cell_len)
    lines, lanes = [], Lanes()
    for row, label, rows in zip(shown, *columns, strict=True):
        number = row["version"]
        lines += _uploads(loose[number], lanes.through())
        joint = lanes.join(number)
        lines += [Text(joint, "dim")] if joint else []
        lines.append(Text("  ").join([Text.assemble(*lanes.node(number), label), rows, _origin(row)]))
        lanes.descend(number, row.get("parent") or 0)
        lines += _uploads(own[number], lanes.through())
    if len(shown) < len(versions):
        lines.append(
            Text(f"{lanes.through('┊')} {len(versions) - len(shown)} older; show more with --limit", "dim")
        )
    else:
        lines += _uploads(loose[0], lanes.through())
    return lines


class Lanes:
    """The columns of the graph: each is on its way down to a parent that has not been drawn."""

    def __init__(self) -> None:
        self._awaited: list[int] = []  # by column; 0 where there is none

    def through(self, line: str = "│") -> str:
        """The columns beside something that is no version."""
        return " ".join(line if parent else " " for parent in self._awaited).rstrip()

    def join(self, version: int) -> str:
        """Let all columns that lead to a version become its first one; the line that shows it, if any."""
        columns = [column for column, parent in enumerate(self._awaited) if parent == version]
        if not columns:
            free = self._awaited.index(0) if 0 in self._awaited else len(self._awaited)
            self._awaited[free : free + 1] = [version]
            return ""
        if len(columns) == 1:
            return ""
        first, last = columns[0], columns[-1]
        cells = ["│ " if parent else "  " for parent in self._awaited]
        for column in range(first + 1, last):
            cells[column] = "┴─" if column in columns else "┼─" if self._awaited[column] else "──"
        cells[first], cells[last] = "├─", "╯ "
        self._awaited = [0 if column in columns[1:] else parent for column, parent in enumerate(self._awaited)]
        self._trim()
        return "".join(cells).rstrip()

    def node(self, version: int) -> list[tuple[str, str]]:
        """The columns beside and at a version."""
        own = self._awaited.index(version)
        cells = [
            ("●", "yellow") if at == own else ("│" if p else " ", "dim") for at, p in enumerate(self._awaited)
        ]
        return [part for cell in cells for part in (cell, (" ", ""))]

    def descend(self, version: int, parent: int) -> None:
        """From a version go on to its parent, 0 for none."""
        self._awaited[self._awaited.index(version)] = parent
        self._trim()

    def _trim(self) -> None:
        while self._awaited and not self._awaited[-1]:
            self._awaited.pop()


def _placed(
    versions: Sequence[Facts], uploads: Iterable[Facts]
) -> tuple[dict[int, list[Facts]], dict[int, list[Facts]]]:
    """Uploads by the version that they became, and the others by the version that was current when they came."""
    own: dict[int, list[Facts]] = defaultdict(list)
    loose: dict[int, list[Facts]] = defaultdict(list)
    oldest_first = list(reversed(versions))
    for row in uploads:
        if row.get("dataset_version"):
            own[row["dataset_version"]].append(row)
        else:
            current = references.current_at(oldest_first, datetime.fromisoformat(str(row["at"])))
            loose[current["version"] if current else 0].append(row)
    return own, loose


def _label(row: Facts) -> Text:
    return Text.assemble((f"v{row['version']}", "bold"), "  ", (", ".join(row.get("tags", ())), "bold green"))


def _rows(row: Facts, versions: Sequence[Facts]) -> Text:
    parent = next((other for other in versions if other["version"] == row.get("parent")), None)
    more = f"  {row['rows'] - parent['rows']:+,}" if parent else ""
    return Text.assemble(f"{row['rows']:,} rows", (more, "dim"))


def _origin(row: Facts) -> Text:
    why = show.plain(row.get("reason") or "")
    why = "" if why.startswith(UNSAID) else f"  {why}"
    return Text.assemble((row["identity"][:8], "cyan"), "  ", (show.minute(row["at"]), "dim"), why)


def _uploads(uploads: Sequence[Facts], lanes: str) -> list[Text]:
    lines = [_upload(row, lanes) for row in uploads[:MOST_UPLOADS]]
    if len(uploads) > MOST_UPLOADS:
        lines.append(
            Text.assemble((lanes.ljust(1), "dim"), f"    … and {len(uploads) - MOST_UPLOADS} more uploads")
        )
    return lines


def _upload(row: Facts, lanes: str) -> Text:
    mark, style = MARKS.get(row["state"], ("○", "cyan"))
    said = row.get("code") or ("" if row["state"] == "accepted" else row["state"])
    file = show.plain(row["key"].split("/", 2)[-1])
    return Text.assemble(
        (lanes.ljust(1), "dim"), "    ", (mark, style), f" {file}", (f"  {said}" if said else "", style)
    )
