"""What a refused request is told: for each fault a code, the place, the value, the rule, and a sentence."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidemill.serving.endpoint import respond
from tidemill.serving.faults import MOST
from tidemill.serving.instances import Features
from tidemill.serving.model import Model

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
GOOD = {"delay": 12.5, "carrier": "AA"}
FLOAT32 = {"minimum": -3.4028234663852886e38, "maximum": 3.4028234663852886e38}
ABSENT = object()


def call(model: Model, body: Any) -> tuple[int, dict[str, Any]]:
    text = body if isinstance(body, str) else json.dumps(body)
    event = {"version": "2.0", "requestContext": {}, "body": text}
    response = respond(event, model=lambda: model, request_id="r", variant="9", at=AT, write=lambda line: None)
    return response["statusCode"], json.loads(response["body"])


@pytest.mark.parametrize(
    ("change", "field", "code", "rule", "value"),
    [
        ({"colour": "red"}, "colour", "unknown_field", {"additionalProperties": False}, "red"),
        ({"colour": {"a": 1}}, "colour", "unknown_field", {"additionalProperties": False}, ABSENT),
        ({"delay": None}, "delay", "missing", {"required": True}, ABSENT),
        ({"delay": "12"}, "delay", "wrong_type", {"type": "number"}, "12"),
        ({"delay": True}, "delay", "wrong_type", {"type": "number"}, True),
        ({"delay": [1]}, "delay", "wrong_type", {"type": "number"}, ABSENT),
        ({"delay": 1441}, "delay", "out_of_range", {"minimum": -60, "maximum": 1440}, 1441),
        ({"stops": -1}, "stops", "out_of_range", {"minimum": 0}, -1),
        ({"stops": 1.5}, "stops", "not_whole", {"type": "integer"}, 1.5),
        ({"wind": 1e39}, "wind", "not_finite", FLOAT32, 1e39),
        ({"wind": 10**400}, "wind", "not_finite", FLOAT32, ABSENT),
        ({"carrier": 3}, "carrier", "wrong_type", {"type": "string"}, 3),
        ({"carrier": "ZZ"}, "carrier", "not_allowed", {"enum": ["AA", "B6", "UA"]}, "ZZ"),
        ({"gate": ""}, "gate", "empty", {"minLength": 1}, ""),
        ({"gate": "x" * 257}, "gate", "too_long", {"maxLength": 256}, "x" * 64),
        ({"gate": "a\ud800"}, "gate", "not_unicode", {"type": "string"}, "a?"),
    ],
)
def test_each_fault_names_field_value_and_rule(
    model: Model, change: dict[str, Any], field: str, code: str, rule: dict[str, Any], value: Any
) -> None:
    status, answer = call(model, {"instances": [GOOD, {**GOOD, **change}]})
    (fault,) = answer["faults"]
    assert status == 422
    assert {name: fault[name] for name in ("code", "field", "rule")} == {
        "code": code,
        "field": f"instances[1].{field}",
        "rule": rule,
    }
    assert fault.get("value", ABSENT) == value
    assert answer["field"] == fault["field"]
    assert answer["message"] == f"{fault['field']}: {fault['message']}"
    assert answer["more"] is False


def test_an_infinite_number_is_no_json_value_to_give_back(model: Model) -> None:
    status, answer = call(model, '{"instances": [{"delay": 1, "carrier": "AA", "wind": 1e999}]}')
    assert status == 422
    assert (answer["faults"][0]["code"], "value" in answer["faults"][0]) == ("not_finite", False)


def test_all_faults_are_told_in_their_order(model: Model) -> None:
    bad = {"delay": "late", "stops": -1, "carrier": "ZZ", "colour": 1}
    _, answer = call(model, {"instances": [bad, GOOD, 7], "entity_id": 5, "rows": 1})
    assert [(fault["field"], fault["code"]) for fault in answer["faults"]] == [
        ("rows", "unknown_field"),
        ("entity_id", "wrong_type"),
        ("instances[0].colour", "unknown_field"),
        ("instances[0].delay", "wrong_type"),
        ("instances[0].stops", "out_of_range"),
        ("instances[0].carrier", "not_allowed"),
        ("instances[2]", "wrong_type"),
    ]
    assert "(the first of 7 faults)" in answer["message"]
    assert answer["more"] is False


def test_of_very_many_faults_the_first_are_told(model: Model) -> None:
    _, answer = call(model, {"instances": [{"delay": "x"}] * 300})
    assert (len(answer["faults"]), answer["more"]) == (MOST, True)
    assert "(the first of 20 or more faults)" in answer["message"]
    _, exact = call(model, {"instances": [{"delay": "x"}] * (MOST // 2)})
    assert (len(exact["faults"]), exact["more"]) == (MOST, False)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "not_json"),
        ("[]", 422, "wrong_type"),
        ("{}", 422, "missing"),
        ('{"instances": []}', 422, "wrong_count"),
    ],
)
def test_a_body_that_holds_no_instances_has_one_fault(model: Model, body: str, status: int, code: str) -> None:
    found, answer = call(model, body)
    assert (found, [fault["code"] for fault in answer["faults"]]) == (status, [code])


def test_an_answer_tells_the_threshold_that_was_applied(model: Model, regression_model: Model) -> None:
    _, answer = call(model, {"instances": [GOOD]})
    assert answer.keys() == {"predictions", "model_version", "variant", "threshold"}
    assert answer["threshold"] == 0.4
    assert "threshold" not in call(regression_model, {"instances": [GOOD]})[1]


def test_only_what_was_asked_for_is_imputed(model: Model) -> None:
    def asked(change: dict[str, Any], **serving: str) -> Any:
        features = Features(model.document["features"], serving)
        status, answer = call(Model(model.document, features, model.session), {"instances": [{**GOOD, **change}]})
        return answer["predictions"][0].get("imputed") if status == 200 else answer["faults"][0]["code"]

    assert asked({"delay": None}, missing="impute") == ["delay"]
    assert asked({"delay": None}, out_of_range="impute") == "missing"
    assert asked({"delay": 1441, "carrier": "ZZ"}, out_of_range="impute") == ["delay", "carrier"]
    assert asked({"delay": 1441}, missing="impute") == "out_of_range"
    assert asked({"delay": 10**39}, missing="impute", out_of_range="impute") == "not_finite"
    assert asked({"delay": "late"}, missing="impute", out_of_range="impute") == "wrong_type"
    assert asked({"colour": 1}, missing="impute", out_of_range="impute") == "unknown_field"
    assert asked({}, missing="impute", out_of_range="impute") is None


def test_names_of_categories_are_texts_and_only_numbers_have_bounds() -> None:
    rules = [
        {"name": "berth", "type": "category", "nullable": False, "allowed": [1, 2], "minimum": 5},
        {"name": "at", "type": "timestamp", "nullable": False, "minimum": 5, "parts": ["hour"]},
    ]
    checks = {name: check for name, check, _ in Features(rules)._checks}
    assert checks["berth"]("2") is None
    assert checks["berth"]("3").code == "not_allowed"
    assert checks["at"]("2026-03-01T12:00:00Z") is None
    assert checks["at"]("soon").code == "not_a_time"
