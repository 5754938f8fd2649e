"""The table in an SQLite file: threads, processes, forks, and texts at the edge of the order."""

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.adapters.memory import MemoryIndex
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.errors import ConflictError
from tidemill.ports import Put, Update

PK = "PROJECT#tides"
EDGES = st.text(st.sampled_from("aé\0\ud7ff\ue000\uffff\U0010ffff"), max_size=3)


# Raises the counter 25 times, as the data stage does: read, then write if nobody else has.
COUNT_UP = """
import sys
from tidemill.adapters.sqlite_index import SqliteIndex
from tidemill.errors import ConflictError
from tidemill.ports import Put

index, done = SqliteIndex(sys.argv[1]), 0
while done < 25:
    number = (index.get("PROJECT#tides", "COUNTER") or {"epoch": 0})["epoch"] + 1
    row = Put("PROJECT#tides", f"DATASET#{number:05d}", {"by": sys.argv[2]}, if_absent=True)
    try:
        index.transact([Put("PROJECT#tides", "COUNTER", {"epoch": number}, if_epoch=number - 1), row])
        done += 1
    except ConflictError:
        continue
"""


def test_processes_that_race_for_a_number_each_get_their_own(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index.sqlite"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    running = [subprocess.Popen([sys.executable, "-c", COUNT_UP, path, by], env=environment) for by in "abc"]
    assert [process.wait() for process in running] == [0, 0, 0]
    rows = SqliteIndex(path).query(PK, "DATASET#")
    assert [row["sk"] for row in rows] == [f"DATASET#{n:05d}" for n in range(1, 76)]
    assert Counter(row["by"] for row in rows) == {"a": 25, "b": 25, "c": 25}


def test_threads_share_an_instance(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    index.transact([Put(PK, "row", {"n": 0})])

    def add() -> None:
        for _ in range(20):
            while True:
                number = (index.get(PK, "row") or {})["n"]
                try:
                    index.transact([Update(PK, "row", {"n": number + 1}, if_equal={"n": number})])
                    break
                except ConflictError:
                    continue

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (index.get(PK, "row") or {})["n"] == 80


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_after_a_fork_has_a_connection_of_its_own(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    index.transact([Put(PK, "parent", {"n": 1})])
    child = os.fork()
    if child == 0:
        try:
            index.transact([Put(PK, "child", {"n": (index.get(PK, "parent") or {})["n"] + 1})])
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    index.transact([Put(PK, "parent", {"n": 3})])
    assert [(row["sk"], row["n"]) for row in index.query(PK, "")] == [("child", 2), ("parent", 3)]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EDGES, max_size=8), EDGES, st.booleans(), st.none() | st.integers(0, 3))
def test_prefixes_and_order_are_those_of_the_text(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], prefix: str, newest_first: bool, limit: int | None
) -> None:
    sqlite, memory = SqliteIndex(tmp_path_factory.mktemp("index") / "a.sqlite", wal=False), MemoryIndex()
    for index in (sqlite, memory):
        index.transact([Put(pk, key, {"key": key}) for key in keys for pk in (PK, "PROJECT#river")])
    asked = {"newest_first": newest_first, "limit": limit}
    assert sqlite.query(PK, prefix, **asked) == memory.query(PK, prefix, **asked)
    sqlite.close()


def test_what_is_no_json_is_refused_and_nothing_written(tmp_path: Path) -> None:
    index = SqliteIndex(tmp_path / "index.sqlite")
    for value in (float("nan"), b"bytes"):
        with pytest.raises((ValueError, TypeError)):
            index.transact([Put(PK, "good", {"n": 1}), Put(PK, "bad", {"value": value})])
    with pytest.raises(ValueError, match="at most 100"):
        index.transact([Put(PK, f"row#{n}", {}) for n in range(101)])
    assert index.query(PK, "") == []


def test_rows_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    for number in range(3):
        index = SqliteIndex(tmp_path / "index.sqlite")
        index.transact([Put(PK, f"row#{number}", {"n": number})])
        index.close()
    index.transact([Put(PK, "row#3", {"n": 3})])
    assert [row["n"] for row in index.query(PK, "row#")] == [0, 1, 2, 3]
