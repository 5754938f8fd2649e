"""Counter, as its docstring promises, on every adapter that counts."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from tidemill.adapters.index import DynamoIndex
from tidemill.adapters.memory import MemoryIndex
from tidemill.errors import StoreBusy
from tidemill.ports import Index

KEY = ("TOKENS", "MINUTE#app")


@pytest.fixture
def table(index: Index) -> DynamoIndex | MemoryIndex:
    if not isinstance(index, DynamoIndex | MemoryIndex):
        pytest.skip("does not count")
    return index


def test_so_many_are_counted_and_no_more(table: DynamoIndex | MemoryIndex) -> None:
    assert [table.count(*KEY, period="1", most=3) for _ in range(5)] == [True, True, True, False, False]
    row = table.get(*KEY) or {}
    assert (row["made"], row["period"]) == (3, "1")


def test_a_later_period_begins_anew_and_an_earlier_one_counts_as_it(table: DynamoIndex | MemoryIndex) -> None:
    table.count(*KEY, period="1", most=1)
    assert table.count(*KEY, period="2", most=2) is True
    assert table.count(*KEY, period="1", most=2) is True
    assert table.count(*KEY, period="1", most=2) is False
    assert table.count(*KEY, period="2", most=2) is False
    row = table.get(*KEY) or {}
    assert (row["made"], row["period"]) == (2, "2")


def test_a_higher_limit_lets_more_through_at_once(table: DynamoIndex | MemoryIndex) -> None:
    table.count(*KEY, period="1", most=1)
    assert table.count(*KEY, period="1", most=2) is True


def test_counts_of_several_keys_are_apart(table: DynamoIndex | MemoryIndex) -> None:
    assert table.count("TOKENS", "MINUTE#a", period="1", most=1)
    assert table.count("TOKENS", "MINUTE#b", period="1", most=1)


@pytest.mark.usefixtures("one_call_at_a_time")
def test_many_at_once_lose_none_and_refuse_none_below_the_limit(table: DynamoIndex | MemoryIndex) -> None:
    with ThreadPoolExecutor(8) as threads:
        counted = list(threads.map(lambda _: table.count(*KEY, period="1", most=20), range(32)))
    assert counted.count(True) == 20
    assert (table.get(*KEY) or {})["made"] == 20


def test_a_period_that_another_begins_meanwhile_is_gone_on_with(
    table: DynamoIndex | MemoryIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(table, MemoryIndex):
        pytest.skip("one step there")
    update, calls = table._client.update_item, []

    def overtaken(**request: object) -> object:
        calls.append(request)
        if len(calls) == 2:  # the first found no such period, the second is to begin it
            update(**request)
        return update(**request)

    monkeypatch.setattr(table._client, "update_item", overtaken)
    assert table.count(*KEY, period="1", most=2) is True
    assert (table.get(*KEY) or {})["made"] == 2
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("code", "raised"),
    [("ProvisionedThroughputExceededException", StoreBusy), ("AccessDeniedException", ClientError)],
)
def test_a_table_that_does_not_answer_counts_nothing_and_lets_nothing_through(
    table: DynamoIndex | MemoryIndex, monkeypatch: pytest.MonkeyPatch, code: str, raised: type[Exception]
) -> None:
    if isinstance(table, MemoryIndex):
        pytest.skip("never busy")

    def refused(**request: object) -> object:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "UpdateItem")

    monkeypatch.setattr(table._client, "update_item", refused)
    with pytest.raises(raised):
        table.count(*KEY, period="1", most=2)
