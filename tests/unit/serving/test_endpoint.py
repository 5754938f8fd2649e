"""An endpoint over HTTP: what it answers, with which status, and what it writes."""

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.memory import MemoryObjects
from tidemill.errors import ArtifactCorrupt, ModelNotReady
from tidemill.serving.deliver_capture import deliver_capture
from tidemill.serving.endpoint import respond
from tidemill.serving.http import MAX_BYTES
from tidemill.serving.model import Model

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
GOOD = {"delay": 12.5, "carrier": "AA"}


def event(body: str | None, **more: Any) -> dict[str, Any]:
    return {
        "version": "2.0",
        "requestContext": {"requestId": "gw"},
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def call(model: Model, body: Any, **more: Any) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Status, answer and written lines of a request; a body that is not text is sent as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    written: list[str] = []
    response = respond(
        event(text, **more), model=lambda: model, request_id="r1", variant="9", at=AT, write=written.append
    )
    assert response["headers"] == {"content-type": "application/json"}
    return response["statusCode"], json.loads(response["body"]), [json.loads(line) for line in written]


def test_answers_are_those_of_the_trained_pipeline(model: Model, classifier: Any) -> None:
    status, answer, _ = call(model, {"instances": classifier.rows})
    expected = classifier.pipeline.predict_proba(classifier.frame)[:, 1]
    assert status == 200
    assert (answer["model_version"], answer["variant"]) == (7, "9")
    probabilities = [item["probability"] for item in answer["predictions"]]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert [item["prediction"] for item in answer["predictions"]] == [int(p >= 0.4) for p in probabilities]
    assert [item["prediction_id"] for item in answer["predictions"]] == [f"r1.{n}" for n in range(60)]


def test_a_regression_answers_with_the_value_alone(regression_model: Model, regressor: Any) -> None:
    status, answer, _ = call(regression_model, {"instances": regressor.rows})
    expected = regressor.pipeline.predict(regressor.frame)
    assert status == 200
    assert set(answer["predictions"][0]) == {"prediction_id", "prediction"}
    np.testing.assert_allclose([item["prediction"] for item in answer["predictions"]], expected, atol=1e-5)


def test_named_classes_are_answered_with_the_name_and_all_probabilities(
    named_model: Model, named_classifier: Any
) -> None:
    status, answer, lines = call(named_model, {"instances": named_classifier.rows})
    expected = named_classifier.pipeline.predict_proba(named_classifier.frame)
    assert status == 200
    assert set(answer["predictions"][0]) == {"prediction_id", "prediction", "probabilities"}
    assert list(answer["predictions"][0]["probabilities"]) == ["slack", "flood", "ebb"]
    probabilities = [list(item["probabilities"].values()) for item in answer["predictions"]]
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    names = np.array(["slack", "flood", "ebb"])[expected.argmax(axis=1)]
    assert [item["prediction"] for item in answer["predictions"]] == names.tolist()
    assert set(names) == {"slack", "flood", "ebb"}
    captured = lines[0]["instances"]
    assert [{**item, "features": None} for item in captured] == [
        {**item, "features": None} for item in answer["predictions"]
    ]
    objects = MemoryObjects()
    told = [json.dumps(line) for line in lines if "instances" in line]
    assert deliver_capture(told, objects=objects) == {"delivered": len(told), "corrupt": 0}


def test_a_named_class_without_a_finite_probability_is_no_answer(named_model: Model) -> None:
    class Overflowing:
        def run(self, *arguments: Any) -> Any:
            return [np.array([[0.2, 0.3, 0.5], [0.5, np.nan, 0.5]])]

    broken = Model(named_model.document, named_model.features, Overflowing())
    status, answer, _ = call(broken, {"instances": [GOOD, GOOD]})
    assert (status, answer["field"]) == (422, "instances[1]")


def test_all_instances_are_one_run_of_the_model(model: Model, classifier: Any) -> None:
    runs = []

    class Counting:
        def run(self, *arguments: Any) -> Any:
            runs.append(arguments)
            return model.session.run(*arguments)

    status, _, _ = call(Model(model.document, model.features, Counting()), {"instances": classifier.rows})
    assert (status, len(runs)) == (200, 1)


def test_a_request_is_captured_as_the_contract_says(model: Model) -> None:
    _, answer, lines = call(model, {"instances": [GOOD, {**GOOD, "stops": 2}], "entity_id": "N14228"})
    captured, metrics = lines
    assert {name: value for name, value in captured.items() if name != "instances"} == {
        "kind": "TIDEMILL_CAPTURE",
        "project": "tides",
        "at": "2026-05-04T03:02:01+00:00",
        "request_id": "r1",
        "variant": "9",
        "model_version": 7,
        "entity_id": "N14228",
    }
    assert captured["instances"][1] == {
        **answer["predictions"][1],
        "features": {"delay": 12.5, "stops": 2, "wind": None, "carrier": "AA", "gate": None},
    }
    assert (metrics["project"], metrics["Predictions"], metrics["RequestErrors"]) == ("tides", 2, 0)
    (declared,) = metrics["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == "Tidemill"
    assert declared["Dimensions"] == [["project"]]
    assert metrics["_aws"]["Timestamp"] == AT.timestamp() * 1000


def test_large_requests_are_captured_in_lines_of_200(model: Model) -> None:
    _, answer, lines = call(model, {"instances": [GOOD] * 300})
    captured = [line for line in lines if line.get("kind")]
    assert [len(line["instances"]) for line in captured] == [200, 100]
    ids = [item["prediction_id"] for line in captured for item in line["instances"]]
    assert ids == [item["prediction_id"] for item in answer["predictions"]]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("", 400, "body"),
        ("{", 400, "body"),
        ('{"instances": [{"delay": NaN}]}', 400, "body"),
        ("[" * 100_000, 400, "body"),
        ('{"instances": ' + "9" * 5000 + "}", 400, "body"),
        ("[]", 422, "body"),
        ("null", 422, "body"),
        ({}, 422, "instances"),
        ({"instances": []}, 422, "instances"),
        ({"instances": {}}, 422, "instances"),
        ({"instances": [GOOD] * 301}, 422, "instances"),
        ({"instances": [GOOD], "rows": []}, 422, "rows"),
        ({"instances": [GOOD], "entity_id": 5}, 422, "entity_id"),
        ({"instances": [GOOD], "entity_id": "x" * 257}, 422, "entity_id"),
        ({"instances": [GOOD, 5]}, 422, "instances[1]"),
        ({"instances": [GOOD, GOOD, GOOD, {"delay": 1}]}, 422, "instances[3].carrier"),
        ({"instances": [{**GOOD, "carrier": None}]}, 422, "instances[0].carrier"),
        ({"instances": [{**GOOD, "carrier": 3}]}, 422, "instances[0].carrier"),
        ({"instances": [{**GOOD, "carrier": "ZZ"}]}, 422, "instances[0].carrier"),
        ({"instances": [{**GOOD, "gate": ""}]}, 422, "instances[0].gate"),
        ({"instances": [{**GOOD, "gate": "\ud800"}]}, 422, "instances[0].gate"),
        ({"instances": [{**GOOD, "gate": "x" * 257}]}, 422, "instances[0].gate"),
        ({"instances": [{**GOOD, "delay": "12"}]}, 422, "instances[0].delay"),
        ({"instances": [{**GOOD, "delay": True}]}, 422, "instances[0].delay"),
        ({"instances": [{**GOOD, "delay": 1441}]}, 422, "instances[0].delay"),
        ({"instances": [{**GOOD, "delay": -61}]}, 422, "instances[0].delay"),
        ({"instances": [{**GOOD, "wind": 1e39}]}, 422, "instances[0].wind"),
        ({"instances": [{**GOOD, "wind": 10**400}]}, 422, "instances[0].wind"),
        ({"instances": [{**GOOD, "stops": 1.5}]}, 422, "instances[0].stops"),
        ({"instances": [{**GOOD, "colour": "red"}]}, 422, "instances[0].colour"),
        ("x" * (MAX_BYTES + 1), 413, None),
    ],
)
def test_a_wrong_request_is_told_where_it_is_wrong(
    model: Model, body: Any, status: int, field: str | None
) -> None:
    found, answer, lines = call(model, body)
    assert (found, answer.get("field")) == (status, field)
    assert answer["error"] == ("PayloadTooLarge" if status == 413 else "RequestInvalid")
    assert len(answer["message"]) < 600
    (metrics,) = lines
    assert metrics["RequestErrors"] == 1


