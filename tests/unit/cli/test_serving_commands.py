"""`tidemill predict` and `tidemill outcomes`, over an API that remembers; and how a run about classes is shown."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.api import Api
from cli.commands import runs
from cli.commands.serving import most_probable

Run = Callable[..., Any]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The outcomes that were sent."""
    kept: list[Any] = []

    def send(api: Api, project: str, outcomes: list[Any]) -> dict[str, int]:
        kept.extend(outcomes)
        return {"accepted": len(outcomes)}

    monkeypatch.setattr(Api, "send_outcomes", send)
    return kept


def project(monkeypatch: pytest.MonkeyPatch, **facts: Any) -> None:
    """What the API tells of the project."""
    monkeypatch.setattr(Api, "project", lambda api, name: {"project": name, **facts})


TABLE = "prediction_id,outcome\nr.0,{}\nr.1,{}\n"


@pytest.mark.parametrize(
    ("told", "values", "expected"),
    [
        ({}, ("1", "0.0"), [1.0, 0.0]),
        ({"classes": ["ebb", "7"]}, ("ebb", "7"), ["ebb", "7"]),
    ],
)
def test_a_table_of_outcomes_is_read_as_the_project_is(
    run: Run,
    sent: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    told: dict[str, Any],
    values: tuple[str, str],
    expected: list[Any],
) -> None:
    project(monkeypatch, **told)
    file = tmp_path / "happened.csv"
    file.write_text(TABLE.format(*values))
    done = run("outcomes", "flights", str(file))
    assert done.exit_code == 0, done.stderr
    assert sent == [{"prediction_id": f"r.{n}", "outcome": value} for n, value in enumerate(expected)]
    assert "2 outcomes accepted" in done.stdout


def test_numbers_in_json_need_no_question(run: Run, sent: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "happened.json"
    file.write_text(json.dumps({"outcomes": [{"prediction_id": "r.0", "outcome": 1}]}))
    done = run("outcomes", "flights", str(file))
    assert done.exit_code == 0, done.stderr
    assert sent == [{"prediction_id": "r.0", "outcome": 1.0}]


@pytest.mark.parametrize(
    "body",
    [[{"prediction_id": "r.0"}], [{"prediction_id": "r.0", "outcome": "late"}], [{"outcome": 1}], [7],
     [{"prediction_id": "r.0", "outcome": None}]],
)  # fmt: skip
def test_what_is_no_outcome_is_told_before_anything_is_sent(
    run: Run, sent: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: list[Any]
) -> None:
    project(monkeypatch)
    file = tmp_path / "happened.json"
    file.write_text(json.dumps(body))
    done = run("outcomes", "flights", str(file))
    assert done.exit_code == 2
    assert "each outcome needs a prediction_id and" in done.stderr
    assert sent == []


def test_a_table_of_outcomes_may_bring_rewards(
    run: Run, sent: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project(monkeypatch)
    file = tmp_path / "happened.csv"
    file.write_text("prediction_id,outcome,reward\nr.0,1,12.5\nr.1,0,\n")
    assert run("outcomes", "flights", str(file)).exit_code == 0
    assert sent == [
        {"prediction_id": "r.0", "outcome": 1.0, "reward": 12.5},
        {"prediction_id": "r.1", "outcome": 0.0},
    ]
    file.write_text("prediction_id,outcome,reward\nr.0,1,much\n")
    done = run("outcomes", "flights", str(file))
    assert (done.exit_code, "a reward must be a number, not 'much'" in done.stderr) == (2, True)


def test_answers_show_the_most_probable_classes(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chances = {"ebb": 0.05, "flood": 0.6, "slack": 0.3, "king": 0.05}
    predictions = [{"prediction_id": "r.0", "prediction": "flood", "probabilities": chances}]
    answer = {"predictions": predictions, "model_version": 3, "variant": "4"}
    monkeypatch.setattr(Api, "predict", lambda api, *arguments: answer)
    file = tmp_path / "asked.json"
    file.write_text("{}")
    shown = run("predict", "flights", str(file)).stdout
    assert "flood 0.600  slack 0.300  ebb 0.050" in shown
    assert "king" not in shown
    assert json.loads(run("predict", "flights", str(file), "--json").stdout) == answer
    assert most_probable({}) is None


def test_a_probability_of_0_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    predictions = [{"prediction_id": "r.0", "prediction": 0, "probability": 0.0}]
    answer = {"predictions": predictions, "model_version": 3, "variant": "4"}
    monkeypatch.setattr(Api, "predict", lambda api, *arguments: answer)
    file = tmp_path / "asked.json"
    file.write_text("{}")
    assert run("predict", "flights", str(file)).stdout.split()[-3:] == ["r.0", "0", "0"]


def test_a_run_shows_which_class_is_taken_for_which() -> None:
    facts = {
        **dict.fromkeys(("error", "release_id", "reason", "made_with", "seconds", "cost", "metrics")),
        **{"run_id": "tides-v00001", "state": "passed", "dataset_version": 1, "at": "2026-03-01T12:00:00+00:00"},
        **{"compute": {}, "trials_done": [], "trials": 2},
        "evaluation": {"gates": [], "confusion": {"classes": ["spring", "neap"], "rows": [[11, 2], [0, 1234]]}},
    }
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(runs.as_tables(facts))
    text = console.export_text()
    assert "Which class is taken for which" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["spring", "11", "2"] in lines and ["neap", "0", "1234"] in lines
