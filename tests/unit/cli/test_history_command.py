"""`release history`: the moves of the pointer as a table and as JSON."""

import json
from typing import Any

import pytest

from tidemill import names

CHAMPION, CHALLENGER = {"model": 1, "function_version": "2"}, {"model": 2, "function_version": "3"}


@pytest.fixture
def moved(put: Any) -> None:
    for epoch, (action, weight, by) in enumerate((("started", 0.0, "publish"), ("shifted", 0.1, "arn:ada")), 3):
        details = {"epoch": epoch, "champion": CHAMPION, "challenger": CHALLENGER, "weight": weight}
        at = f"2026-05-04T12:0{epoch}:00+00:00"
        row = {"action": f"release.{action}", "subject": "release r2", "at": at, "by": by, "details": details}
        put(names.sk_audit(f"{at}#x"), **row)
    put(names.sk_audit("2026-05-04#y"), action="release.registered", subject="model v2", at="", by="x", details={})


def test_the_moves_are_told_with_their_shares(run: Any, moved: None) -> None:
    done = run("release", "history", "flights")
    assert done.exit_code == 0, done.stderr
    assert "model 1, 90%" in done.stdout
    assert "model 2, 10%" in done.stdout
    found = json.loads(run("release", "history", "flights", "--json", "--limit", "1").stdout)
    assert [(move["epoch"], move["action"], move["by"]) for move in found] == [(4, "shifted", "arn:ada")]


def test_a_project_without_releases_has_no_moves(run: Any) -> None:
    assert "nothing was released yet" in run("release", "history", "flights").stdout
