"""500 personal values of every kind in nested and odd places among 20,000 clean rows: each is found, alone and
among the rest, and none is left after masking."""

import json
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest

from tests.unit.data.personal_specimens import FOUND
from tidemill.data.personal import Scanner, mask_batch

ROWS, PLANTED, SIZE = 20_000, 500, 4_096
TEXTS = [text for _, _, text in FOUND if text[:1] not in "{[" and "e+" not in text and not text.endswith(".0")]
_THING = pa.struct([("id", pa.int64()), ("tags", pa.list_(pa.struct([("k", pa.string()), ("v", pa.string())])))])
TYPES = {
    "comment": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "payload": pa.large_string(),
    "thing": _THING,
    "labels": pa.map_(pa.string(), pa.string()),
    "blob": pa.binary(),
    "amount": pa.int64(),
    "reading": pa.float64(),
    "series": pa.list_(pa.int64()),
    "mobile": pa.int64(),
    "size": pa.int32(),
    "taken": pa.timestamp("ms"),
}


def clean(draw: random.Random, row: int) -> dict[str, Any]:
    stamp = f"2024-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}T10:{draw.randint(10, 59)}:00Z"
    return {
        "comment": draw.choice(
            ["fine", f"batch {row} of {ROWS}, at {stamp}", f"{draw.random():.6f}", "(at noon) 5 %"]
        ),
        "category": draw.choice(["Ideal", "Premium", "Good"]),
        "payload": json.dumps({"id": 10**9 + row, "at": stamp, "v": [draw.random(), row]}),
        "thing": {"id": row, "tags": [{"k": "n", "v": str(draw.randint(0, 10**6))}] * draw.randint(0, 2)},
        "labels": [("host", f"node-{row % 7}"), ("digest", f"{draw.getrandbits(128):032x}")],
        "blob": draw.randbytes(12),
        "amount": draw.randint(0, 10**6),
        "reading": draw.gauss(0, 1000),
        "series": [draw.randint(0, 10**6) for _ in range(draw.randint(0, 3))],
        "mobile": None,
        "size": draw.randint(0, 10**9),
        "taken": 1_700_000_000_000 + row,
    }


def card(draw: random.Random) -> int:
    body = draw.choice(["4", "51", "55", "2221", "6011"])
    body += "".join(draw.choice("0123456789") for _ in range(15 - len(body)))
    doubled = [int(one) * (2 - place % 2) for place, one in enumerate(body)]
    return int(body + str(-sum(one - 9 * (one > 9) for one in doubled) % 10))


def nested_json(text: str) -> str:
    return json.dumps({"a": [{"note": f"re: {text}", "n": 1}], "b": None})


# Where a planted value goes: the column, and what its cell becomes.
PLACES: list[tuple[str, Callable[[random.Random, str], Any]]] = [
    ("comment", lambda draw, text: text),
    ("comment", lambda draw, text: f'He wrote: "{text}" - and left.'),
    ("category", lambda draw, text: text),
    ("payload", lambda draw, text: nested_json(text)),
    ("payload", lambda draw, text: json.dumps({"inner": nested_json(text)})),
    ("thing", lambda draw, text: {"id": 1, "tags": [{"k": "x", "v": "y"}, {"k": "z", "v": text}]}),
    ("labels", lambda draw, text: [("host", "a"), ("who", text)]),
    ("labels", lambda draw, text: [(text, "1")]),
    ("blob", lambda draw, text: text.encode()),
    (
        "blob",
        lambda draw, text: (
            b"\xff\x00" + f"EXIF {text}".encode() + b"\x00\xfe" if text.isascii() else text.encode()
        ),
    ),
    ("amount", lambda draw, text: card(draw)),
    ("reading", lambda draw, text: float(card(draw))),
    ("series", lambda draw, text: [7, card(draw), 9]),
    ("mobile", lambda draw, text: 15550000000 + draw.randint(0, 10**6)),
]


@lru_cache(maxsize=1)
def planted() -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The rows, and for each with a planted value the column it is in."""
    draw = random.Random(20240501)
    rows = [clean(draw, row) for row in range(ROWS)]
    where = {}
    for number, row in enumerate(draw.sample(range(ROWS), PLANTED)):
        column, put = PLACES[number % len(PLACES)]
        rows[row][column] = put(draw, TEXTS[(number // len(PLACES) + number) % len(TEXTS)])
        where[row] = column
    return rows, where


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    arrays = [pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(TYPES))


def found(scanner: Scanner) -> set[tuple[int, str]]:
    return {(one.row, one.column) for one in scanner.findings() if one.row is not None}


def test_every_planted_value_is_found_among_clean_rows_and_masked() -> None:
    rows, where = planted()
    batches = [batch(rows[first : first + SIZE]) for first in range(0, ROWS, SIZE)]
    scanner = Scanner(kept=ROWS)
    for number, part in enumerate(batches):
        scanner.scan(part, number * SIZE)
    assert found(scanner) == set(where.items())
    left = Scanner(kept=ROWS)
    for part in batches:
        masked, counts = mask_batch(part, scanner)
        assert masked.schema.equals(part.schema)
        assert counts
        left.scan(masked)
    assert found(left) == set()


@pytest.mark.parametrize("first", range(0, PLANTED, 100))
def test_every_planted_value_is_found_alone_and_masked(first: int) -> None:
    rows, where = planted()
    for row in sorted(where)[first : first + 100]:
        alone = batch([rows[row]])
        scanner = Scanner()
        scanner.scan(alone)
        assert found(scanner) == {(0, where[row])}, rows[row][where[row]]
        left = Scanner()
        left.scan(mask_batch(alone)[0])
        assert found(left) == set(), rows[row][where[row]]


def test_clean_rows_are_clean() -> None:
    draw = random.Random(1)
    scanner = Scanner()
    for first in range(0, ROWS, SIZE):
        scanner.scan(batch([clean(draw, row) for row in range(first, first + SIZE)]))
    assert found(scanner) == set()
