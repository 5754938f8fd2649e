"""Execution environments that are idle end; busy ones do not."""

from types import SimpleNamespace

import pytest
from ministack.core import lambda_runtime

from local.extensions import python_runtime


@pytest.fixture
def pool(monkeypatch):
    """Three environments of one function: idle for long, idle just now, busy for long."""
    killed = []
    workers = {
        name: SimpleNamespace(name=name, in_use=in_use, last_used=last_used)
        for name, in_use, last_used in [("old", False, 100.0), ("recent", False, 950.0), ("busy", True, 100.0)]
    }
    monkeypatch.setattr(lambda_runtime, "_workers", {"key": list(workers.values())})
    monkeypatch.setattr(lambda_runtime, "kill_workers", killed.extend)
    monkeypatch.setattr(python_runtime.time, "time", lambda: 1000.0)
    return killed


def test_only_what_was_idle_for_long_ends(pool):
    python_runtime.reap(idle_seconds=120)
    assert [worker.name for worker in pool] == ["old"]
    assert [worker.name for worker in lambda_runtime._workers["key"]] == ["recent", "busy"]


def test_where_too_many_are_kept_those_idle_longest_end(pool):
    python_runtime.reap(idle_seconds=10_000, kept=2)
    assert [worker.name for worker in pool] == ["old"]


def test_busy_ones_stay_however_many_they_are(pool):
    python_runtime.reap(idle_seconds=10_000, kept=0)
    assert [worker.name for worker in pool] == ["old", "recent"]
