"""A project whose target names classes on the embedded cloud: from a file to a served name, and what it was
worth."""

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.api import ApiError
from cli.deployment import Deployment
from cli.main import app
from cli.story import wines
from cli.story.replay import instances
from cli.story.scene import Scene
from tidemill import names
from tidemill.release import experiment
from tidemill.release.losses import Measure

PROJECT = "wines"
ROWS = 150
PATIENCE = 60


def run(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


@pytest.fixture(scope="module")
def trained(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The wines that no model has seen; the others led to the model that is live."""
    rows = wines.wines(seed=7)
    file = tmp_path_factory.mktemp("wines") / "wines.csv"
    file.write_bytes(wines.to_csv(rows.head(ROWS)))
    run("data", "push", PROJECT, str(file), "--wait")
    return rows.tail(len(rows) - ROWS)


def test_the_evidence_is_about_every_class(deployment: Deployment, trained: Any) -> None:
    card = run("models", "show", PROJECT, "1")
    assert "the most probable of Barolo, Grignolino, Barbera" in card
    shown = run("runs", "show", PROJECT)
    assert "Which class is taken for which" in shown
    facts = run("runs", "show", PROJECT, "--json")
    assert facts["evaluation"]["confusion"]["classes"] == list(wines.CULTIVARS)
    assert facts["evaluation"]["parity"]["disagreeing"] == 0
    assert deployment.api.project(PROJECT)["classes"] == list(wines.CULTIVARS)


def test_an_answer_is_a_name_and_its_outcome_comes_back(
    deployment: Deployment, scene: Scene, trained: Any, tmp_path: Path
) -> None:
    since = datetime.now(UTC)
    answer = deployment.api.predict(PROJECT, instances(trained, scene.project(PROJECT)))
    said, truth = answer["predictions"], trained["cultivar"].tolist()
    assert sum(item["prediction"] == is_ for item, is_ in zip(said, truth, strict=True)) >= 0.8 * len(truth)
    for item in said:
        assert list(item["probabilities"]) == list(wines.CULTIVARS)
        assert math.isclose(sum(item["probabilities"].values()), 1, abs_tol=1e-5)
        assert item["prediction"] == max(item["probabilities"], key=item["probabilities"].get)

    with pytest.raises(ApiError, match=r"name of a class \(Barolo, Grignolino, Barbera\), not 'Nebbiolo'"):
        deployment.api.send_outcomes(PROJECT, [{"prediction_id": said[0]["prediction_id"], "outcome": "Nebbiolo"}])
    file = tmp_path / "happened.csv"
    lines = [f"{item['prediction_id']},{is_}" for item, is_ in zip(said, truth, strict=True)]
    file.write_text("\n".join(["prediction_id,outcome", *lines]))
    assert run("outcomes", PROJECT, str(file), "--json") == {"accepted": len(truth)}

    deadline = time.monotonic() + PATIENCE
    while not list(deployment.objects.keys(names.captured(PROJECT))):
        assert time.monotonic() < deadline, "nothing was captured"
        time.sleep(0.2)
    span = {"since": since, "until": datetime.now(UTC)}
    requests = experiment.read_requests(deployment.objects, PROJECT, **span)
    outcomes = experiment.read_outcomes(deployment.objects, PROJECT, **span)
    (arm,) = experiment.arms(requests, outcomes, variants=[answer["variant"]], measure=Measure("log_loss"))
    losses = [-math.log(item["probabilities"][is_]) for item, is_ in zip(said, truth, strict=True)]
    assert (arm.requests, arm.sample.units) == (1, 1)
    assert math.isclose(arm.sample.mean, sum(losses) / len(losses), rel_tol=1e-6)
