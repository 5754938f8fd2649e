"""The OpenAPI document of a project: valid, true to what the handlers do, with examples that work when pasted."""

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from infra.project_files import folder, read
from tests.unit.serving.gateway import Gateway, schema_of
from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.ports import Put
from tidemill.serving.openapi.document import describe_api

PREDICT, OUTCOMES = "/projects/tides/predict", "/projects/tides/outcomes"


def examples(document: dict[str, Any], path: str) -> dict[str, Any]:
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return {name: example["value"] for name, example in content["examples"].items()}


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": "https://api.example.com"}]
    assert document["info"]["version"] == "7"


def test_every_example_works_when_pasted(gateway: Gateway, document: dict[str, Any]) -> None:
    sent = 0
    for path, status, answer in ((PREDICT, 200, "PredictResponse"), (OUTCOMES, 202, "OutcomesResponse")):
        for name, example in examples(document, path).items():
            response = gateway.call("POST", path, json.dumps(example).encode())
            assert response["statusCode"] == status, (name, response["body"])
            schema_of(document, answer).validate(json.loads(response["body"]))
            sent += 1
    assert sent == 4


def test_features_are_told_with_their_rules(document: dict[str, Any]) -> None:
    instance = document["components"]["schemas"]["Instance"]
    assert instance["required"] == ["delay", "carrier"]
    assert instance["additionalProperties"] is False
    properties = instance["properties"]
    assert properties["delay"] == {"type": "number", "minimum": -60, "maximum": 1440}
    assert (properties["stops"]["type"], properties["stops"]["minimum"]) == (["integer", "null"], 0)
    assert properties["carrier"] == {"type": "string", "enum": ["AA", "B6", "UA"]}
    assert properties["gate"] == {"type": ["string", "null"], "minLength": 1, "maxLength": 256}


GOOD = {"delay": 12.5, "carrier": "AA"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"stops": 3},
        {"stops": 3.0},
        {"stops": None},
        {"gate": "Ж"},
        {"wind": -1e30},
        {"delay": 1441},
        {"delay": None},
        {"delay": "1"},
        {"delay": True},
        {"carrier": "ZZ"},
        {"carrier": None},
        {"gate": ""},
        {"gate": "x" * 257},
        {"wind": 1e39},
        {"stops": 1.5},
        {"colour": 1},
    ],
)
def test_the_document_allows_what_the_handler_takes(
    gateway: Gateway, document: dict[str, Any], change: dict[str, Any]
) -> None:
    body = {"instances": [{**GOOD, **change}]}
    response = gateway.call("POST", PREDICT, json.dumps(body).encode())
    told = json.loads(response["body"])
    allowed = schema_of(document, "PredictRequest").is_valid(body)
    assert (response["statusCode"] == 200) == allowed
    schema_of(document, "PredictResponse" if allowed else "Error").validate(told)


def test_before_the_first_release_the_project_file_speaks() -> None:
    for problem in read(folder()).values():
        found = describe_api(problem=problem, server="/", auth="iam", objects=MemoryObjects(), index=MemoryIndex())
        OpenAPIV31SpecValidator(found).validate()
        assert "No model was released yet." in found["info"]["description"]
        assert list(found["components"]["schemas"]["Instance"]["properties"]) == list(problem.features)
        for example in examples(found, f"/projects/{problem.name}/predict").values():
            schema_of(found, "PredictRequest").validate(example)


RULES = {
    "at": {"type": "timestamp"},
    "low": {"type": "integer", "minimum": 0.5},
    "high": {"type": "integer", "maximum": -3},
    "pick": {"type": "number", "allowed": [4, 8]},
    "berth": {"type": "category", "allowed": [1, 2]},
    "note": {"type": "category", "nullable": True},
    "full": {"type": "number"},
}


def problem_of(**changes: Any) -> projects.Project:
    document = {"name": "tides", "description": "?", "task": "regression", "target": "full", "columns": RULES}
    return projects.parse({**document, "features": [name for name in RULES if name != "full"], **changes})


def described(problem: projects.Project) -> dict[str, Any]:
    return describe_api(problem=problem, server="/", auth="iam", objects=MemoryObjects(), index=MemoryIndex())


