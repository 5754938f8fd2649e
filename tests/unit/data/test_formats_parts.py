"""A file in parts: the rows, lines and digest of the whole, wherever it is divided."""

import gzip
import hashlib
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.memory import MemoryObjects
from tidemill.data.formats import delimited, parts
from tidemill.data.formats.blocks import Block
from tidemill.data.formats.open_file import open_file
from tidemill.data.formats.parts import Part, part_blocks, split
from tidemill.projects import Kind

KINDS = {"n": Kind.NUMBER, "c": Kind.CATEGORY}


def told(blocks: list[Block]) -> tuple[list[Any], list[int], list[bytes], list[int]]:
    """Rows, their lines, their bytes, and the lines of those that are no rows."""
    return (
        [row for block in blocks for row in block.batch.to_pylist()],
        [line for block in blocks for line in block.lines.tolist()],
        [block.raw(row) for block in blocks for row in range(block.batch.num_rows)],
        [fault.line for block in blocks for fault in block.faults],
    )


def check(body: bytes, part_bytes: int) -> tuple[Part, ...]:
    """Read the whole and the parts, and hold one against the other; the parts."""
    objects = MemoryObjects()
    objects.put("k", body)
    place: dict[str, Any] = {"version_id": "1", "size": len(body)}
    found = split(objects, "k", **place, part_bytes=part_bytes)
    assert found.sha256 == hashlib.sha256(body).hexdigest()
    with open_file(objects, "k", **place, kinds=KINDS, rules=list(KINDS)) as file:
        whole = list(file.blocks)
    each = [
        list(part_blocks(objects, "k", **place, split=found, part=part, kinds=KINDS, rules=list(KINDS)))
        for part in found.parts
    ]
    assert told([block for blocks in each for block in blocks]) == told(whole)
    for part, blocks in zip(found.parts, each, strict=True):
        rows = sum(block.batch.num_rows + len(block.faults) for block in blocks)
        assert part.rows in (None, rows)
    return found.parts


row = st.sampled_from(["1,a", "2.5,", '"3","x\ny"', '4,"a ""b"", c"', "5", "x,é", "", '6,"\r\n"', 'a,b"c'])


@pytest.fixture(autouse=True)
def tiny_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    original = delimited.pieces
    monkeypatch.setattr(delimited, "pieces", lambda chunks, **how: original(chunks, **{"block_bytes": 9} | how))


@settings(deadline=None)
@given(
    st.lists(row, min_size=1, max_size=30),
    st.integers(1, 60),
    st.sampled_from(["", "\ufeff", "\n"]),
    st.booleans(),
)
def test_parts_of_delimited_text_are_the_whole(rows: list[str], part_bytes: int, mark: str, closed: bool) -> None:
    body = (mark + "\n".join(["n,c", *rows]) + "\n" * closed).encode()
    assert len(check(body, part_bytes)) <= len(body)


def test_parts_are_about_as_large_as_asked_for() -> None:
    body = b"n,c\n" + b'1,"a\nb"\n' * 1000
    found = check(body, 1000)
    assert (len(found), found[0].start, found[-1].end) == (9, 4, len(body))
    assert all(990 <= part.end - part.start <= 1000 for part in found[:-1])
    assert [part.line for part in found] == [2 + (part.start - 4) // 8 * 2 for part in found]
    assert sum(part.rows or 0 for part in found) == 1000


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(['{"n": 1, "c": "x"}', '{"n": 2}', "[]", "", '{"c": "a\\nb\\"c"}']), min_size=1),
    st.integers(1, 99),
)
def test_parts_of_json_lines_are_the_whole(lines: list[str], part_bytes: int) -> None:
    body = ("\n".join([json.dumps({"n": 0}), *lines])).encode()
    check(body, part_bytes)


def test_parts_of_parquet_are_row_groups() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"n": range(100), "c": ["x"] * 100}), sink, row_group_size=10)
    found = check(sink.getvalue(), 400)
    assert len(found) > 1
    assert found[1].line == 1 + (found[0].rows or 0)
    assert check(sink.getvalue(), parts.PART) == (Part(0, 10, 1, 100),)


@pytest.mark.parametrize(
    "body", [gzip.compress(b"n,c\n1,a\n" * 9), "n,c\n1,é\n".encode("utf-16"), b"n,c\r1,a\r2,b\r"]
)
def test_what_cannot_be_divided_is_one_part(body: bytes) -> None:
    assert check(body, 1) == (Part(0, len(body), 1),)
