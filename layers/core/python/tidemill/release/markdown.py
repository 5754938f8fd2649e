"""Figures and tables in Markdown."""

from collections.abc import Sequence
from typing import Any


def number(value: Any) -> str:
    """Five digits; nothing where there is no figure."""
    return "" if value is None else f"{value:.5g}"


def percent(share: float | None) -> str:
    """A share in percent; nothing where there is none."""
    return "" if share is None else f"{100 * share:.3g} %"


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A table; a bar within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
