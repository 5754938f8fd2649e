"""JSON Lines as blocks: types, guesses that prove wrong, odd numbers, and what is no row."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.data.formats import json_lines, json_rows
from tidemill.data.formats.blocks import RAW_LIMIT, Block, RowFault, Widened
from tidemill.errors import UploadRejected
from tidemill.projects import Kind

RULES = {"n": Kind.NUMBER, "i": Kind.INTEGER, "c": Kind.CATEGORY, "t": Kind.TIMESTAMP}


def pieces(text: str | bytes, size: int) -> Iterator[bytes]:
    body = text if isinstance(text, bytes) else text.encode()
    return (body[start : start + size] for start in range(0, len(body), size))


def read(
    text: str | bytes,
    kinds: dict[str, Kind] | None = None,
    rules: tuple[str, ...] = (),
    *,
    size: int = 1 << 16,
    block_bytes: int = 1 << 20,
) -> list[Block]:
    chunks = pieces(text, size)
    return list(json_lines.blocks(chunks, kinds=kinds or {}, rules=rules, block_bytes=block_bytes))


def columns(blocks: list[Block]) -> dict[str, list[Any]]:
    return pa.Table.from_batches([block.batch for block in blocks]).to_pydict()


def ruled(*rows: str) -> Block:
    (block,) = read("\n".join(rows), RULES, tuple(RULES))
    return block


def faults(text: str | bytes) -> list[RowFault]:
    return [fault for block in read(text) for fault in block.faults]


def test_columns_with_rules_are_of_their_kind_and_say_which_cells_are_not() -> None:
    block = ruled(
        '{"n": 1, "i": 2.0, "c": "x", "t": "2026-01-02T03:04:05+01:00"}',
        '{"n": "1.5", "i": "7", "c": 7, "t": null}',
        '{"n": true, "i": 1.5, "c": [1], "t": 1767312000}',
        '{"n": "one", "c": "NA", "t": "2026-02-30"}',
        '{"n": {"b": 1, "a": 2}, "c": false}',
    )
    assert block.batch.to_pydict() == {
        "n": [1, 1.5, None, None, None],
        "i": [2, 7, None, None, None],
        "c": ["x", "7", None, None, "false"],
        "t": [datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC), None, None, None, None],
    }
    told = {
        name: [(row, block.text[name][row].as_py()) for row in np.flatnonzero(mask)]
        for name, mask in block.unreadable.items()
    }
    assert told == {
        "n": [(2, "true"), (3, "one"), (4, '{"a":2,"b":1}')],
        "i": [(2, "1.5")],
        "c": [(2, "[1]")],
        "t": [(2, "1767312000"), (3, "2026-02-30")],
    }


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1E400", "9" * 400, "9" * 5000])
@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.INTEGER])
def test_numbers_that_are_not_finite_are_unreadable_cells(text: str, kind: Kind) -> None:
    (block,) = read(f'{{"a": {text}, "b": 1}}\n{{"a": 2, "b": 2}}\n', {"a": kind}, ("a",))
    assert block.batch.to_pydict() == {"a": [None, 2], "b": [1, 2]}
    assert block.unreadable["a"].to_pylist() == [True, False]
    assert block.text["a"].to_pylist() == [text, None]
    assert not block.faults


def test_big_integers_become_the_nearest_number() -> None:
    assert columns(read(f'{{"a": {2**53 + 1}}}\n{{"a": {10**30}}}\n'))["a"] == [2.0**53, 1e30]


def test_columns_without_a_rule_are_guessed() -> None:
    rows = [
        {"n": 1, "b": True, "s": "x", "t": "2026-01-02", "o": {"k": [1]}, "m": 1, "e": None},
        {"n": 1.5, "b": None, "s": "", "t": "2026-01-02T03:04:05Z", "o": None, "m": "x", "e": None},
    ]
    (block,) = read("".join(json.dumps(row) + "\n" for row in rows))
    assert block.batch.to_pydict() == {
        "n": [1, 1.5],
        "b": ["true", None],
        "s": ["x", None],
        "t": [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)],
        "o": ['{"k":[1]}', None],
        "m": ["1", "x"],
        "e": [None, None],
    }
    assert not block.unreadable


def test_every_block_has_the_known_columns() -> None:
    blocks = read('{"b": 1}\n{"b": 2}\n', {"a": Kind.CATEGORY, "b": Kind.NUMBER}, ("a",), size=4, block_bytes=4)
    assert len(blocks) == 2
    assert columns(blocks) == {"a": [None, None], "b": [1, 2]}


@pytest.mark.parametrize(
    ("first", "second", "wider"),
    [
        ('{"a": 1}', '{"a": "x"}', {"a": Kind.CATEGORY}),
        ('{"a": 1}', '{"a": true}', {"a": Kind.CATEGORY}),
        ('{"a": 1}', '{"a": "2026-01-01"}', {"a": Kind.CATEGORY}),
        ('{"a": "2026-01-01"}', '{"a": "soon"}', {"a": Kind.CATEGORY}),
        ('{"a": "2026-01-01"}', '{"a": 1}', {"a": Kind.CATEGORY}),
        ('{"a": null}', '{"a": "2026-01-01"}', {"a": Kind.TIMESTAMP}),
        ('{"a": null}', '{"a": "x"}', {"a": Kind.CATEGORY}),
        ('{"a": 1}', '{"a": 1, "z": 2, "y": "x"}', {"z": Kind.NUMBER, "y": Kind.CATEGORY}),
    ],
)
def test_a_guess_that_proves_wrong_is_told_once_for_all(first: str, second: str, wider: dict[str, Kind]) -> None:
    text = f'{first}\n{second}\n{{"late": {{}}}}\n'
    with pytest.raises(Widened) as caught:
        read(text, size=4, block_bytes=4)
    assert caught.value.kinds == {**wider, "late": Kind.CATEGORY}
    again = read(text, caught.value.kinds, size=4, block_bytes=4)
    assert [block.batch.num_rows for block in again] == [1, 1, 1]
    assert len({str(block.batch.schema) for block in again}) == 1
    assert not any(block.unreadable for block in again)


def test_what_fits_does_not_widen() -> None:
    text = '{"a": 1, "b": "x", "n": null}\n{"a": 2.5, "b": 7, "n": 3}\n{"a": NaN, "b": {}, "n": null}\n'
    blocks = read(text, size=4, block_bytes=4)
    assert columns(blocks) == {"a": [1, 2.5, None], "b": ["x", "7", "{}"], "n": [None, 3, None]}
    assert blocks[2].text["a"].to_pylist() == ["NaN"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_are_counted_and_kept(size: int) -> None:
    text = '{"a": 1}\r\n\n  \n{"a": "é"}\nno\n{"a": 2}'
    (block,) = read(text, {"a": Kind.CATEGORY}, size=size)
    assert block.lines.tolist() == [1, 4, 6]
    assert [block.raw(row) for row in range(3)] == [b'{"a": 1}', '{"a": "é"}'.encode(), b'{"a": 2}']
    assert [fault.line for fault in block.faults] == [5]
    small = read(text, {"a": Kind.CATEGORY}, size=size, block_bytes=1)
    assert [line for block in small for line in block.lines.tolist()] == [1, 4, 6]
    (later,) = json_lines.blocks(pieces(text, size), kinds={"a": Kind.CATEGORY}, rules=(), first_line=11)
    assert later.lines.tolist() == [11, 14, 16]


@pytest.mark.parametrize(
    ("line", "code", "reason"),
    [
        ("[" * 100_000, "too_deep", "the line has brackets in brackets too deeply to be read; flatten it"),
        (
            '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
            "too_deep",
            "the line has brackets in brackets too deeply to be read; flatten it",
        ),
        (
            '{"a": 1',
            "bad_json",
            "the line is not JSON: Expecting ',' delimiter at character 8; write one object on each line",
        ),
        (
            '{"a": 1} {"a": 2}',
            "bad_json",
            "the line is not JSON: Extra data at character 10; write one object on each line",
        ),
        ("[1, 2]", "bad_json", "the line is JSON, but not an object; write one object on each line"),
        (
            '{"a": 1, "a": 2}',
            "duplicate_keys",
            "a key stands more than once in the object; keep one of each",
        ),
        (
            '{"a": "\\ud800"}',
            "bad_json",
            r"the line holds half of a character (\ud800 to \udfff stand in pairs)",
        ),
    ],
)
def test_what_is_no_row_is_a_fault_and_the_others_stay(line: str, code: str, reason: str) -> None:
    (block,) = read(f'{{"a": 1}}\n{line}\n{{"a": 2}}\n', size=1 << 20)
    assert block.batch.to_pydict() == {"a": [1, 2]}
    assert block.faults == [RowFault(2, code, None, reason, raw=line[:RAW_LIMIT])]


@pytest.mark.parametrize(
    "line", ['{"a" :1,"a":2}', '{"a":1,"b":{"c":1},"a" : 2}', '{"a":"x\\":","a":1}', '{"":1,"":1}']
)
def test_a_key_that_is_there_twice_however_it_is_spelled(line: str) -> None:
    assert [fault.code for fault in faults(line)] == ["duplicate_keys"]


def test_bytes_that_are_no_text_are_a_fault() -> None:
    (fault,) = faults(b'{"a": "\xff"}\n')
    assert (fault.code, fault.reason) == ("bad_json", "the line is not UTF-8 text")


def test_a_nested_object_may_repeat_a_key_and_a_pair_may_be_escaped() -> None:
    assert columns(read('{"a": {"b": 1, "b": 2}}\n{"a": "\\ud83d\\ude00"}\n')) == {"a": ['{"b":2}', "😀"]}


def test_a_file_of_faults_only_has_no_columns() -> None:
    (block,) = read("no\nneither\n")
    assert (block.batch.num_rows, block.batch.num_columns, len(block.faults)) == (0, 0, 2)
    assert read("\n\n") == []
    (empty,) = read("{}\n{}\n")
    assert (empty.batch.num_rows, empty.batch.num_columns) == (2, 0)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_too_many_keys(block_bytes: int) -> None:
    rows = "".join(json.dumps({f"k{row * 100 + i}": 1 for i in range(100)}) + "\n" for row in range(21))
    with pytest.raises(UploadRejected) as caught:
        read(rows, size=1000, block_bytes=block_bytes)
    assert (caught.value.code, caught.value.reason) == (
        "too_many_columns",
        "the rows up to line 21 have more than 2,000 different keys; use keys for columns, not for values",
    )


@pytest.mark.parametrize("closed", [b"", b'"}\n'])
def test_a_row_that_is_too_long_is_not_held(closed: bytes) -> None:
    taken = []
    chunk = b"x" * (1 << 20)

    def endless() -> Iterator[bytes]:
        yield b'{"a": 1}\n{"a": "'
        for number in range(100):
            taken.append(number)
            yield chunk if not closed or number < 17 else chunk + closed

    with pytest.raises(UploadRejected) as caught:
        list(json_lines.blocks(endless(), kinds={}, rules=()))
    assert (caught.value.code, caught.value.reason) == (
        "row_too_long",
        "line 2 is longer than 16 MiB; write one object on each line",
    )
    assert len(taken) <= 18


def test_blocks_are_bounded_in_rows_and_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MOST_ROWS", 10)
    assert [block.batch.num_rows for block in read('{"a": 1}\n' * 25)] == [10, 10, 5]
    monkeypatch.setattr(json_rows, "MOST_CELLS", 12)
    known = dict.fromkeys("abcd", Kind.NUMBER)
    assert [block.batch.num_rows for block in read('{"a": 1}\n' * 8, known)] == [3, 3, 2]


VALUES = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=4)


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), VALUES | st.lists(VALUES, max_size=2)), max_size=12),
    st.integers(1, 60),
)
def test_any_rows_are_read_after_one_widening_at_most(rows: list[dict[str, Any]], block_bytes: int) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    kinds: dict[str, Kind] = {}
    for _ in itertools.repeat(None, 2):
        try:
            blocks = read(text, kinds, size=9, block_bytes=block_bytes)
            break
        except Widened as wider:
            kinds = {**kinds, **wider.kinds}
    else:
        raise AssertionError("widened twice")
    assert sum(block.batch.num_rows for block in blocks) == len(rows)
    assert not any(block.faults for block in blocks)
