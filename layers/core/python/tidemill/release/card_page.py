"""A model card as a page, from its Markdown, so that both say the same.

Reads what `card` and `markdown` write and no more: headings, paragraphs, tables, `code`.
"""

import re
from collections.abc import Iterable

from tidemill.pages.markup import Markup, element, join
from tidemill.pages.style import STYLE

LONG = 60
"""Characters from which on a cell is broken into lines."""
_WORDS = "td.words { white-space: normal; min-width: 36ch; } p + .wide + p { margin-top: 8px; }"
_META = Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">')
_CELLS = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]*)`")
_FIGURE = re.compile(r"^[-+]?[\d.,]+( ?%| ±.*| bytes)?( \(.*\))?$")


def page(card: str) -> str:
    """The page of a card that `card.write` wrote."""
    blocks = [_block(block) for block in card.strip().split("\n\n")]
    title = card.splitlines()[0].lstrip("# ")
    head = [_META, element("title", f"Model card: {title}"), element("style", Markup(STYLE + _WORDS))]
    body = element("body", element("main", *blocks))
    return f"<!doctype html>\n{element('html', element('head', *head), body, lang='en')}\n"


def _block(block: str) -> Markup:
    if found := re.match(r"(#+) (.*)$", block):
        return element(f"h{len(found[1])}", _inline(found[2]))
    if block.startswith("|"):
        return _table([_cells(line) for line in block.splitlines()])
    return element("p", _inline(" ".join(block.splitlines())))


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELLS.split(line)[1:-1]]


def _table(lines: list[list[str]]) -> Markup:
    """A table of facts has no head, and its first column is one. Columns of figures are on the right."""
    head, _, *rows = lines
    facts = not any(head)
    figures = [not facts and place > 0 and _figures(row[place] for row in rows) for place in range(len(head))]
    shown = [] if facts else [element("tr", *_cells_of("th", head, figures))]
    for first, *rest in rows:
        lead = [element("th", _inline(first))] if facts else []
        cells = rest if facts else [first, *rest]
        shown.append(element("tr", *lead, *_cells_of("td", cells, figures[len(lead) :])))
    return element("div", element("table", *shown), class_="wide")


def _figures(cells: Iterable[str]) -> bool:
    return all(_FIGURE.match(cell) for cell in cells if cell)


def _cells_of(kind: str, cells: list[str], figures: list[bool]) -> list[Markup]:
    return [
        element(kind, _inline(cell), class_="figure" if figure else "words" if len(cell) > LONG else None)
        for cell, figure in zip(cells, figures, strict=True)
    ]


def _inline(text: str) -> Markup:
    parts = _CODE.split(text)
    return join([element("code", part) if place % 2 else part for place, part in enumerate(parts)])