def test_whole_numbers_may_be_written_with_a_point(model: Model) -> None:
    assert call(model, {"instances": [{**GOOD, "stops": 3.0}]})[0] == 200


def test_a_category_that_training_never_saw_is_answered(model: Model) -> None:
    assert call(model, {"instances": [{**GOOD, "gate": "Ж\u0000\U0001d518"}]})[0] == 200


def test_values_that_overflow_the_arithmetic_are_the_callers_error(model: Model) -> None:
    class Overflowing:
        def run(self, outputs: Any, columns: Any) -> Any:
            return [np.array([[0.5, 0.5], [math.nan, math.nan]], dtype=np.float32)]

    status, answer, lines = call(Model(model.document, model.features, Overflowing()), {"instances": [GOOD, GOOD]})
    assert (status, answer["field"]) == (422, "instances[1]")
    assert [line.get("kind") for line in lines] == [None]


def test_a_body_may_come_base64_encoded(model: Model) -> None:
    encoded = base64.b64encode(json.dumps({"instances": [GOOD]}).encode()).decode()
    assert call(model, encoded, isBase64Encoded=True)[0] == 200
    assert call(model, "a" * 5, isBase64Encoded=True)[0] == 400
    too_large = base64.b64encode(b" " * (MAX_BYTES + 1)).decode()
    assert call(model, too_large, isBase64Encoded=True)[0] == 413


