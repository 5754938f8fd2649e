"""Outcomes by entity and time, and as CSV: what is kept, and how a fault names its line and column."""

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.serving.test_serve_api import PROJECTS, Api, api  # noqa: F401
from tidemill import projects
from tidemill.serving.accept_outcomes import MAX_OUTCOMES
from tidemill.serving.capture import pseudonym

TIDES, PHASES = "/projects/tides/outcomes", "/projects/phases/outcomes"


@pytest.fixture
def post(api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    """Send a body of that media type; gives the status and the answer."""
    handler = api.module.handler

    def call(path: str, body: Any, media: str = "text/csv; charset=utf-8") -> tuple[int, dict[str, Any]]:
        def with_headers(event: dict[str, Any], context: Any) -> Any:
            return handler({**event, "headers": {"Content-Type": media}}, context)

        monkeypatch.setattr(api.module, "handler", with_headers)
        return api.call("POST", path, body)

    return call


def with_project(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    document = {**PROJECTS["tides"].model_dump(mode="json"), **changes}
    monkeypatch.setitem(PROJECTS, "tides", projects.parse(document))


def kept(api: Api, project: str = "tides") -> list[dict[str, Any]]:  # noqa: F811
    return [{name: value for name, value in line.items() if name != "at"} for line in api.lines(project)]


def test_a_table_is_kept_as_the_same_outcomes_in_json(post: Any, api: Api) -> None:  # noqa: F811
    text = '\ufeffprediction_id, outcome ,reward\r\n"r,1.0",1,2.5\r\n\r\nr2.0,0,\r\n'
    assert post(TIDES, text) == (202, {"accepted": 2})
    assert kept(api) == [
        {"prediction_id": "r,1.0", "outcome": 1.0, "reward": 2.5},
        {"prediction_id": "r2.0", "outcome": 0.0},
    ]


def test_classes_stay_names_also_those_that_look_like_numbers(post: Any, api: Api) -> None:  # noqa: F811
    assert post(PHASES, "outcome,prediction_id\n7,r.0\nebb,r.1\n") == (202, {"accepted": 2})
    assert [line["outcome"] for line in kept(api, "phases")] == ["7", "ebb"]


def test_faults_name_line_and_column_and_nothing_is_kept(post: Any, api: Api) -> None:  # noqa: F811
    text = 'prediction_id,outcome,reward\nr.0,1,\ntwo,2,\n"a,"b,1,\nr.1,1\nr.2,0,much\nr.3,nan,\n'
    status, answer = post(TIDES, text)
    assert status == 422
    assert [(fault["field"], fault["code"]) for fault in answer["faults"]] == [
        ("line 3, outcome", "not_allowed"),
        ("line 4", "not_csv"),
        ("line 5", "wrong_count"),
        ("line 6, reward", "wrong_type"),
        ("line 7, outcome", "not_allowed"),
    ]
    assert api.lines("tides") == []


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        ("", "line 1", "wrong_fields"),
        ('"prediction_id,outcome\nr.0,1\n', "line 1", "not_csv"),
        ("prediction_id,outcome\n", "body", "wrong_count"),
        ("prediction_id\nr.0\n", "line 1", "wrong_fields"),
        ("prediction_id,outcome,outcome\nr.0,1,1\n", "line 1", "wrong_fields"),
        ("prediction_id,entity_id,outcome\nr.0,a,1\n", "line 1", "wrong_fields"),
        ('prediction_id,outcome\nr.0,1\n"r.1"x,1\n', "line 3", "not_csv"),
        ("prediction_id,outcome\n" + "r.0,1\n" * (MAX_OUTCOMES + 1), "body", "wrong_count"),
        ("prediction_id,outcome\n" + "r" * 20_000 + ",1\n", "line 2", "too_long"),
        ("prediction_id,outcome\n" + "r" * 300 + ",1\n", "line 2, prediction_id", "too_long"),
    ],
)
def test_what_is_no_table_of_outcomes_is_refused(
    post: Any,
    api: Api,  # noqa: F811
    text: str,
    field: str,
    code: str,
) -> None:
    status, answer = post(TIDES, text)
    assert (status, answer["faults"][0]["field"], answer["faults"][0]["code"]) == (422, field, code)
    assert api.lines("tides") == []


