"""`release plan` and `release explain` on a stage with a release that was decided."""

import gzip
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cli.deployment import Deployment
from cli.explain_page import page
from cli.plots.interval import interval
from infra import project_files
from tidemill import names
from tidemill.projects import Rollout
from tidemill.release.experiment import Arm
from tidemill.release.explain import explain
from tidemill.release.sequential import Sample
from tidemill.release.verdict import judge

BEGAN = datetime(2026, 5, 4, 12, tzinfo=UTC)
RULES = Rollout(steps=(0.1, 0.5), margin=0.05)
LIVE = {
    "epoch": 3,
    "champion": {"model": 2, "function_version": "3"},
    "challenger": None,
    "weight": 0.0,
    "previous": None,
    "release_id": "flights-v00002",
}
Run = Callable[..., Any]
PLANNED = ("release", "plan", "flights", "--sd", "0.6", "--requests-per-day", "4000", "--json")


def looks() -> list[dict[str, Any]]:
    """Looks of a challenger that is a little better, at 10 % and then at 50 %."""
    found: list[dict[str, Any]] = []
    step, units = 0, 0
    for number in range(1, 40):
        units += 400
        ours = round(units * RULES.steps[step])
        arms = [Arm("3", ours, Sample(ours, 0.48, 0.09), ours)]
        arms.append(Arm("2", units - ours, Sample(units - ours, 0.5, 0.09), units - ours))
        at = BEGAN + timedelta(hours=number)
        made = judge(*arms, rules=RULES, step=step, look=number, days=number / 24)
        told = {"look": number, "step": step, "at": at.isoformat(), "verdict": made.word, "reason": made.reason}
        found.append(told | made.numbers)
        if made.word == "promote":
            return found
        if made.word == "advance":
            step, units = step + 1, 0
    raise AssertionError("never promoted")


def plan() -> dict[str, Any]:
    told = {"project": "flights", "release_id": "flights-v00002", "model": 2, "task": "classification"}
    return told | {"rollout": RULES.model_dump(mode="json"), "at": BEGAN.isoformat()}


