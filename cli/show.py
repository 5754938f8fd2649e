"""How facts are shown: a table or a panel for people, JSON for programs, progress on standard error.

Standard output carries the answer only, so that it can be piped.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.errors import Usage

STATES = {
    "accepted": "green",
    "passed": "green",
    "promoted": "green",
    "champion": "bold green",
    "complete": "green",
    "running": "cyan",
    "challenger": "cyan",
    "registered": "cyan",
    "refused": "yellow",
    "rolled_back": "yellow",
    "unchanged": "dim",
    "pruned": "dim",
    "stopped": "yellow",
    "retired": "dim",
    "superseded": "dim",
    "quarantined": "red",
    "failed": "red",
}

WHOLE = {"upload", "version", "tag", "identity", "at (UTC)"}
"""Columns of which a part says nothing: where the terminal is narrow, others give way."""

PIPE_WIDTH = 160  # characters: a file or a pipe has no edge to wrap at

MAIN_METRICS = ("log_loss", "roc_auc", "rmse", "mae")

Column = tuple[str, Callable[[dict[str, Any]], Any]]


def out() -> Console:
    """Standard output, as it is now: tests and pipes replace it."""
    return Console(highlight=False, soft_wrap=True)


def note() -> Console:
    """Standard error: progress and warnings."""
    return Console(stderr=True, highlight=False)


def write_page(file: Path, page: str) -> None:
    """A page into the file that `--html` names. Raises Usage."""
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Usage(f"{file}: {error.strerror or error}; choose another file for --html") from error
    note().print(f"wrote {escape(str(file))}", soft_wrap=True)


def emit(facts: Any, *, as_json: bool, people: Callable[[Any], Any]) -> None:
    """Print the facts as JSON, or as what `people` makes of them."""
    if as_json:
        print_json(facts)
        return
    shown = people(facts)
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=PIPE_WIDTH)
    for part in shown if isinstance(shown, list | tuple) else (shown,):
        console.print(part)


def print_json(facts: Any) -> None:
    """Indented JSON on standard output, never wrapped or coloured."""
    out().print(json.dumps(facts, indent=2, default=str), markup=False)


def table(title: str, rows: Iterable[dict[str, Any]], columns: Sequence[Column], *, empty: str) -> Table | str:
    """A table of the rows; `empty` says what to do where there are none."""
    rows = list(rows)
    if not rows:
        return f"[dim]{escape(empty)}[/dim]"
    grid = Table(
        title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for heading, _ in columns:
        grid.add_column(heading, no_wrap=heading in WHOLE)
    for row in rows:
        grid.add_row(*(cell(value(row)) for _, value in columns))
    return grid


def facts(title: str, pairs: Iterable[tuple[str, Any]]) -> Table:
    """Names with values, one per line."""
    grid = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False
    )
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(name, cell(value))
    return grid


def cell(value: Any) -> str:
    """A value as text: states coloured, nothing as a dash, numbers short."""
    if value is None or value == "":
        return "[dim]-[/dim]"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = escape("\n".join(plain(line) for line in str(value).splitlines()))
    return f"[{STATES[text]}]{text}[/]" if text in STATES else text


def plain(text: Any) -> str:
    """A text that somebody else chose (a file's name, a reason), without what a terminal would obey."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(text)
    )


def when(moment: Any) -> str:
    """A time as people read it: the date and the second, in UTC."""
    return datetime.fromisoformat(str(moment)).strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def minute(moment: Any) -> str:
    """A time to the minute, in UTC: for tables that have much to say."""
    return when(moment)[:16]


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def share(weight: float | None, plan: str | None) -> str:
    """The challenger's share of the requests in a step; the plan's name where it has none."""
    return plan if weight == 0 and plan else percent(weight)


def main_metrics(values: dict[str, float] | None) -> str:
    """The metrics that fit into a cell of a table."""
    values = values or {}
    return metrics({name: values[name] for name in MAIN_METRICS if name in values})


def metrics(values: dict[str, float] | None) -> str:
    """Metrics in one line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in (values or {}).items() if value is not None)
