"""`tidemill data gc` against a stage on moto."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cli.commands import sweep
from cli.deployment import Deployment
from cli.errors import Usage
from tidemill import names
from tidemill.observability import now

Run = Callable[..., Any]
STRAY = names.content("ab" * 32)


@pytest.fixture
def in_a_month(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stray content, looked at a month later."""
    deployment.objects.put(STRAY, b"stray")
    monkeypatch.setattr(sweep, "now", lambda: now() + timedelta(days=30))


def test_a_dry_run_leaves_and_a_sweep_removes(run: Run, deployment: Deployment, in_a_month: None) -> None:
    dry = run("data", "gc", "flights", "--dry-run")
    assert "Would be removed" in dry.stdout
    assert deployment.objects.exists(STRAY)
    facts = json.loads(run("data", "gc", "flights", "--json").stdout)
    assert facts["removed"] == [{"kind": "contents", "count": 1, "bytes": 5}]
    assert not deployment.objects.exists(STRAY)


def test_what_is_not_old_enough_stays(run: Run, deployment: Deployment, in_a_month: None) -> None:
    facts = json.loads(run("data", "gc", "flights", "--older-than", "40d", "--json").stdout)
    assert facts["removed"] == []
    assert facts["kept"] == [{"kind": "contents", "why": "too young", "count": 1, "bytes": 5}]


@pytest.mark.parametrize("age", ["1h", "7", "a week"])
def test_an_age_that_cannot_be_is_wrong_usage(run: Run, age: str) -> None:
    assert run("data", "gc", "flights", "--older-than", age).exit_code == 2


def test_ages() -> None:
    assert (sweep.age("7d"), sweep.age("36h")) == (timedelta(days=7), timedelta(hours=36))
    with pytest.raises(Usage, match="7d or 36h"):
        sweep.age("7w")
