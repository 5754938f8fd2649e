"""`tidemill predict` and `tidemill outcomes`, over an API that remembers; and how a run about classes is shown."""

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli import following, project_file
from cli.api import Api
from cli.commands import runs
from cli.commands.serving import most_probable
from tidemill.serving.take_outcomes import take_outcomes

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


def test_a_table_is_sent_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables: list[bytes] = []

    def send(api: Api, project: str, table: bytes) -> dict[str, int]:
        tables.append(table)
        return {"accepted": 2}

    monkeypatch.setattr(Api, "send_outcome_table", send)
    file = tmp_path / "happened.csv"
    file.write_text("prediction_id,outcome\nr.0,1\nr.1,0\n")
    done = run("outcomes", "flights", str(file))
    assert (done.exit_code, done.stdout.strip()) == (0, "2 outcomes accepted"), done.stderr
    assert tables == [file.read_bytes()]


@pytest.mark.parametrize("wrapped", [False, True])
def test_json_is_sent_as_it_is(run: Run, sent: list[Any], tmp_path: Path, wrapped: bool) -> None:
    happened = [
        {"prediction_id": "r.0", "outcome": 1, "reward": 2},
        {"entity_id": "a", "at": "2026-03-01T12:00:00Z", "outcome": 0},
    ]
    file = tmp_path / "happened.json"
    file.write_text(json.dumps({"outcomes": happened} if wrapped else happened))
    done = run("outcomes", "flights", str(file))
    assert done.exit_code == 0, done.stderr
    assert sent == happened


@pytest.mark.parametrize(
    ("text", "told"), [("7", "must be a list"), ("{half", "not JSON"), (json.dumps([{}] * 5001), "too many")]
)
def test_what_are_no_outcomes_is_told_before_anything_is_sent(
    run: Run, sent: list[Any], tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "happened.json"
    file.write_text(text)
    done = run("outcomes", "flights", str(file))
    assert (done.exit_code, told in done.stderr, sent) == (2, True, [])


@pytest.fixture
def takes(deployment: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The function takes what goes up, as soon as the command looks for the result; what it answered."""
    answers: list[Any] = []
    problem = project_file.read_project("flights")

    def until(read: Callable[[], Any], *arguments: Any, **more: Any) -> Any:
        for key in list(deployment.objects.keys("incoming-outcomes/")):
            stat = deployment.objects.head(key)
            answers.append(
                take_outcomes(
                    bucket=deployment.bucket, key=key, version_id=stat.version_id, load_project=lambda _: problem,
                    objects=deployment.objects, clock=lambda: datetime(2026, 5, 4, tzinfo=UTC),
                )
            )  # fmt: skip
        yield read()

    monkeypatch.setattr(following, "until", until)
    return answers


@pytest.mark.parametrize("name", ["many.csv", "few.csv.gz", "few.jsonl"])
def test_large_files_go_up_and_are_taken_once(
    run: Run, deployment: Any, takes: list[Any], tmp_path: Path, name: str
) -> None:
    count = 5001 if name == "many.csv" else 3
    rows = [{"prediction_id": f"r{n}.0", "outcome": n % 2} for n in range(count)]
    text = "\n".join(json.dumps(row) for row in rows)
    if ".csv" in name:
        text = "prediction_id,outcome\n" + "".join(f"{row['prediction_id']},{row['outcome']}\n" for row in rows)
    file = tmp_path / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    for _ in range(2):
        done = run("outcomes", "flights", str(file))
        assert (done.exit_code, done.stdout.strip()) == (0, f"{count:,} outcomes accepted"), done.stderr
    assert len(list(deployment.objects.keys("incoming-outcomes/flights/"))) == 1
    assert takes[0] == takes[1]


def test_lines_that_are_no_outcomes_are_told_with_the_place_where_they_are(
    run: Run, takes: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"prediction_id":"r.0","outcome":1}\n{}\n')
    told = run("outcomes", "flights", str(file))
    assert told.exit_code == 0 and "1 lines are no outcomes" in told.stdout
    facts = json.loads(run("outcomes", "flights", str(file), "--json").stdout)
    assert (facts["accepted"], facts["refused"]) == (1, 1)
    assert facts["where"].endswith(f"/quarantine/flights/outcomes/{facts['upload_id']}/")


def test_a_file_that_cannot_be_read_to_its_end_is_an_error(run: Run, takes: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "cut.csv.gz"
    file.write_bytes(gzip.compress(b"prediction_id,outcome\nr.0,1\n")[:-6])
    done = run("outcomes", "flights", str(file))
    assert done.exit_code == 1 and "truncated_file" in done.stderr


@pytest.mark.parametrize("name", ["happened.json", "gone.csv"])
def test_what_cannot_go_up_is_told(run: Run, takes: list[Any], tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "happened.json":
        file.write_text(" " * 1_000_000)
    done = run("outcomes", "flights", str(file))
    assert (done.exit_code, takes) == (2, [])
    assert ("files to upload are" if name == "happened.json" else "cannot be read") in done.stderr


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