@pytest.mark.parametrize("error", [ModelNotReady("none yet"), ArtifactCorrupt("not the registered one")])
def test_without_a_sound_model_there_is_no_answer_but_503(error: Exception) -> None:
    def broken() -> Model:
        raise error

    response = respond(event("{}"), model=broken, request_id="r1", variant="1", at=AT, write=print)
    assert response["statusCode"] == 503
    assert json.loads(response["body"]) == {"error": type(error).__name__, "message": str(error)}


def test_a_direct_invocation_takes_and_gives_the_plain_body(model: Model) -> None:
    def invoke(value: Any) -> Any:
        return respond(value, model=lambda: model, request_id="r1", variant="9", at=AT, write=lambda line: None)

    assert invoke({"instances": [GOOD]})["predictions"][0]["prediction_id"] == "r1.0"
    assert invoke({"instances": []})["status"] == 422
    assert invoke([])["field"] == "body"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["AA", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
instances = st.fixed_dictionaries(
    {"delay": json_values | st.floats(-60, 1440), "carrier": json_values | st.sampled_from(["AA", "UA"])},
    optional={"stops": json_values, "wind": st.floats(width=32) | json_values, "gate": st.text() | json_values},
)
bodies = (
    st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1"))
    | json_values.map(json.dumps)
    | st.fixed_dictionaries(
        {"instances": st.lists(instances | json_values, max_size=4)}, optional={"entity_id": json_values}
    ).map(json.dumps)
)


@given(body=bodies, encoded=st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_body_makes_the_endpoint_fail(model: Model, body: str, encoded: bool) -> None:
    status, answer, lines = call(model, body, isBase64Encoded=encoded)
    assert status in {200, 400, 422}
    assert ("predictions" in answer) == (status == 200)
    assert sum(line.get("RequestErrors", 0) for line in lines) == (status != 200)


@given(numbers=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_every_finite_number_is_answered_or_refused(model: Model, numbers: list[float]) -> None:
    status, answer, _ = call(model, {"instances": [{**GOOD, "wind": number} for number in numbers]})
    assert status in {200, 422}
    for item in answer.get("predictions", ()):
        assert 0 <= item["probability"] <= 1


def test_what_a_release_asks_in_the_background_is_neither_captured_nor_counted(model: Model) -> None:
    written: list[str] = []

    def ask(value: Any) -> Any:
        return respond(value, model=lambda: model, request_id="r1", variant="9", at=AT, write=written.append)

    plain = ask({"instances": [GOOD]})
    assert len(written) == 2
    written.clear()
    assert ask({"shadow": {"instances": [GOOD]}}) == plain
    assert ask({"shadow": {"instances": []}})["status"] == 422
    assert written == []


@pytest.mark.parametrize("more", [{"instances": [GOOD]}, {}])
def test_no_caller_over_http_is_in_a_shadow(model: Model, more: dict[str, Any]) -> None:
    status, answer, lines = call(model, {"shadow": {"instances": [GOOD]}, **more})
    assert (status, answer["field"]) == (422, "shadow")
    assert [line["RequestErrors"] for line in lines] == [1]


@pytest.mark.parametrize(
    ("error", "refused"), [(ModelNotReady("none yet"), None), (ArtifactCorrupt("changed"), 1)]
)
def test_an_answer_that_failed_by_our_own_fault_is_counted_by_version(
    error: Exception, refused: int | None
) -> None:
    def broken() -> Model:
        raise error

    written: list[str] = []
    respond(
        event("{}"), model=broken, request_id="r1", variant="9", at=AT, write=written.append, project="tides",
        stage="dev",
    )  # fmt: skip
    (line,) = [json.loads(text) for text in written]
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert declared["Dimensions"] == [
        ["project"],
        ["project", "stage"],
        ["project", "stage", "variant"],
    ]
    told = {name: line[name] for name in ("project", "stage", "variant", "AnswerFaults")}
    assert told == {"project": "tides", "stage": "dev", "variant": "9", "AnswerFaults": 1}
    assert line.get("ArtifactsRefused") == refused
    assert "RequestErrors" not in line


def test_a_wrong_request_is_no_fault_of_the_version(model: Model) -> None:
    _, _, (line,) = call(model, {"instances": []})
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert declared["Dimensions"] == [["project"]]
    assert "AnswerFaults" not in line
    assert "variant" not in line
