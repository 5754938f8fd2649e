"""Runs side by side and the record of one: what is told to differ, and the page with plots."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import comparing, experiment
from cli.comparison_page import page
from cli.deployment import Deployment
from cli.errors import NotFound
from cli.main import app
from tidemill import canonical, names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects

A, B = "flights-v00001", "flights-v00002"
AT = "2026-03-01T12:00:00+00:00"
CALM = "<script>alert(1)</script>"


class Stage:
    """A bucket and a table with runs of flights, as the training stage leaves them."""

    def __init__(self) -> None:
        self.objects, self.index = MemoryObjects(), MemoryIndex()
        self.add(A, version=1)
        self.add(B, version=2, loss=0.4, seed=8, lock="b" * 64, ended="2026-03-01T13:05:20+00:00")

    def require_project(self, project: str) -> None:
        assert project == "flights"

    def write(self, run_id: str, path: str, document: Any) -> None:
        self.objects.versions[names.run("flights", run_id) + path] = [canonical.dumps(document)]

    def add(
        self,
        run_id: str,
        *,
        version: int,
        loss: float = 0.5,
        seed: int = 7,
        lock: str = "a" * 64,
        ended: str = "2026-03-01T12:03:20+00:00",
        trials: int = 12,
    ) -> None:
        row = {"run_id": run_id, "state": "passed", "dataset_version": version, "at": AT, "ended_at": ended}
        row |= {"metrics": {"log_loss": loss, "roc_auc": 0.8 - loss / 10, "odd": loss}, "reason": CALM}
        self.index.rows[names.pk("flights"), names.sk_run(run_id)] = row
        plan = {
            "metric": "log_loss",
            "concurrency": 2,
            "limit": trials,
            "seed": seed,
            "code": "c" * 64,
            "lock": lock,
            "git": {"commit": "d" * 40, "dirty": True, "changes": "e" * 64},
            "project": {"search": {"seed": 7}},
            "versions": {"numpy": "2.0.0"},
            "rows": {"holdout": 60},
            "sha256": {"holdout": f"{version}" * 64},
        }
        best = {"trial": 3, "algorithm": "linear", "value": loss, "parameters": {"C": 4.0}}
        final = {"versions": {"numpy": "2.0.1"}, "machine": {"processor": "x86_64"}, "seconds": 4, "gb_seconds": 8}
        gates = [{"gate": "baseline", "verdict": "passed"}, {"gate": "champion", "verdict": f"v{version}"}]
        self.write(run_id, "plan.json", plan)
        self.write(run_id, "best.json", best)
        self.write(run_id, "final/final.json", {**final, "threads": 1})
        self.write(run_id, "evaluation.json", {"gates": gates})
        for number in range(trials):
            self.write(run_id, f"trials/{number:04d}.json", trial(number))


def trial(number: int, **changes: Any) -> dict[str, Any]:
    """The value follows C (by its logarithm) and not `noise`."""
    c = 0.001 * 3**number
    return {
        "trial": number,
        "state": "complete",
        "algorithm": "linear",
        "parameters": {"C": c, "noise": (number * 5) % 7},
        "value": 0.3 + 0.01 * number,
        "gb_seconds": 10.0,
        "seconds": 5.0,
        **changes,
    }


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(Deployment, "of", lambda _: stage)
    return lambda *words: CliRunner(env={"COLUMNS": "200"}).invoke(app, ["runs", *words])


def compared(stage: Stage, *ids: str) -> dict[str, Any]:
    return comparing.compare(stage.index, stage.objects, "flights", ids or (A, B))


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in rows}


def test_a_metric_is_told_with_its_difference_and_whether_it_is_better(stage: Stage) -> None:
    metrics = by_name(compared(stage)["metrics"])
    assert metrics["log_loss"]["differences"] == pytest.approx([0.0, -0.1])
    assert comparing.is_gain(metrics["log_loss"], 1) is True
    assert comparing.is_gain(metrics["roc_auc"], 1) is True
    assert comparing.is_gain(metrics["odd"], 1) is None, "of an unknown metric nobody knows"
    assert comparing.is_gain(metrics["log_loss"], 0) is None
    worse = by_name(compared(stage, B, A)["metrics"])
    assert comparing.is_gain(worse["log_loss"], 1) is False
    assert comparing.is_gain(worse["roc_auc"], 1) is False


def test_what_runs_were_made_with_is_marked_where_it_differs(stage: Stage) -> None:
    facts = compared(stage)
    made = by_name(facts["made_with"])
    assert {name for name, row in made.items() if not row["same"]} == {"seed", "lock"}
    assert made["numpy"]["values"] == ["2.0.1", "2.0.1"], "the final fit's version goes before the plan's"
    assert made["uncommitted changes"]["values"] == ["e" * 64] * 2
    assert [row["what"] for row in facts["gates"] if not row["same"]] == ["champion"]
    assert facts["parameters"] == [{"what": "C", "values": [4.0, 4.0], "same": True}]


def test_weak_comparisons_are_said_to_be_weak(stage: Stage) -> None:
    assert "different held-out rows" in compared(stage)["notes"][0]
    stage.add("same", version=1)
    assert compared(stage, A, "same")["notes"] == []
    stage.objects.versions.pop(names.run("flights", "same") + "evaluation.json")
    assert compared(stage, A, "same")["notes"] == ["not evaluated: same"]


def test_where_a_run_computed_is_told_with_the_reason_and_its_price(stage: Stage) -> None:
    why = {"kind": "sagemaker", "why": "the project file says `compute: sagemaker`"}
    plan = json.loads(stage.objects.get(names.run("flights", A) + "plan.json"))
    plan["project"]["compute"] = {"kind": "sagemaker"}
    stage.write(A, "plan.json", plan)
    stage.write(A, "compute/search.json", why)
    facts = experiment.of(stage.index, stage.objects, "flights", A)
    assert experiment.where(facts["compute"]) == f"search on SageMaker: {why['why']}"
    assert experiment.where(experiment.of(stage.index, stage.objects, "flights", B)["compute"]) is None
    spent = {**facts["cost"], "gb_seconds": 0.0, "instance_seconds": 95.5, "unpriced": ["ml.p9.huge"]}
    assert experiment.price(spent).endswith(
        "(0 GB-seconds, 96 s on SageMaker, without ml.p9.huge, whose price is not known here, "
        "list prices us-east-1, 2026-11)"
    )


def test_a_runs_time_and_cost_are_added_up(stage: Stage) -> None:
    facts = experiment.of(stage.index, stage.objects, "flights", A)
    assert facts["seconds"] == 200
    assert facts["cost"]["gb_seconds"] == 12 * 10 + 8
    assert facts["cost"]["transitions"] == 15 + 2 * 3 + 12 * 2
    assert facts["counts"] == {"complete": 12, "pruned": 0, "failed": 0}
    assert experiment.price(facts["cost"]) == "$0.0033 (128 GB-seconds, list prices us-east-1, 2026-11)"
    assert [experiment.duration(each) for each in (None, 4.21, 59.99, 200, 3920)] == [
        None,
        "4.2 s",
        "60.0 s",
        "3 min 20 s",
        "1 h 05 min",
    ]


def test_a_run_under_way_has_what_there_is(stage: Stage) -> None:
    stage.index.rows[names.pk("flights"), names.sk_run("young")] = {
        "run_id": "young",
        "state": "running",
        "dataset_version": 2,
        "at": AT,
    }
    facts = experiment.of(stage.index, stage.objects, "flights", "young")
    assert (facts["cost"], facts["made_with"], facts["seconds"], facts["best"]) == (None, None, None, None)
    assert by_name(compared(stage, A, "young")["metrics"])["log_loss"]["differences"] == [0.0, None]
    assert "young" in page(compared(stage, A, "young"))
    with pytest.raises(NotFound, match="no run 'none'"):
        compared(stage, A, "none")


def test_the_command_prints_tables_or_json_and_writes_the_page(run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "runs.html"
    done = run("compare", "flights", A, B, "--html", str(file))
    assert done.exit_code == 0, done.output
    for words in ("0.4 -0.1", "lock ≠", "1 h 05 min", "12 complete", "champion ≠"):
        assert words in done.stdout
    assert f"wrote {file}" in done.stderr.replace("\n", "")
    assert file.read_text().startswith("<!doctype html>")
    told = json.loads(run("compare", "flights", A, B, "--json").stdout)
    assert [each["run_id"] for each in told["runs"]] == [A, B]


def test_a_wrong_command_line_says_what_is_wrong(run: Callable[..., Any], tmp_path: Path) -> None:
    twice = run("compare", "flights", A, A)
    assert (twice.exit_code, "not all different" in twice.stderr) == (2, True)
    nowhere = run("compare", "flights", A, B, "--html", str(tmp_path / "no" / "file.html"))
    assert (nowhere.exit_code, "No such file" in nowhere.stderr) == (2, True)


def test_show_tells_time_cost_and_origin(run: Callable[..., Any]) -> None:
    shown = run("show", "flights", A).stdout
    for words in ("3 min 20 s", "$0.0033 (128 GB-seconds", "Made with", "dddddddddddd", "2.0.1"):
        assert words in shown
    assert json.loads(run("show", "flights", A, "--json").stdout)["made_with"]["seed"] == 7


class Page(HTMLParser):
    """Holds that every element is closed, and collects headings, titles and what is fetched."""

    VOID = ("meta", "br", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.fetched: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)


def test_the_page_is_one_sound_file_that_fetches_nothing(stage: Stage) -> None:
    stage.write(A, "trials/0012.json", trial(12, state="failed", value=None, reason="no"))
    stage.write(A, "trials/0013.json", trial(13, state="pruned", value=0.9))
    stage.write(A, "trials/0014.json", trial(14, value=50.0))
    text = page(compared(stage))
    found = Page(text)
    assert found.fetched == []
    assert "url(" not in text
    assert "script" not in found.tags, "a reason is text, whatever it holds"
    assert found.text["h2"] == [
        "Runs",
        "Metrics on the held-out rows",
        "Optimisation history",
        "Parallel coordinates",
        "Parameter importance",
        "Parameters of the best trial",
        "Gates",
        "Made with",
    ]
    titles = found.text["title"]
    assert "trial 12, linear: failed" in titles
    assert "trial 13, linear: pruned, 0.9 (beyond the edge)" in titles
    assert "trial 14, linear: complete, 50 (beyond the edge)" in titles
    assert any(title.startswith("trial 3: log_loss 0.33; C 0.027, noise 1") for title in titles)


def test_slices_are_shown_where_an_evaluation_has_them(stage: Stage) -> None:
    slices = [
        {"column": "carrier", "slice": "AA", "rows": 1200, "value": 0.61, "low": 0.5, "high": 0.72},
        {"column": "carrier", "slice": "<b>", "rows": 9, "value": None, "low": None, "high": None},
    ]
    stage.write(B, "evaluation.json", {"gates": [], "slices": {"slices": slices}})
    text = page(compared(stage))
    assert "Slices" in Page(text).text["h2"]
    assert "0.5 to 0.72" in text
    assert "carrier = &lt;b&gt;" in text
    assert len(re.findall(r"<tr><th>carrier", text)) == 2
