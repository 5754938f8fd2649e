"""Named classes from the rows of a dataset version to the loss of an answer: the files that one stage leaves are
those that the next one reads."""

import importlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidemill import names
from tidemill.data.profile import PREDICTION
from tidemill.errors import RequestInvalid
from tidemill.monitoring.build_window import build_window
from tidemill.monitoring.detect_drift import detect_drift
from tidemill.release import card_page, experiment
from tidemill.release.losses import Measure
from tidemill.release.register_model import register_model
from tidemill.serving.accept_outcomes import accept_outcomes
from tidemill.serving.deliver_capture import deliver_capture
from tidemill.serving.endpoint import respond
from tidemill.serving.model import Model, load

CLASSES = ["neap", "mean", "spring"]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
VARIANT = "2"


@pytest.fixture(scope="module")
def whole(new_mill: Any) -> Any:
    """A mill with a registered model that is the champion."""
    changes = {"drift": {"min_rows": 200, "features": 2}, "sensitive": ["harbour"], "slices": {"rows": 10}}
    mill = new_mill.named(search={"trials": 1, "algorithms": ["linear"]}, **changes)
    assert mill.walk()["passed"]
    register_model(
        problem=mill.project, run_id=mill.RUN, objects=mill.objects, index=mill.index, clock=lambda: NOW
    )
    pointer = {"epoch": 1, "champion": {"model": 1, "function_version": VARIANT}}
    mill.index.rows[names.pk("tides"), names.POINTER_LIVE] = pointer
    return mill


@pytest.fixture
def model(whole: Any, tmp_path: Path) -> Iterator[Model]:
    """The registered bundle, loaded as the endpoint loads it."""
    body = whole.objects.get(names.model("tides", 1) + "bundle.zip")
    zipfile.ZipFile(io.BytesIO(body)).extractall(tmp_path)
    sys.path.insert(0, str(tmp_path / "python"))
    importlib.invalidate_caches()
    try:
        yield load()
    finally:
        sys.path.remove(str(tmp_path / "python"))
        sys.modules.pop("tidemill_model", None)


def asked(frame: Any) -> list[dict[str, Any]]:
    """Rows as a client sends them."""
    rows = frame[["level", "gates", "wind", "harbour"]].astype(object).to_dict("records")
    return [{name: value for name, value in row.items() if value is not None and value == value} for row in rows]


def answer(model: Model, instances: list[dict[str, Any]], request: str, lines: list[str]) -> Any:
    return respond(
        {"instances": instances},
        model=lambda: model,
        request_id=request,
        variant=VARIANT,
        at=NOW,
        write=lines.append,
    )


def test_the_model_carries_its_classes_and_the_card_tells_them(whole: Any, model: Model) -> None:
    assert model.document["classes"] == CLASSES
    assert model.document["threshold"] is None
    card = whole.objects.get(names.model("tides", 1) + "card.md").decode()
    evaluation = whole.file("evaluation.json")
    assert "`full` (the most probable of neap, mean, spring)" in card
    assert "## Which class is taken for which" in card
    for name, counts in zip(CLASSES, evaluation["confusion"]["rows"], strict=True):
        assert f"| {name} | {' | '.join(map(str, counts))} | " in card
    assert "On average the said probability of the most probable class is" in card
    assert "| group | rows | right | taken for neap | taken for mean | taken for spring |" in card
    assert "of the class that is told most unevenly" in card
    page = card_page.page(card)
    assert "taken for spring" in page and page.count("<table>") == card.count("\n| ---")


def test_what_is_answered_is_captured_and_its_loss_is_that_of_the_outcome(whole: Any, model: Model) -> None:
    rows, lines = whole.rows(400, seed=9, task="named"), []
    answers = [
        answer(model, asked(rows[start : start + 4]), f"r{start}", lines)["predictions"]
        for start in range(0, 400, 4)
    ]
    said = [item for predictions in answers for item in predictions]
    truth = rows["full"].tolist()
    assert all(item["prediction"] == max(item["probabilities"], key=item["probabilities"].get) for item in said)
    assert np.mean([item["prediction"] == is_ for item, is_ in zip(said, truth, strict=True)]) > 0.5
    captured = [line for line in lines if names.CAPTURE_TERM in line]
    assert deliver_capture(captured, objects=whole.objects) == {"delivered": 100, "corrupt": 0}
    happened = [
        {"prediction_id": item["prediction_id"], "outcome": is_} for item, is_ in zip(said, truth, strict=True)
    ]
    body = {"outcomes": happened}
    accepted = accept_outcomes(problem=whole.project, body=body, objects=whole.objects, clock=lambda: NOW)
    assert accepted == {"accepted": 400}
    span = {"since": NOW, "until": NOW}
    requests = experiment.read_requests(whole.objects, "tides", **span)
    outcomes = experiment.read_outcomes(whole.objects, "tides", **span)
    measure = Measure(whole.project.rollout.measured("classification"))
    (arm,) = experiment.arms(requests, outcomes, variants=(VARIANT,), measure=measure)
    losses = [-np.log(item["probabilities"][is_]) for item, is_ in zip(said, truth, strict=True)]
    assert (arm.requests, arm.sample.units) == (100, 100)
    assert arm.sample.mean == pytest.approx(np.mean(losses))

    closed = build_window(
        project=whole.project, trigger="manual", objects=whole.objects, index=whole.index, clock=lambda: NOW
    )
    assert (closed["outcome"], closed["rows"]) == ("closed", 400)
    found = detect_drift(
        project=whole.project,
        window_id=closed["window_id"],
        objects=whole.objects,
        index=whole.index,
        clock=lambda: NOW,
    )
    assert not found["drifted"]
    report = json.loads(whole.objects.get(names.window("tides", closed["window_id"]) + "report.json"))
    assert (report["prediction"]["feature"], report["prediction"]["kind"]) == (PREDICTION, "category")
    assert set(report["prediction"]["plot"]["labels"]) == set(CLASSES)
    assert "Predicted class" in whole.objects.get(found["report_key"]).decode()


def test_a_class_that_nobody_knows_is_refused_with_those_that_are_known(whole: Any) -> None:
    body = {"outcomes": [{"prediction_id": "r.0", "outcome": "king"}]}
    with pytest.raises(RequestInvalid, match=r"name of a class \(neap, mean, spring\), not 'king'"):
        accept_outcomes(problem=whole.project, body=body, objects=whole.objects, clock=lambda: NOW)
