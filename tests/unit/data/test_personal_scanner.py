"""The scanner over Arrow columns of every type, its judgement of whole columns, and the masked batches."""

import itertools
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.data.personal_specimens import CLEAN, FOUND
from tidemill.data.personal import Finding, Scanner, mask_batch, names
from tidemill.data.personal.scanner import KEPT

MAIL, CARD, PHONE = "jane@example.com", 4111111111111111, 15551234567
N = 60


def batch(**columns: Any) -> pa.RecordBatch:
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def scan(rows: pa.RecordBatch, **exceptions: set[str]) -> list[Finding]:
    scanner = Scanner(exceptions)
    return scanner.scan(rows) + scanner.finish()


def places(findings: list[Finding]) -> list[tuple[str, str, int | None]]:
    return [(found.kind, found.path, found.row) for found in findings]


@pytest.mark.parametrize(("kind", "detail", "text"), FOUND)
def test_a_specimen_alone_is_found_and_masked(kind: str, detail: str, text: str) -> None:
    alone = batch(v=[text])
    found = scan(alone)
    assert kind in {one.kind for one in found}
    assert not detail or detail in {one.detail for one in found}
    masked, counts = mask_batch(alone)
    assert f"[{kind}]" in masked.column("v")[0].as_py()
    assert sum(counts.values()) >= 1
    assert scan(masked) == []


@pytest.mark.parametrize("text", CLEAN)
def test_everyday_data_alone_is_not_found(text: str) -> None:
    rows = batch(v=[text])
    assert scan(rows) == []
    assert mask_batch(rows)[0].equals(rows)


def _odd_arrays() -> dict[str, tuple[pa.Array, str]]:
    mails, clean = pa.array(["x", MAIL, None]), [1, 2, 3]
    struct = pa.array([{"a": 1, "b": ["x"]}, {"a": 2, "b": ["y", MAIL]}, None])
    return {
        "string": (mails, ""),
        "large_string": (mails.cast(pa.large_string()), ""),
        "string_view": (mails.cast(pa.string_view()), ""),
        "binary": (mails.cast(pa.binary()), ""),
        "broken utf8": (pa.array([b"x", b"\xff\xfe" + MAIL.encode() + b"\x00", None]), ""),
        "fixed binary": (pa.array([b"x" * 16, MAIL.encode(), None], pa.binary(16)), ""),
        "dictionary": (mails.dictionary_encode(), ""),
        "run ends": (pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3], pa.int32()), mails), ""),
        "list": (pa.array([["x"], ["y", MAIL], None]), "[]"),
        "large list": (pa.array([["x"], ["y", MAIL], None], pa.large_list(pa.string())), "[]"),
        "fixed list": (pa.array([["x", "y"], ["y", MAIL], None], pa.list_(pa.string(), 2)), "[]"),
        "struct": (struct, ".b[]"),
        "map key": (pa.array([[], [(MAIL, 1)], None], pa.map_(pa.string(), pa.int64())), "{}"),
        "map value": (pa.array([[], [("k", MAIL)], None], pa.map_(pa.string(), pa.string())), "{}"),
        "list of structs": (pa.array([[], [{"m": "x"}, {"m": MAIL}], None]), "[].m"),
        "list of lists": (pa.array([[["x"]], [[], ["y", MAIL]], None]), "[][]"),
        "json": (pa.array(["{}", f'{{"k": [{{"m": "{MAIL}"}}]}}', None]), "$.k[].m"),
        "int64": (pa.array([1, CARD, None]), ""),
        "uint64": (pa.array([1, CARD, None], pa.uint64()), ""),
        "float64": (pa.array([1.5, float(CARD), None]), ""),
        "decimal": (pa.array([Decimal(1), Decimal(CARD), None], pa.decimal128(20, 0)), ""),
        "list of int64": (pa.array([clean, [1, CARD], None]), "[]"),
        "sparse union": (
            pa.UnionArray.from_sparse(
                pa.array([0, 1, 0], pa.int8()), [pa.array(clean), pa.array(["x", MAIL, "z"])]
            ),
            "",
        ),
    }


@pytest.mark.parametrize("name", _odd_arrays())
@pytest.mark.parametrize("sliced", [False, True])
def test_a_value_is_found_and_masked_in_arrow_type(name: str, sliced: bool) -> None:
    array, path = _odd_arrays()[name]
    rows = batch(v=array.slice(1) if sliced else array)
    row = 0 if sliced else 1
    assert [one[1:] for one in places(scan(rows))] == [(path, row)]
    masked, counts = mask_batch(rows)
    assert list(counts.values()) == [1]
    assert scan(masked) == []
    assert masked.num_rows == rows.num_rows
    untouched = [at for at in range(rows.num_rows) if at != row]
    for at in untouched:
        assert masked.column(0)[at].as_py() == rows.column(0)[at].as_py() or name == "sparse union"
    assert masked.column(0)[row].as_py() != rows.column(0)[row].as_py()


def test_types_stay_when_masked() -> None:
    for name, (array, _) in _odd_arrays().items():
        if name not in ("sparse union", "run ends", "dictionary"):
            assert mask_batch(batch(v=array))[0].column(0).type == array.type, name


def test_telling_names_make_numbers_phones() -> None:
    ids = list(range(15551230000, 15551230000 + N))
    assert scan(batch(order=ids)) == []
    for column in (ids, [str(one) for one in ids], [float(one) for one in ids]):
        found = scan(batch(mobile=column))
        assert ("phone", "certain") in {(one.kind, one.severity) for one in found}
    nested = pa.array([{"phone": one} for one in ids])
    assert {one.path for one in scan(batch(c=nested))} == {".phone"}
    assert [one.kind for one in scan(batch(phone_count=[1555123456]))] == []
    masked, counts = mask_batch(batch(mobile=ids))
    assert masked.column(0).null_count == N
    assert counts == {("mobile", "phone"): N}


