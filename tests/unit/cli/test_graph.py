"""The graph of versions: lanes of parents, uploads where they belong."""

from typing import Any

import pytest
from rich.text import Text

from cli import graph


def version(number: int, parent: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "version": number,
        "parent": number - 1 if parent is None else parent,
        "rows": number * 1000,
        "identity": f"{number}" * 64,
        "at": f"2026-03-{number:02d}T12:00:00+00:00",
        **more,
    }


def upload(file: str, state: str, *, day: int = 1, becomes: int | None = None, **more: Any) -> dict[str, Any]:
    row = {"key": f"incoming/flights/{file}", "state": state, "at": f"2026-03-{day:02d}T18:00:00+00:00", **more}
    return row | ({"dataset_version": becomes} if becomes else {})


def drawn(versions: list[dict[str, Any]], uploads: Any = (), **how: Any) -> list[str]:
    return [line.plain.rstrip() for line in graph.draw(versions, uploads, **how)]


def nodes(versions: list[dict[str, Any]], **how: Any) -> list[str]:
    """The lines up to the version's number."""
    return [line.split("  ")[0] if "v" in line else line for line in drawn(versions, **how)]


def test_a_line_of_versions() -> None:
    rows = [version(2, tags=["prod", "train"], reason="June is complete"), version(1, tags=[])]
    assert drawn(rows) == [
        "● v2  prod, train  2,000 rows  +1,000  22222222  2026-03-02 12:00  June is complete",
        "● v1               1,000 rows          11111111  2026-03-01 12:00",
    ]


def test_nothing_is_drawn_of_nothing() -> None:
    assert drawn([]) == []


def test_uploads_stand_where_they_belong() -> None:
    uploads = [
        upload("late.csv", "registered", day=4),
        upload("copy.csv", "unchanged", day=3, becomes=1),
        upload("b.csv", "accepted", day=2, becomes=2),
        upload("bad.csv", "quarantined", day=1, code="not_csv"),
        upload("a.csv", "accepted", day=1, becomes=1),
        {**upload("first.csv", "failed"), "at": "2026-02-01T00:00:00+00:00"},
    ]
    lines = [line.split("rows")[0].rstrip() for line in drawn([version(2), version(1)], uploads)]
    assert lines == [
        "     ○ late.csv  registered",
        "● v2    2,000",
        "│    + b.csv",
        "│    ✗ bad.csv  not_csv",
        "● v1    1,000",
        "     = copy.csv  unchanged",
        "     + a.csv",
        "     ! first.csv  failed",
    ]


def test_a_batch_of_many_files_is_not_listed_whole() -> None:
    uploads = [upload(f"part-{number}.csv", "accepted", becomes=1) for number in range(50)]
    lines = drawn([version(1)], uploads)
    assert len(lines) == 1 + graph.MOST_UPLOADS + 1
    assert lines[-1].strip() == "… and 44 more uploads"


def test_what_is_left_out_is_counted_and_its_uploads_too() -> None:
    lines = drawn([version(3), version(2), version(1)], [upload("a.csv", "accepted", becomes=1)], limit=2)
    assert len(lines) == 3
    assert "+1,000" in lines[1]
    assert lines[2] == "┊ 1 older; show more with --limit"


def test_a_fork_is_drawn_with_its_parents() -> None:
    rows = [version(5, 3), version(4, 2), version(3, 2), version(2), version(1)]
    assert nodes(rows) == ["● v5", "│ ● v4", "● │ v3", "├─╯", "● v2", "● v1"]


def test_many_forks_of_one_version() -> None:
    rows = [version(5, 1), version(4, 1), version(3, 2), version(2, 1), version(1)]
    assert nodes(rows) == ["● v5", "│ ● v4", "│ │ ● v3", "│ │ ● v2", "├─┴─╯", "● v1"]


def test_a_version_of_its_own_begins_and_ends_a_lane() -> None:
    rows = [version(4, 1), version(3, 0), version(2, 1), version(1)]
    assert nodes(rows) == ["● v4", "│ ● v3", "│ ● v2", "├─╯", "● v1"]


def test_a_lane_passes_a_join_that_is_not_its_own() -> None:
    rows = [version(6, 3), version(5, 2), version(4, 3), version(3, 1), version(2, 1), version(1)]
    assert nodes(rows) == ["● v6", "│ ● v5", "│ │ ● v4", "├─┼─╯", "● │ v3", "│ ● v2", "├─╯", "● v1"]


@pytest.mark.parametrize("name", ["\x1b[2Jgone.csv", "a\nb.csv", "[red]x[/red].csv"])
def test_a_name_is_shown_not_obeyed(name: str) -> None:
    (_, line) = graph.draw([version(1)], [upload(name, "accepted", becomes=1)])
    assert isinstance(line, Text)
    assert "\x1b" not in line.plain
    assert "\n" not in line.plain
    assert ("[red]x[/red]" in line.plain) == (name == "[red]x[/red].csv")
