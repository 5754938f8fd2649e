"""Tables and values of a diff's page. Called by `report`, `report_rows` and `report_columns`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tidemill.pages.markup import Markup, element

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")
SHOWN = 80
"""Characters of a value that are shown."""


def table(names: Sequence[tuple[str, str]], rows: Iterable[Sequence[object]], *, top: bool = False) -> Markup:
    """A table; `names` are the headings with the class of their column; `top`: cells begin at one height."""
    head = element("tr", *[element("th", name, class_=kind or None, scope="col") for name, kind in names])
    body = [
        element(
            "tr",
            *[
                element("td", cell, class_=f"{kind} top".strip() if top else kind or None)
                for cell, (_, kind) in zip(row, names, strict=True)
            ],
        )
        for row in rows
    ]
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="wide")


def value(cell: Any) -> str | Markup:
    """A value as people read it: times without what is zero, long text cut."""
    if cell is None:
        return element("span", "missing", class_="void")
    if isinstance(cell, str):
        text = _time(cell) if _TIME.fullmatch(cell) else cell
        return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return f"{cell:.10g}" if isinstance(cell, float) else str(cell)


def _time(text: str) -> str:
    return text.removesuffix("+00:00").removesuffix("T00:00:00").replace("T", " ")


def count(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"
