"""The rows that were left out, for a person and for a program: `rows.html` and `rows.parquet`.

Called by `take_in`. Both lie in `quarantine/`, the only place where a refused row may be.
"""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.data.formats.blocks import RowFault
from tidemill.data.quality.faults import Fault
from tidemill.pages.markup import Markup, element, join
from tidemill.pages.style import STYLE

SHOWN = 500
"""Rows that the page shows; the Parquet file has all that were kept."""

_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("code", pa.string()),
        ("column", pa.string()),
        ("reason", pa.string()),
        ("value", pa.string()),
        ("row", pa.string()),
    ]
)
_MORE = """
td.what { white-space: normal; }
td.row { white-space: pre-wrap; word-break: break-word; font: 0.88em ui-monospace, monospace; }
"""


def parquet(rows: Sequence[RowFault]) -> bytes:
    """The rows as a Parquet file: line, code, column, reason, value, row."""
    columns = {
        "line": [fault.line for fault in rows],
        "code": [fault.code for fault in rows],
        "column": [fault.column for fault in rows],
        "reason": [fault.reason for fault in rows],
        "value": [fault.value for fault in rows],
        "row": [fault.raw for fault in rows],
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def page(
    *, project: str, file: str, rows: int, bad: int, faults: Sequence[Fault], kept: Sequence[RowFault]
) -> str:
    """One self-contained HTML page: how many rows of `rows` are bad, by which rule, and the first of them."""
    title = f"{bad:,} of {rows:,} rows of {file} break the rules of {project}"
    body = element(
        "main",
        element("p", "Tidemill · rows in quarantine", class_="over"),
        element("h1", title),
        element("h2", "By rule"),
        _table(("rule", "column", "rows", "what"), [_rule(fault) for fault in faults]),
        element("h2", f"The first {min(len(kept), SHOWN):,}"),
        _table(("line", "rule", "column", "value", "row"), [_row(fault) for fault in kept[:SHOWN]]),
        element("div", element("p", _note(len(kept))), class_="notes"),
    )
    style = Markup(f"<style>{STYLE}{_MORE}</style>")
    head = element("head", Markup('<meta charset="utf-8">'), element("title", title), style)
    return "<!doctype html>" + element("html", head, element("body", body), lang="en")


def _note(kept: int) -> str:
    more = f" It has {kept:,} rows; this page shows {SHOWN}." if kept > SHOWN else ""
    return (
        f"The same rows are in rows.parquet beside this page, for programs.{more} A row may break several rules."
    )


def _rule(fault: Fault) -> Markup:
    cells = (element("td", fault.code), element("td", fault.column or ""))
    return element(
        "tr",
        *cells,
        element("td", f"{fault.count:,}", class_="figure"),
        element("td", fault.message, class_="what"),
    )


def _row(fault: RowFault) -> Markup:
    cells = (f"{fault.line:,}", fault.code, fault.column or "", fault.value)
    return element("tr", *(element("td", cell) for cell in cells), element("td", fault.raw, class_="row"))


def _table(headings: Sequence[str], rows: Sequence[Markup]) -> Markup:
    head = element("tr", *(element("th", heading) for heading in headings))
    return element(
        "div", element("table", element("thead", head), element("tbody", join(list(rows)))), class_="wide"
    )
