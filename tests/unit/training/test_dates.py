"""Features that are times: training, endpoint and monitoring tell a model the same parts of them."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from tidemill import canonical
from tidemill.data.profile import PREDICTION
from tidemill.errors import ProjectInvalid, RequestInvalid
from tidemill.monitoring.captured import Prediction, columns
from tidemill.serving.faults import Faults
from tidemill.serving.instances import Features
from tidemill.training import artifacts, pipeline
from tidemill.training.prepare import to_arrays

FEATURES = ["level", "wind", "due"]
COLUMNS = {"due": {"type": "timestamp", "nullable": True}}
PARTS = ["hour", "weekday", "cycle_of_day"]
TOLD = ["due.hour", "due.weekday", "due.cycle_of_day.sin", "due.cycle_of_day.cos"]
SECOND = "tides-v00001-manual-2"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Whether the pond is full depends on the hour when the miller is due."""
    random = np.random.default_rng(6)
    due = pd.Series(pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(random.integers(0, 10**6, 400), "min"))
    full = (due.dt.hour < 12).to_numpy() ^ (random.random(400) < 0.1)
    written = due.dt.strftime("%Y-%m-%dT%H:%M:%SZ").mask(random.random(400) < 0.05)
    return pd.DataFrame(
        {
            "at": pd.date_range("2026-01-01", periods=400, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": random.normal(size=400),
            "gates": 0,
            "wind": random.choice(["N", "E"], 400),
            "harbour": "Cork",
            "full": full.astype(float),
            "due": written,
        }
    )


@pytest.fixture
def dated(new_mill: Any, frame: pd.DataFrame) -> Any:
    return lambda **changes: new_mill(
        frame, **{"columns": COLUMNS, "features": FEATURES, "recipe": {"dates": PARTS}, **changes}
    )


def test_a_time_is_learnt_from_and_stays_one_feature_of_a_request(dated: Any) -> None:
    mill = dated()
    evaluation = mill.walk()
    assert evaluation["passed"], evaluation["reason"]
    important = [each["feature"] for each in evaluation["importance"]["features"]]
    assert important[0] in TOLD
    assert set(TOLD) < set(important)
    final = mill.file("final/final.json")
    assert [feature["name"] for feature in final["features"]] == FEATURES
    assert final["features"][2] == {"name": "due", "type": "timestamp", "nullable": True, "parts": PARTS}
    assert set(mill.file("final/profile.json")["columns"]) == {"level", "wind", *TOLD, PREDICTION}


def test_the_endpoint_and_the_monitoring_tell_the_model_what_training_told_it(
    dated: Any, frame: pd.DataFrame
) -> None:
    mill = dated()
    mill.walk()
    features = Features(mill.file("final/final.json")["features"])
    rows = frame[FEATURES].astype(object).where(frame[FEATURES].notna(), None).to_dict("records")
    faults = Faults()
    asked = features.columns(features.rows(rows, faults, limit=len(rows)).values)
    faults.refuse()
    assert features.inputs() == list(asked) == ["level", "wind", *TOLD]
    trained = to_arrays(frame.assign(due=pd.to_datetime(frame["due"])), mill.project)
    said = [Prediction(str(n), datetime.now(UTC), 1, row, 0.5) for n, row in enumerate(rows)]
    captured = columns(said, mill.project)
    for name in TOLD:
        np.testing.assert_array_equal(asked[name][:, 0], trained[name])
        np.testing.assert_array_equal(captured[name], trained[name])
    body = mill.objects.get("runs/tides/tides-v00001/final/model.skops")
    answers = pipeline.predict(artifacts.load(body, canonical.sha256(body)), trained, mill.project.inputs())
    served = onnxruntime.InferenceSession(mill.objects.get("runs/tides/tides-v00001/final/model.onnx"))
    np.testing.assert_allclose(served.run(["probabilities"], asked)[0][:, 1], answers, atol=2e-6)


def test_a_champion_is_asked_with_the_parts_that_it_knows(dated: Any) -> None:
    mill = dated()
    mill.walk()
    mill.crown()
    assert mill.walk(run_id=SECOND)["comparisons"]["champion"]["difference"] == 0.0
    mill.project = dated(recipe={"dates": ["hour"]}).project
    mill.walk(run_id=f"{SECOND}3")
    reason = mill.gate("champion", f"{SECOND}3")["reason"]
    assert "needs the features ['due.cycle_of_day.cos', 'due.cycle_of_day.sin', 'due.weekday']" in reason


@pytest.mark.parametrize("value", ["noon", 12, "", "2026-02-30T00:00:00Z"])
def test_a_request_with_something_else_is_told_so(dated: Any, value: Any) -> None:
    mill = dated()
    mill.plan()
    features = Features([{"name": "due", "type": "timestamp", "nullable": True, "parts": PARTS}])
    faults = Faults()
    features.rows([{"due": value}], faults)
    with pytest.raises(RequestInvalid, match=r"instances\[0\]\.due"):
        faults.refuse()
    assert np.isnan(features.columns(features.rows([{}], Faults()).values)["due.hour"]).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipe": {"dates": []}}, "at least one part"),
        ({"recipe": {"dates": ["hour", "hour"]}}, "each once"),
        ({"recipe": {"dates": ["minute"]}}, "recipe.dates"),
        ({"columns": {**COLUMNS, "due.hour": {"type": "number"}}}, r"\['due.hour'\] are the names of parts"),
        (
            {"columns": {**COLUMNS, "due.hour": {"type": "number"}}, "features": [*FEATURES, "due.hour"]},
            r"\['due.hour'\] are the names of parts of a feature that is a time, too",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(dated: Any, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProjectInvalid, match=reason):
        dated(**changes)