def test_each_kind_of_rule_has_an_example_that_keeps_it() -> None:
    found = described(problem_of())
    instance = examples(found, PREDICT)["one"]["instances"][0]
    assert instance == {"at": "2026-03-01T12:00:00Z", "low": 1, "high": -3, "pick": 4, "berth": "1", "note": "a"}
    schema_of(found, "PredictRequest").validate(examples(found, PREDICT)["one"])
    properties = found["components"]["schemas"]["Instance"]["properties"]
    assert properties["at"] == {"type": "string", "format": "date-time", "maxLength": 256}
    assert properties["berth"]["enum"] == ["1", "2"]


def test_what_is_imputed_is_allowed_and_said() -> None:
    found = described(problem_of(serving={"missing": "impute", "out_of_range": "impute"}))
    instance = found["components"]["schemas"]["Instance"]
    assert "required" not in instance
    schema_of(found, "PredictRequest").validate({"instances": [{"low": -5, "pick": 5, "berth": "9", "at": None}]})
    low = instance["properties"]["low"]
    assert low["type"] == ["integer", "null"]
    assert "outside minimum 0.5 is taken for missing" in low["description"]
    assert not schema_of(found, "PredictRequest").is_valid({"instances": [{"low": "five"}]})


def test_a_request_of_one_row_is_the_only_example_where_more_are_not_taken() -> None:
    found = described(problem_of(max_instances=1))
    assert all(len(example["instances"]) == 1 for example in examples(found, PREDICT).values())


def test_named_classes_are_told() -> None:
    columns = {**RULES, "full": {"type": "category", "allowed": ["neap", "spring"]}}
    found = described(problem_of(task="classification", columns=columns))
    schemas = found["components"]["schemas"]
    assert schemas["Prediction"]["properties"]["prediction"]["enum"] == ["neap", "spring"]
    assert schemas["Prediction"]["properties"]["probabilities"]["required"] == ["neap", "spring"]
    assert "threshold" not in schemas["PredictResponse"]["properties"]
    assert examples(found, OUTCOMES)["one"]["outcomes"][0]["outcome"] == "neap"
    OpenAPIV31SpecValidator(found).validate()


@pytest.mark.parametrize(
    ("auth", "scheme"),
    [
        ("iam", {"type": "apiKey", "x-amazon-apigateway-authtype": "awsSigv4"}),
        ("jwt", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}),
        ("token", {"type": "http", "scheme": "bearer"}),
    ],
)
def test_the_way_in_is_the_one_that_the_stage_asks_for(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, auth: str, scheme: dict[str, str]
) -> None:
    monkeypatch.setattr(wiring, "auth", lambda: auth)
    found = json.loads(gateway.call("GET", "/projects/tides/openapi.json")["body"])
    OpenAPIV31SpecValidator(found).validate()
    ((name, said),) = found["components"]["securitySchemes"].items()
    assert found["security"] == [{name: []}]
    assert found["paths"]["/health"]["get"]["security"] == []
    assert scheme.items() <= said.items()
    for path in ("/projects/tides/predict", "/projects/tides/outcomes"):
        assert ("429" in found["paths"][path]["post"]["responses"]) is (auth == "token")
    if auth == "jwt":
        assert "tidemill/tides/outcomes" in said["description"]


def test_an_unknown_project_has_no_document(gateway: Gateway) -> None:
    assert gateway.call("GET", "/projects/ebb/openapi.json")["statusCode"] == 404


def test_the_champion_is_described_not_the_project_file(
    problem: projects.Project, model_document: dict[str, Any]
) -> None:
    objects, index = MemoryObjects(), MemoryIndex()
    model_document["features"] = model_document["features"][:1]
    objects.put_new(names.model("tides", 7) + "model.json", json.dumps(model_document).encode())
    index.transact([Put(names.pk("tides"), names.POINTER_LIVE, {"epoch": 1, "champion": {"model": 7}})])
    found = describe_api(problem=problem, server="/", auth="iam", objects=objects, index=index)
    assert list(found["components"]["schemas"]["Instance"]["properties"]) == ["delay"]
    assert found["components"]["schemas"]["PredictRequest"]["properties"]["instances"]["maxItems"] == 300
