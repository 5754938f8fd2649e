"""A model card as a page, from its Markdown, so that both say the same.

Reads what `card` and `markdown` write and no more: headings, paragraphs, tables, `code`.
"""

import re

from tidemill.pages.markup import Markup, element, join
from tidemill.pages.style import STYLE

_META = Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">')
_CELLS = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]*)`")
_FIGURE = re.compile(r"^[-+]?[\d.,]+( ?%| ±.*| bytes)?( \(.*\))?$")


def page(card: str) -> str:
    """The page of a card that `card.write` wrote."""
    blocks = [_block(block) for block in card.strip().split("\n\n")]
    title = card.splitlines()[0].lstrip("# ")
    head = [_META, element("title", f"Model card: {title}"), element("style", Markup(STYLE))]
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
    """A table of facts has no head, and its first column is one."""
    head, _, *rows = lines
    shown = [element("tr", *(element("th", _inline(cell)) for cell in head))] if any(head) else []
    return element(
        "div", element("table", *shown, *(_row(row, facts=not any(head)) for row in rows)), class_="wide"
    )


def _row(cells: list[str], *, facts: bool) -> Markup:
    first, *rest = cells
    shown = [element("th" if facts else "td", _inline(first))]
    shown += [
        element("td", _inline(cell), class_="figure" if not facts and _FIGURE.match(cell) else None)
        for cell in rest
    ]
    return element("tr", *shown)


def _inline(text: str) -> Markup:
    parts = _CODE.split(text)
    return join([element("code", part) if place % 2 else part for place, part in enumerate(parts)])
