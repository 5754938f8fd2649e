"""The rows that were left out, as a page for people and a Parquet file for programs."""

import io
from html.parser import HTMLParser

import pyarrow.parquet as pq

from tidemill.data.formats.blocks import RowFault
from tidemill.data.quality import evidence
from tidemill.data.quality.faults import Fault, Tally

HOSTILE = '<script>alert("x")</script>&amp;'


class Cells(HTMLParser):
    """The texts of the page's cells, and the names of all its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["td"] and self.cells:
            self.cells[-1] += data


def page(kept: list[RowFault]) -> str:
    faults = [Fault("wrong_type", HOSTILE, f"column {HOSTILE!r}: 2 of 9 values are not a number", 2, (3, 4))]
    return evidence.page(project="tides", file=HOSTILE, rows=1234567, bad=2, faults=faults, kept=kept)


def test_the_page_shows_what_stood_in_the_file_and_runs_none_of_it() -> None:
    text = page([RowFault(3, "wrong_type", HOSTILE, "not a number", HOSTILE, f"1,{HOSTILE}\n2")])
    parser = Cells()
    parser.feed(text)
    assert "script" not in parser.tags
    assert {HOSTILE, "wrong_type", "3", f"1,{HOSTILE}\n2"} <= set(parser.cells)
    assert "2 of 1,234,567 rows" in text
    assert text.startswith("<!doctype html><html")


def test_a_long_page_is_cut_and_says_so() -> None:
    text = page([RowFault(line, "null_value", "a", "missing") for line in range(1, 1000)])
    parser = Cells()
    parser.feed(text)
    assert f"{evidence.SHOWN:,}" in parser.cells
    assert f"{evidence.SHOWN + 1:,}" not in parser.cells
    assert "It has 999 rows; this page shows 500." in text


def test_the_parquet_file_has_every_row_that_was_kept() -> None:
    rows = [RowFault(line, "uneven_row", None, "3 cells", raw="a,\x00,é") for line in range(600)]
    rows.append(RowFault(2**40, "below_minimum", "level", "below the minimum 1", "0", "0"))
    table = pq.read_table(io.BytesIO(evidence.parquet(rows)))
    assert table.num_rows == 601
    assert table.slice(600).to_pylist() == [
        {
            "line": 2**40,
            "code": "below_minimum",
            "column": "level",
            "reason": "below the minimum 1",
            "value": "0",
            "row": "0",
        }
    ]
    assert table.column("row")[0].as_py() == "a,\x00,é"


def test_a_tally_counts_all_and_tells_the_first() -> None:
    tally = Tally()
    for line in range(9):
        tally.add("wrong_type", "n", "not a number", 2, [RowFault(line, "wrong_type", "n", "", f"v{line % 3}")])
    tally.add("uneven_row", None, "1 cells", 1, [RowFault(7, "uneven_row", None, "1 cells")])
    uneven, wrong = tally.faults(50)
    assert (wrong.count, wrong.lines, wrong.examples) == (18, (0, 1, 2, 3, 4), ("v0", "v1", "v2"))
    assert wrong.message == "column 'n': 18 of 50 values are not a number (for example 'v0', 'v1')"
    assert uneven.message == (
        "1 of 50 rows have another number of cells than the header (lines 7; the first: 1 cells)"
    )