def test_a_table_that_is_not_utf_8_is_refused(api: Api) -> None:  # noqa: F811
    body = base64.b64encode(b"prediction_id,outcome\nr\xff.0,1\n").decode()
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": TIDES,
        "rawQueryString": "",
        "headers": {"content-type": "text/csv"},
        "requestContext": {"http": {"method": "POST", "path": TIDES}, "requestId": "gw", "stage": "$default"},
        "body": body,
        "isBase64Encoded": True,
    }
    context = SimpleNamespace(
        function_name="a", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="r"
    )
    response = api.module.handler(event, context)
    assert response["statusCode"] == 422 and "byte 23" in response["body"]


def test_json_is_the_default_whatever_else_is_said(post: Any, api: Api) -> None:  # noqa: F811
    body = json.dumps({"outcomes": [{"prediction_id": "r.0", "outcome": 1}]})
    for media in ("application/json", "", "text/plain"):
        assert post(TIDES, body, media) == (202, {"accepted": 1})


ABOUT = {"entity_id": "anna", "at": "2026-05-04T14:00:00+02:00", "outcome": 1}


def test_an_outcome_about_an_entity_is_kept_with_its_time_and_the_hours(post: Any, api: Api) -> None:  # noqa: F811
    told = {"entity_id": "anna", "outcome": 1, "happened": "2026-05-04T12:00:00+00:00", "within": 2160}
    assert post(TIDES, {"outcomes": [ABOUT]}, "application/json")[0] == 202
    assert post(TIDES, "entity_id,at,outcome\nanna,2026-05-04T12:00:00Z,1\n")[0] == 202
    assert kept(api) == [told, told]
    assert all(line["at"] > "2026" for line in api.lines("tides"))


def test_the_hours_and_the_pseudonym_are_the_projects(
    post: Any,
    api: Api,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_project(monkeypatch, serving={"outcomes": {"within_hours": 5}, "capture": {"entity": "hash"}})
    assert post(TIDES, {"outcomes": [ABOUT]}, "application/json")[0] == 202
    (line,) = kept(api)
    assert (line["entity_id"], line["within"]) == (pseudonym("tides", "anna"), 5)


@pytest.mark.parametrize(
    ("serving", "told"),
    [({"capture": {"entity": "drop"}}, "capture.entity"), ({"capture": {"share": 0.5}}, "capture.share")],
)
def test_what_could_never_be_joined_is_refused(
    post: Any, monkeypatch: pytest.MonkeyPatch, serving: dict[str, Any], told: str
) -> None:
    with_project(monkeypatch, serving=serving)
    status, answer = post(TIDES, {"outcomes": [ABOUT]}, "application/json")
    assert (status, answer["faults"][0]["code"], answer["field"]) == (422, "not_joined", "outcomes[0].entity_id")
    assert told in answer["message"]
    assert post(TIDES, "prediction_id,outcome\nr.0,1\n")[0] == 202


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"at": "soon"}, "outcomes[0].at"),
        ({"at": 3}, "outcomes[0].at"),
        ({"entity_id": 7}, "outcomes[0].entity_id"),
        ({"prediction_id": "r.0"}, "outcomes[0]"),
        ({"outcome": 3}, "outcomes[0].outcome"),
    ],
)
def test_faults_of_an_outcome_about_an_entity(post: Any, changes: dict[str, Any], field: str) -> None:
    status, answer = post(TIDES, {"outcomes": [{**ABOUT, **changes}]}, "application/json")
    assert (status, answer["field"]) == (422, field)