def test_telling_names_make_numbers_identities() -> None:
    assert {one.detail for one in scan(batch(ssn=[219099999])) if one.kind == "national_id"} == {"us_ssn"}
    assert {one.detail for one in scan(batch(bsn=[111222333])) if one.kind == "national_id"} == {"nl_bsn"}
    assert [one.kind for one in scan(batch(bsn=[111222334]))] == ["column_name"]
    assert scan(batch(item=[219099999, 111222333])) == []


def test_ids_in_sequence_or_at_random_are_not_cards() -> None:
    drawn = np.random.default_rng(7)
    for ids in (4 * 10**15 + np.arange(5000), drawn.integers(10**15, 10**16, 5000), 44010100000 + np.arange(5000)):
        assert scan(batch(id=ids)) == []
        assert scan(batch(id=[str(one) for one in ids])) == []
        assert scan(batch(id=[f"order {one} shipped" for one in ids[:500]])) == []


def test_cards_among_small_numbers_and_a_column_of_cards_are() -> None:
    assert places(scan(batch(n=[*range(1000), CARD]))) == [("card", "", 1000)]
    cards = [one for one in range(CARD, CARD + 2000) if _luhn(one)]
    assert len(scan(batch(n=cards))) == KEPT
    many = Scanner()
    many.scan(batch(n=cards))
    assert many.counts() == {("n", "card"): len(cards)}


def _luhn(number: int) -> bool:
    doubled = [int(one) * (2 - place % 2) for place, one in enumerate(f"{number:016}")]
    return sum(one - 9 * (one > 9) for one in doubled) % 10 == 0


def test_an_id_repeated_in_every_row_is_not_evidence() -> None:
    drawn = np.random.default_rng(3)
    ids = drawn.integers(10**15, 10**16, 60)
    scanner = Scanner()
    for _ in range(20):
        scanner.scan(batch(id=drawn.choice(ids, 1000)))
    assert scanner.finish() == []


def test_parts_in_any_order_give_the_same() -> None:
    cards = [one for one in range(CARD, CARD + 900) if _luhn(one)]
    parts = [
        (batch(v=[MAIL, "x"], n=cards[:2]), 0),
        (batch(v=["x", "+49 30 1234567"], n=cards[2:4]), 2),
        (batch(v=[f"{MAIL} again", "z"], n=[5, cards[4]]), 4),
    ]
    told = []
    for order in itertools.permutations(parts):
        total = Scanner()
        for part, first in order:
            one = Scanner()
            one.scan(part, first)
            total.merge(one)
        told.append((total.findings(), total.counts()))
    whole = Scanner()
    for part, first in parts:
        whole.scan(part, first)
    assert all(one == (whole.findings(), whole.counts()) for one in told)
    assert {(one.column, one.kind, one.row) for one in whole.findings()} == {
        *(("v", "email", row) for row in (0, 4)),
        ("v", "phone", 3),
        *(("n", "card", row) for row in (0, 1, 2, 3, 5)),
    }


def test_at_most_so_many_are_kept_and_all_are_counted() -> None:
    scanner = Scanner()
    found = [one for first in range(0, 300, 100) for one in scanner.scan(batch(v=[MAIL] * 100), first)]
    assert [one.row for one in found] == list(range(KEPT))
    assert scanner.counts() == {("v", "email"): 300}
    assert [one.row for one in scanner.findings()] == list(range(KEPT))


def test_exceptions_hold_for_scan_and_mask() -> None:
    rows = batch(a=[f"{MAIL} 212-555-0123"], surname=["x"])
    assert {one.kind for one in scan(rows, a={"email"}, surname={"all"})} == {"phone"}
    assert scan(rows, a={"all"}, surname={"column_name"}) == []
    seen = Scanner({"a": {"email"}})
    seen.scan(rows)
    assert mask_batch(rows, seen)[0].column(0).to_pylist() == [f"{MAIL} [phone]"]


def test_the_judgement_of_the_whole_file_masks_its_parts() -> None:
    cards = [one for one in range(CARD, CARD + 900) if _luhn(one)]
    others = [4 * 10**15 + 3 * one for one in range(5)]
    first, second = batch(n=[*others, cards[0]]), batch(n=cards)
    seen = Scanner()
    for part in (first, second):
        seen.scan(part)
    assert mask_batch(first, seen)[0].column(0)[5].as_py() is None
    assert mask_batch(second, seen)[0].column(0).null_count == len(cards)


def test_names_tell_and_are_masked() -> None:
    found = names(["surname", "price", MAIL, "carat"])
    assert [(one.kind, one.column, one.severity) for one in found] == [
        ("column_name", "surname", "suspected"),
        ("email", "[email]", "certain"),
    ]
    rows = pa.RecordBatch.from_arrays([pa.array([{MAIL: 1}]), pa.array([1])], names=["c", MAIL])
    assert {(one.kind, one.column, one.path) for one in scan(rows)} == {
        ("email", "c", ".[email]"),
        ("email", "[email]", ""),
    }
    masked, _ = mask_batch(rows)
    assert scan(masked) == []
    assert MAIL not in str(masked.schema)


def test_no_finding_holds_a_value() -> None:
    for _, _, text in FOUND:
        for one in scan(batch(v=[text], w=[f"note {text} end"])):
            assert not any(part and part in repr(one) for part in (text, text[:8], text[-8:]) if len(part) >= 8)
