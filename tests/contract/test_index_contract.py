"""Index, as its docstrings promise, on every adapter."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.errors import ConflictError
from tidemill.ports import Index, Put, Update

PK = "PROJECT#tides"
# A number is exact up to 38 digits, and 1.0 is 1, as in JSON: a float beyond 2**53 comes back rounded.
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(-1e15, 1e15).filter(lambda x: x == 0 or abs(x) > 1e-100)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def put(index: Index, sk: str, **row: Any) -> None:
    index.transact([Put(PK, sk, row)])


def test_a_row_that_is_not_there_is_none(index: Index) -> None:
    assert index.get(PK, "nothing") is None
    assert index.query(PK, "nothing") == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values)
def test_a_value_comes_back_as_it_was(index: Index, value: Any) -> None:
    put(index, "row", value=value)
    assert index.get(PK, "row") == {"pk": PK, "sk": "row", "value": value}


def test_a_row_is_a_copy(index: Index) -> None:
    put(index, "row", value=1)
    row = index.get(PK, "row") or {}
    row["value"] = 2
    assert (index.get(PK, "row") or {})["value"] == 1


def test_rows_of_a_prefix_come_in_order_from_either_end(index: Index) -> None:
    for number in (3, 1, 2):
        put(index, f"DATASET#{number:05d}", version=number)
    put(index, "DATASETS", version=9)
    index.transact([Put("PROJECT#river", "DATASET#00001", {"version": 8})])
    assert [row["version"] for row in index.query(PK, "DATASET#")] == [1, 2, 3]
    assert [row["version"] for row in index.query(PK, "DATASET#", newest_first=True, limit=2)] == [3, 2]
    assert [row["version"] for row in index.query(PK, "DATASET#", limit=9)] == [1, 2, 3]


def test_rows_of_a_prefix_come_from_a_start_on(index: Index) -> None:
    for number in (3, 1, 2, 4):
        put(index, f"TRIAL#{number:05d}", number=number)
    put(index, "TRIALS", number=9)
    put(index, "A", number=8)

    def numbers(start: str, **how: Any) -> list[int]:
        return [row["number"] for row in index.query(PK, "TRIAL#", start=start, **how)]

    assert numbers("TRIAL#00002") == [2, 3, 4]
    assert numbers("TRIAL#000025") == [3, 4]
    assert numbers("TRIAL#00002", newest_first=True, limit=2) == [4, 3]
    assert (numbers("A"), numbers("TRIAL#00005")) == ([1, 2, 3, 4], [])


def test_a_query_reads_on_over_pages(index: Index) -> None:
    for number in range(30):
        put(index, f"BIG#{number:02d}", text="x" * 50_000)
    assert len(index.query(PK, "BIG#")) == 30


def test_if_absent_writes_once(index: Index) -> None:
    index.transact([Put(PK, "row", {"n": 1}, if_absent=True)])
    with pytest.raises(ConflictError, match="row"):
        index.transact([Put(PK, "row", {"n": 2}, if_absent=True)])
    assert (index.get(PK, "row") or {})["n"] == 1


def test_if_epoch_fences_a_pointer(index: Index) -> None:
    index.transact([Put(PK, "pointer", {"to": "a", "epoch": 1}, if_epoch=0)])
    index.transact([Put(PK, "pointer", {"to": "b", "epoch": 2}, if_epoch=1)])
    for stale in (0, 1, 3):
        with pytest.raises(ConflictError):
            index.transact([Put(PK, "pointer", {"to": "c", "epoch": stale + 1}, if_epoch=stale)])
    assert (index.get(PK, "pointer") or {})["to"] == "b"


def test_epoch_zero_also_means_a_row_without_an_epoch(index: Index) -> None:
    put(index, "pointer", to="a")
    index.transact([Put(PK, "pointer", {"to": "b", "epoch": 1}, if_epoch=0)])
    with pytest.raises(ConflictError):
        index.transact([Put(PK, "none", {"epoch": 2}, if_epoch=1)])


def test_a_put_replaces_and_an_update_sets(index: Index) -> None:
    put(index, "row", a=1, b=2)
    index.transact([Update(PK, "row", {"b": 3, "state": "x", "name": None})])
    assert index.get(PK, "row") == {"pk": PK, "sk": "row", "a": 1, "b": 3, "state": "x", "name": None}
    put(index, "row", c=4)
    assert index.get(PK, "row") == {"pk": PK, "sk": "row", "c": 4}


def test_an_update_needs_its_row_and_its_conditions(index: Index) -> None:
    with pytest.raises(ConflictError):
        index.transact([Update(PK, "row", {"a": 1})])
    put(index, "row", state="one", size=None)
    index.transact([Update(PK, "row", {"state": "two"}, if_equal={"state": "one", "size": None, "other": None})])
    for wrong in ({"state": "one"}, {"state": None}, {"other": 1}):
        with pytest.raises(ConflictError):
            index.transact([Update(PK, "row", {"state": "three"}, if_equal=wrong)])
    assert (index.get(PK, "row") or {})["state"] == "two"


def test_an_update_may_test_and_set_the_same_attribute_by_any_name(index: Index) -> None:
    put(index, "row", **{"state": 1, "size": 1, "a-b": 1, "values": [1]})
    changes = {"state": 2, "size": 2, "a-b": 2, "values": [2]}
    index.transact([Update(PK, "row", changes, if_equal={"state": 1, "size": 1, "a-b": 1, "values": [1]})])
    assert {name: (index.get(PK, "row") or {})[name] for name in changes} == changes


def test_whoever_proves_that_a_change_is_its_own_may_repeat_it(index: Index) -> None:
    for _ in range(2):
        index.transact([Put(PK, "row", {"state": "one", "size": 1}, if_absent=True, proof="size")])
        index.transact([Put(PK, "pointer", {"epoch": 1, "size": 1}, if_epoch=0, proof="size")])
    for _ in range(2):
        index.transact([Update(PK, "row", {"state": "two", "size": 2}, {"state": "one", "other": None}, "size")])
    others: list[Put | Update] = [
        Put(PK, "row", {"size": 3}, if_absent=True, proof="size"),
        Put(PK, "pointer", {"epoch": 1, "size": 3}, if_epoch=0, proof="size"),
        Update(PK, "row", {"state": "three", "size": 3}, {"state": "one"}, "size"),
        Update(PK, "none", {"size": 3}, {"state": "one"}, "size"),
        Update(PK, "none", {"size": 3}, proof="size"),
    ]
    for change in others:
        with pytest.raises(ConflictError):
            index.transact([change])
    assert index.get(PK, "row") == {"pk": PK, "sk": "row", "state": "two", "size": 2}


def test_an_update_makes_no_row_whatever_it_asks(index: Index) -> None:
    asked: list[dict[str, Any]] = [{}, {"a": None}, {"a": 1}, {"a": 1, "b": None}]
    for if_equal in asked:
        with pytest.raises(ConflictError):
            index.transact([Update(PK, "none", {"a": 2}, if_equal)])
    assert index.get(PK, "none") is None


def test_a_transaction_is_all_or_nothing(index: Index) -> None:
    put(index, "there", n=1)
    changes = [
        Put(PK, "new", {"n": 1}),
        Update(PK, "there", {"n": 2}),
        Put(PK, "there too", {"n": 1}, if_epoch=4),
    ]
    with pytest.raises(ConflictError):
        index.transact(changes)
    assert index.get(PK, "new") is None
    assert (index.get(PK, "there") or {})["n"] == 1
    index.transact(changes[:2])
    assert [(index.get(PK, sk) or {})["n"] for sk in ("new", "there")] == [1, 2]


def test_a_hundred_changes_fit(index: Index) -> None:
    index.transact([Put(PK, f"row#{number:03d}", {"n": number}) for number in range(100)])
    assert len(index.query(PK, "row#")) == 100