def decision(last: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": last["verdict"], "reason": last["reason"], "by": "settle_release", "at": last["at"]}


@pytest.fixture
def released(put: Any, write_json: Any) -> list[dict[str, Any]]:
    put(names.POINTER_LIVE, **LIVE)
    row = {"release_id": "flights-v00002", "model": 2, "state": "promoted", "step": 1, "at": BEGAN.isoformat()}
    put(names.sk_release("flights-v00002"), **row)
    folder, found = names.release("flights", "flights-v00002"), looks()
    write_json(folder + "plan.json", plan())
    write_json(folder + "decision.json", decision(found[-1]))
    for look in found:
        write_json(f"{folder}look-{look['look']:04d}.json", look)
    return found


def test_explain_makes_every_verdict_again(run: Run, released: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "release.html"
    done = run("release", "explain", "flights", "--html", str(file))
    assert done.exit_code == 0, done.stderr
    assert f"All {len(released)} verdicts, made again from the record alone, are the same." in done.stdout
    assert "It follows from the last look." in " ".join(done.stdout.split())
    assert file.read_text().startswith("<!doctype html>")
    facts = json.loads(run("release", "explain", "flights", "flights-v00002", "--json").stdout)
    assert (facts["same"], facts["follows"], len(facts["looks"])) == (True, True, len(released))


def test_explain_fails_where_the_record_does_not_hold(
    run: Run, released: list[dict[str, Any]], write_json: Any
) -> None:
    released[0]["verdict"] = "advance"
    write_json(names.release("flights", "flights-v00002") + "look-0001.json", released[0])
    done = run("release", "explain", "flights")
    assert done.exit_code != 0
    assert "these looks say otherwise: 1." in done.stdout
    assert "does not hold" in done.stderr


def test_the_page_draws_each_step_and_fetches_nothing() -> None:
    found = looks()
    facts = explain(plan(), found, decision(found[-1]))
    drawn = page(facts)
    assert len(re.findall(r'class="band"', drawn)) == 2
    assert len(re.findall(r"<circle", drawn)) == len(found)
    assert not re.search(r'(src|href)="|url\(|@import', drawn)
    assert "prefers-color-scheme: dark" in drawn
    facts["looks"][3] |= {"same": False, "differs": ["verdict"], "again": {"verdict": "<b>roll_back</b>"}}
    assert "&lt;b&gt;roll_back&lt;/b&gt; (verdict)" in page(facts)


def test_the_interval_is_drawn_where_it_is() -> None:
    found = looks()
    drawn = interval(explain(plan(), found, None))
    assert drawn is not None
    (zero,) = re.findall(r'y1="([\d.]+)%"[^>]*class="zero"', drawn)
    (limit,) = re.findall(r'y1="([\d.]+)%"[^>]*class="limit"', drawn)
    heights = [float(each) for each in re.findall(r'<circle[^>]*cy="([\d.]+)%"', drawn)]
    # The limit lies 0.05 above zero, every difference 0.02 below it.
    per_unit = (float(zero) - float(limit)) / 0.05
    assert np.allclose(heights, float(zero) + 0.02 * per_unit, atol=0.05)
    assert interval(explain(plan(), [], None)) is None


def test_a_plan_needs_no_stage_when_it_is_told_scatter_and_traffic(run: Run) -> None:
    done = run(*PLANNED)
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["difference"], facts["distance"], facts["limit"]) == (0.0, 0.06, 0.06)
    assert facts["requests"] == facts["units"]
    more = json.loads(run(*PLANNED, "--outcomes", "0.5").stdout)
    assert more["requests"] == pytest.approx(2 * more["units"])
    assert more["days"] > facts["days"]
    assert json.loads(run(*PLANNED).stdout) == facts
    easier = json.loads(run(*PLANNED, "--difference", "-0.05").stdout)
    assert easier["units"] < facts["units"]


def test_a_plan_is_shown_as_tables(run: Run) -> None:
    done = run(*PLANNED[:-1])
    assert done.exit_code == 0, done.stderr
    for words in ("for 80% to be promoted", "not_worse, limit +0.06", "2,000 simulated releases, seed 0"):
        assert words in done.stdout


def test_a_difference_that_is_not_to_be_promoted_is_told(run: Run) -> None:
    done = run(*PLANNED, "--difference", "0.06")
    assert (done.exit_code, "does not lie below the limit 0.06" in done.stderr) == (2, True)


def test_scatter_and_traffic_come_from_what_was_captured(run: Run, released: Any, deployment: Deployment) -> None:
    rng, now = np.random.default_rng(1), datetime.now(UTC)
    captured, happened = [], []
    for number in range(600):
        chance, at = float(rng.random()), (now - timedelta(hours=24 * (1 - number / 600))).isoformat()
        answer = {"prediction_id": f"r{number}.0", "prediction": 1, "probability": chance, "features": {}}
        captured.append({"request_id": f"r{number}", "variant": "3", "at": at, "instances": [answer]})
        if number % 2:
            happened.append({"prediction_id": f"r{number}.0", "outcome": int(rng.random() < chance), "at": at})
    for day in {line["at"][:10] for line in captured}:
        text = "\n".join(json.dumps(line) for line in captured if line["at"].startswith(day)).encode()
        deployment.objects.put(f"{names.captured('flights', day)}a.jsonl.gz", gzip.compress(text))
        text = "\n".join(json.dumps(line) for line in happened if line["at"].startswith(day)).encode()
        deployment.objects.put(f"{names.outcomes('flights', day)}a.jsonl", text)
    done = run("release", "plan", "flights", "--json")
    assert done.exit_code == 0, done.stderr
    traffic = json.loads(done.stdout)["traffic"]
    assert traffic["from"].startswith("300 units of the champion in 1")
    assert traffic["requests_per_day"] == pytest.approx(600, rel=0.01)
    assert traffic["units_per_day"] == pytest.approx(300, rel=0.01)
    assert 0.3 < traffic["sd"] < 0.9


def test_without_traffic_a_plan_says_what_it_needs(run: Run, released: Any) -> None:
    done = run("release", "plan", "flights")
    assert (done.exit_code, "give --sd and --requests-per-day" in done.stderr) == (2, True)


def test_there_is_nothing_to_plan_where_no_arms_are_side_by_side(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = yaml.safe_load((project_files.FOLDER / "flights.yaml").read_text())
    model["rollout"] = {"plan": "blue_green", "watch_minutes": 45}
    (tmp_path / "flights.yaml").write_text(yaml.safe_dump(model))
    monkeypatch.setenv(project_files.ENV_FOLDER, str(tmp_path))
    done = run(*PLANNED)
    assert done.exit_code != 0
    assert "lasts 45 minutes, whatever the traffic" in " ".join(done.stderr.split())
