"""Delimited text as blocks: the rows that the csv module sees, whatever is in the cells and wherever it is cut."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidemill.data.formats import delimited, row_ends
from tidemill.data.formats.blocks import NULLS, Block, RowFault, Widened
from tidemill.data.formats.layouts import Layout
from tidemill.errors import UploadRejected
from tidemill.projects import Kind

TEXT = {"a": Kind.CATEGORY, "b": Kind.CATEGORY}
ALL = {"n": Kind.NUMBER, "i": Kind.INTEGER, "c": Kind.CATEGORY, "t": Kind.TIMESTAMP}


def read(
    text: str | bytes,
    kinds: Mapping[str, Kind] = TEXT,
    *,
    delimiter: str = ",",
    block_bytes: int = 1 << 20,
    **more: Any,
) -> list[Block]:
    body = text.encode() if isinstance(text, str) else text
    more = {"rules": list(kinds)} | more
    return list(delimited.blocks([body], delimiter=delimiter, kinds=kinds, block_bytes=block_bytes, **more))


def rows(blocks: list[Block]) -> list[tuple[int, list[Any]]]:
    """Line and cells of each row."""
    found = []
    for block in blocks:
        found += list(zip(block.lines.tolist(), map(list, map(dict.values, block.batch.to_pylist())), strict=True))
    return found


def faults(blocks: list[Block]) -> list[RowFault]:
    return [fault for block in blocks for fault in block.faults]


def expected(text: str, width: int, delimiter: str = ",") -> tuple[list[tuple[int, list[Any]]], list[int]]:
    """What the csv module makes of it: line and cells of the rows of that width, and the lines of the others."""
    good, bad, line = [], [], 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    records = []
    for record in reader:
        if record:
            records.append((line, record))
        line = reader.line_num + 1
    for line, record in records[1:]:
        if len(record) == width:
            good.append((line, [None if cell in NULLS else cell for cell in record]))
        else:
            bad.append(line)
    return good, bad


def refused(text: str | bytes, **more: Any) -> UploadRejected:
    with pytest.raises(UploadRejected) as caught:
        read(text, **more)
    return caught.value


# Any text of these, and what its quotes, line ends and lengths make of it.
noise = st.text(alphabet='",;a\n\r \u00e9\U0001f30a\ufeff', max_size=40)


@settings(deadline=None)
@given(noise, st.sampled_from([1, 2, 3, 7, 1000]), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([1, 2]))
@example('"a"b,c"d\n""x,""\n', 1000, "\n", 1)
@example('a,"\n\n"\r\n\r\nb,"""\r"""\r\n', 3, "\r\n", 1)
@example("\ufeffa,b\n\ufeffc,d\n", 1, "\n", 1)
def test_any_text_is_read_as_csv_reads_it(body: str, block_bytes: int, end: str, workers: int) -> None:
    text = "a,b" + end + body
    try:
        blocks = read(text, block_bytes=block_bytes, workers=workers)
    except UploadRejected as refusal:
        assert refusal.code == "unclosed_quote"
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(text.replace('""', ""), newline=""), strict=True))
        return
    good, bad = expected(text, 2)
    assert rows(blocks) == good
    assert [fault.line for fault in faults(blocks)] == bad


cell = st.one_of(st.text(max_size=6), st.sampled_from(['"', '""', "a\nb", "\r\n", ",", ";", "NA", "", "1"]))


@settings(deadline=None)
@given(
    st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 80),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_written_table_comes_back(
    table: list[list[str]], delimiter: str, end: str, block_bytes: int, quoting: Any
) -> None:
    buffer = io.StringIO(newline="")
    names = ["x y", "z", '"q"']
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([names, *table])
    kinds = dict.fromkeys(names, Kind.CATEGORY)
    try:
        text = buffer.getvalue().encode()
    except UnicodeEncodeError:
        return
    blocks = read(text, kinds, delimiter=delimiter, block_bytes=block_bytes)
    assert [cells for _, cells in rows(blocks)] == [[None if c in NULLS else c for c in row] for row in table]
    for block in blocks:
        for row in range(block.batch.num_rows):
            raw = next(csv.reader(io.StringIO(block.raw(row).decode(), newline=""), delimiter=delimiter))
            cells = list(block.batch.slice(row, 1).to_pylist()[0].values())
            assert [None if c in NULLS else c for c in raw] == cells


@settings(deadline=None)
@given(noise, st.integers(0, 40))
def test_line_feeds_are_counted(body: str, start: int) -> None:
    assert row_ends.line_feeds(body.encode()[start:]) == body.encode()[start:].count(b"\n")


def test_each_kind_has_its_type() -> None:
    (block,) = read(
        "n,i,c,t\n1.5,2, a ,2026-01-02T03:04:05Z\n,NA,,null\n-1e3, 7.0 ,007,2026-01-02 04:04+01:00\n", ALL
    )
    assert block.batch.to_pydict()["n"] == [1.5, None, -1000]
    assert block.batch.to_pydict()["i"] == [2, None, 7]
    assert block.batch.to_pydict()["c"] == [" a ", None, "007"]
    times = block.batch.column("t")
    assert times.type == pa.timestamp("us", tz="UTC")
    assert [time and time.isoformat() for time in times.to_pylist()] == [
        "2026-01-02T03:04:05+00:00",
        None,
        "2026-01-02T03:04:00+00:00",
    ]
    assert (block.unreadable, block.kinds) == ({}, ALL)


@pytest.mark.parametrize(
    "word", ["abc", "1_000", "1,5", "0x10", "inf", "-Infinity", "1e400", "True", "1 2", "NAN", " "]
)
@pytest.mark.parametrize("rows_before", [0, 3])
def test_what_is_no_finite_number_is_unreadable_with_its_text(word: str, rows_before: int) -> None:
    (block,) = read("n,c\n" + "1,x\n" * rows_before + f'"{word}",x\n2,y\n', {"n": Kind.NUMBER, "c": Kind.CATEGORY})
    assert block.unreadable["n"].to_pylist() == [False] * rows_before + [True, False]
    assert block.text["n"].to_pylist()[rows_before] == word
    assert block.batch.column("n").to_pylist() == [1.0] * rows_before + [None, 2.0]
    assert block.batch.column("c").null_count == 0


@pytest.mark.parametrize(
    ("kind", "cells", "unreadable"),
    [
        (Kind.INTEGER, ["1", "1.5", "2.0", ""], [False, True, False, False]),
        (Kind.TIMESTAMP, ["2026-02-28", "2026-02-29", "31/12/2026", "NA"], [False, True, True, False]),
        (Kind.TIMESTAMP, ["2026-01-01T00:00Z", "2026-01-01", "20260102T030405", "x"], [False, False, False, True]),
        (Kind.TIMESTAMP, ["0000-01-01", "0001-01-01", "9999-12-31"], [True, False, False]),
    ],
)
def test_cells_of_a_column_are_judged_one_by_one(kind: Kind, cells: list[str], unreadable: list[bool]) -> None:
    (block,) = read("c,x\n" + "".join(f"{cell},1\n" for cell in cells), {"c": kind, "x": Kind.NUMBER})
    assert block.unreadable["c"].to_pylist() == unreadable


def test_many_columns_that_do_not_fit_are_told_each() -> None:
    names = [f"c{number}" for number in range(40)]
    kinds = dict.fromkeys(names, Kind.NUMBER) | {"c1": Kind.TIMESTAMP, "c39": Kind.TIMESTAMP}
    lines = [names, ["1"] * 40, ["x"] * 40]
    blocks = read("\n".join(map(",".join, lines)) + "\n", kinds, block_bytes=100)
    assert set(blocks[-1].unreadable) == set(names)


def test_times_with_zones_and_without_may_take_turns() -> None:
    lines = ["2026-01-01T00:00:00", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", "2026-01-01"] * 8
    blocks = read("t,x\n" + "".join(f"{line},1\n" for line in lines), {"t": Kind.TIMESTAMP}, block_bytes=30)
    assert not any(block.unreadable for block in blocks)
    assert len({cells[0] for _, cells in rows(blocks)}) == 1


def test_rows_of_another_width_are_faults_with_their_lines() -> None:
    (block,) = read('a,b\n\n1,2\n"x\ny",3,4\n5\n6,7\n')
    assert rows([block]) == [(3, ["1", "2"]), (7, ["6", "7"])]
    assert [(fault.line, fault.code, fault.raw) for fault in block.faults] == [
        (4, "uneven_row", '"x\ny",3,4'),
        (6, "uneven_row", "5"),
    ]
    assert block.faults[0].reason == "3 cells, the header has 2; check separators and quotes"
    assert block.faults[-1:] == [block.faults[1]]


def test_blocks_have_few_rows_however_short_these_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MOST_ROWS", 10)
    monkeypatch.setattr(delimited, "MOST_LINES", 25)
    text = "n,m\n" + "".join(f'{row if row % 7 else "x"},"1\n2"\n' for row in range(99))
    kinds = {"n": Kind.INTEGER, "m": Kind.CATEGORY}
    blocks = read(text, kinds)
    assert max(block.batch.num_rows for block in blocks) == 10
    values = [value for block in blocks for value in block.batch.column("n").to_pylist()]
    assert values == [row if row % 7 else None for row in range(99)]
    assert [block.raw(row) for block in blocks for row in range(block.batch.num_rows)][13] == b'13,"1\n2"'
    assert [line for block in blocks for line in block.lines.tolist()] == list(range(2, 200, 2))
    words = [word for block in blocks if "n" in block.text for word in block.text["n"].to_pylist()]
    assert words.count("x") == 15


def test_only_the_columns_asked_for_are_read() -> None:
    (block,) = read("a,b,n\n1,2,x\n3,4,5\n", {"b": Kind.NUMBER}, only=["b"])
    assert block.batch.to_pydict() == {"b": [2.0, 4.0]}


def test_a_part_is_read_by_the_header_of_the_whole() -> None:
    blocks = read("3,4\n5,6\n", header=["a", "b"], first_line=12)
    assert rows(blocks) == [(12, ["3", "4"]), (13, ["5", "6"])]


def test_a_header_alone_gives_its_columns() -> None:
    (block,) = read("\n\r\na,n", {"n": Kind.NUMBER})
    assert block.batch.num_rows == 0
    assert block.batch.schema.names == ["a", "n"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "empty_file", "the file is empty; upload a file with a header line and rows"),
        ("\n\r\n\n", "empty_file", "header line"),
        ("a,b,a,b,c\n1,2,3,4,5\n", "duplicate_columns", "called 'a', 'b'; name each for itself"),
        ("a,,b\n1,2,3\n", "unnamed_column", "column 2 has no name in the header; give it one"),
        (",".join(map(str, range(10_000))) + "\n", "too_many_columns", "10,000 columns are more than 2,000"),
        ('a,b\n1,2\n3,"4\n5,6\n', "unclosed_quote", "a quote in the row at line 3 is never closed"),
    ],
)
def test_what_is_no_table_is_refused_with_a_remedy(text: str, code: str, words: str) -> None:
    for block_bytes in (1, 1 << 20):
        refusal = refused(text, block_bytes=block_bytes)
        assert refusal.code == code
        assert words in refusal.reason


def test_a_row_without_end_is_refused_before_much_was_taken() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b"a,b\n1,2\n"
        for _ in range(5 << 10):
            taken += 1 << 20
            yield b"x" * (1 << 20)

    blocks = delimited.blocks(endless(), delimiter=",", kinds=TEXT, rules=list(TEXT))
    with pytest.raises(UploadRejected, match="row_too_long: the row at line 3 has no end within 16 MiB"):
        list(blocks)
    assert taken <= 40 << 20


# Columns without a rule.


def guessed(text: str, *, block_bytes: int = 1 << 20, workers: int = 1) -> dict[str, Kind]:
    """The kinds of all columns, after as many readings as it takes: two at most."""
    try:
        blocks = read(text, {}, block_bytes=block_bytes, workers=workers)
    except Widened as wider:
        blocks = read(text, wider.kinds, rules=(), block_bytes=block_bytes, workers=workers)
    assert not any(block.unreadable for block in blocks)
    assert len({str(block.batch.schema) for block in blocks}) == 1
    return dict(blocks[-1].kinds)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", "3.0", ""], Kind.INTEGER),
        (["1", "2.5"], Kind.NUMBER),
        (["", "NA"], Kind.INTEGER),
        (["", "2026-01-01", "2026-01-01T00:00:00Z"], Kind.TIMESTAMP),
        (["20260101", "20260102"], Kind.INTEGER),
        (["20260101", "2026-01-02"], Kind.CATEGORY),
        (["1", "2026-01-01"], Kind.CATEGORY),
        (["12", "007"], Kind.CATEGORY),
        (["12", "-01"], Kind.CATEGORY),
        (["0", "0.5", "-0.25", "10"], Kind.NUMBER),
        (["1", "inf"], Kind.CATEGORY),
        (["true", "false"], Kind.CATEGORY),
        (["1.5", "x"], Kind.CATEGORY),
    ],
)
def test_a_column_has_the_narrowest_kind_that_fits_it(cells: list[str], kind: Kind) -> None:
    for order in (cells, cells[::-1]):
        text = "x,c,y\n" + "".join(f"10,{cell},2026-01-01\n" for cell in order)
        for block_bytes in (1, 1 << 20):
            assert guessed(text, block_bytes=block_bytes) == {"x": Kind.INTEGER, "c": kind, "y": Kind.TIMESTAMP}


guessable = st.sampled_from(
    ["1", "22", "1.5", "", "NA", "x", "2026-01-01", "2026-01-01T00:00Z", "007", "1e400", '"0\n1"']
)


@settings(deadline=None)
@given(st.lists(st.tuples(guessable, guessable, guessable), min_size=1, max_size=12), st.data())
def test_kinds_do_not_depend_on_how_a_file_is_cut(table: list[tuple[str, ...]], data: st.DataObject) -> None:
    text = "a,b,c\n" + "".join(",".join(row) + "\n" for row in table)
    whole = guessed(text)
    assert guessed(text, block_bytes=data.draw(st.integers(1, 40)), workers=data.draw(st.integers(1, 3))) == whole
    shuffled = data.draw(st.permutations(table))
    assert guessed("a,b,c\n" + "".join(",".join(row) + "\n" for row in shuffled), block_bytes=9) == whole


def test_blocks_that_were_parsed_at_once_agree_on_a_kind_in_the_end() -> None:
    layout = Layout.of(["x"], {}, (), None)
    kinds, unknown = layout.read_as()
    assert (kinds, unknown) == ({"x": Kind.INTEGER}, {"x"})
    layout.fit(kinds, {"x": Kind.TIMESTAMP})
    assert (layout.kinds, layout.widened) == ({"x": Kind.TIMESTAMP}, True)
    layout.fit(kinds, {"x": Kind.INTEGER})  # read before the other was known
    assert layout.kinds == {"x": Kind.CATEGORY}


number = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers(-(10**20), 10**20).map(str)
)


@settings(deadline=None)
@given(st.lists(number, min_size=1, max_size=20), st.integers(1, 60))
def test_numbers_are_those_that_python_reads(cells: list[str], block_bytes: int) -> None:
    blocks = read("n,c\n" + "".join(f"{cell},\n" for cell in cells), {"n": Kind.NUMBER}, block_bytes=block_bytes)
    values = np.array([value for block in blocks for value in block.batch.column("n").to_pylist()])
    np.testing.assert_array_equal(values, [float(cell) for cell in cells])
    assert not any(map(math.isnan, values))
