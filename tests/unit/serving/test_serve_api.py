"""The HTTP API's other routes, through the function file and API Gateway's event."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill import names, projects
from tidemill.adapters import wiring
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.errors import ProjectUnknown
from tidemill.ports import Put

ROOT = Path(__file__).resolve().parents[3]
COLUMNS = {"high": {"type": "number"}, "moon": {"type": "number"}}
COMMON = {"description": "?", "target": "high", "columns": COLUMNS, "features": ["moon"]}
PROJECTS = {
    "tides": projects.parse({**COMMON, "name": "tides", "task": "classification"}),
    "depths": projects.parse({**COMMON, "name": "depths", "task": "regression"}),
    "phases": projects.parse(
        {
            **COMMON,
            "name": "phases",
            "task": "classification",
            "columns": {**COLUMNS, "high": {"type": "category", "allowed": ["ebb", "flood", "7"]}},
        }
    ),
}


def known(name: str) -> projects.Project:
    if name not in PROJECTS:
        raise ProjectUnknown(f"no project {name!r} is deployed")
    return PROJECTS[name]


class Api:
    """The deployed function over stores in memory."""

    def __init__(self, module: ModuleType, objects: MemoryObjects, index: MemoryIndex) -> None:
        self.module, self.objects, self.index = module, objects, index

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "requestContext": {"http": {"method": method, "path": path}, "requestId": "gw", "stage": "$default"},
            "body": text,
            "isBase64Encoded": False,
        }
        context = SimpleNamespace(
            function_name="api", memory_limit_in_mb=128, invoked_function_arn="arn", aws_request_id="r"
        )
        response = self.module.handler(event, context)
        assert response["headers"]["Content-Type"] == "application/json"
        return response["statusCode"], json.loads(response["body"])

    def lines(self, project: str) -> list[dict[str, Any]]:
        keys = list(self.objects.keys(names.outcomes(project)))
        return [json.loads(line) for key in keys for line in self.objects.get(key).splitlines()]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    spec = importlib.util.spec_from_file_location("serve_api", ROOT / "functions" / "serving" / "serve_api.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    objects, index = MemoryObjects(), MemoryIndex()
    monkeypatch.setattr(wiring, "objects", lambda: objects)
    monkeypatch.setattr(wiring, "index", lambda: index)
    monkeypatch.setattr(projects, "load", known)
    return Api(module, objects, index)


def test_health(api: Api) -> None:
    assert api.call("GET", "/health") == (200, {"status": "ok"})


def test_outcomes_are_kept_with_the_time_they_came(api: Api) -> None:
    sent = [{"prediction_id": "r1.0", "outcome": 1}, {"prediction_id": "r1.1", "outcome": 0}]
    assert api.call("POST", "/projects/tides/outcomes", {"outcomes": sent}) == (202, {"accepted": 2})
    stored = api.lines("tides")
    assert [{"prediction_id": line["prediction_id"], "outcome": line["outcome"]} for line in stored] == sent
    (key,) = api.objects.keys("outcomes/")
    assert key.startswith(f"outcomes/tides/dt={stored[0]['at'][:10]}/")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("", 400, "body"),
        ("{", 400, "body"),
        ([], 422, "body"),
        ({"outcomes": 3}, 422, "outcomes"),
        ({"outcomes": []}, 422, "outcomes"),
        ({"outcomes": [{"prediction_id": "r", "outcome": 1}] * 5001}, 422, "outcomes"),
        ({"outcomes": [{"prediction_id": "r"}]}, 422, "outcomes[0]"),
        ({"outcomes": [{"prediction_id": "r", "outcome": 1, "why": 1}]}, 422, "outcomes[0]"),
        ({"outcomes": [{"prediction_id": 1, "outcome": 1}]}, 422, "outcomes[0].prediction_id"),
        ({"outcomes": [{"prediction_id": "r", "outcome": 2}]}, 422, "outcomes[0].outcome"),
        ({"outcomes": [{"prediction_id": "r", "outcome": True}]}, 422, "outcomes[0].outcome"),
        ({"outcomes": [{"prediction_id": "r", "outcome": "1"}]}, 422, "outcomes[0].outcome"),
        ({"outcomes": [{"prediction_id": "r", "outcome": 1, "reward": "2"}]}, 422, "outcomes[0].reward"),
        ("x" * 1_000_001, 413, None),
    ],
)
def test_wrong_outcomes_are_told_where_and_nothing_is_kept(
    api: Api, body: Any, status: int, field: str | None
) -> None:
    found, answer = api.call("POST", "/projects/tides/outcomes", body)
    assert (found, answer.get("field")) == (status, field)
    assert list(api.objects.keys("")) == []


def test_an_outcome_may_bring_a_reward(api: Api) -> None:
    sent = {"outcomes": [{"prediction_id": "r.0", "outcome": 1, "reward": -2.5}]}
    assert api.call("POST", "/projects/tides/outcomes", sent)[0] == 202
    assert api.lines("tides")[0]["reward"] == -2.5


def test_an_outcome_of_a_regression_is_any_finite_number(api: Api) -> None:
    good = {"outcomes": [{"prediction_id": "r.0", "outcome": -12.5}]}
    assert api.call("POST", "/projects/depths/outcomes", good)[0] == 202
    bad = '{"outcomes": [{"prediction_id": "r.0", "outcome": 1e999}]}'
    assert api.call("POST", "/projects/depths/outcomes", bad)[1]["field"] == "outcomes[0].outcome"


@pytest.mark.parametrize("value", ["slack", 0, 7, None, True, ["ebb"], "Ebb", ""])
def test_an_outcome_of_named_classes_is_one_of_them(api: Api, value: Any) -> None:
    good = {"outcomes": [{"prediction_id": "r.0", "outcome": "flood"}, {"prediction_id": "r.1", "outcome": "7"}]}
    assert api.call("POST", "/projects/phases/outcomes", good)[0] == 202
    assert [line["outcome"] for line in api.lines("phases")] == ["flood", "7"]
    bad = {"outcomes": [{"prediction_id": "r.2", "outcome": "ebb"}, {"prediction_id": "r.3", "outcome": value}]}
    status, answer = api.call("POST", "/projects/phases/outcomes", bad)
    assert (status, answer["field"]) == (422, "outcomes[1].outcome")
    assert "must be the name of a class (ebb, flood, 7), not" in answer["message"]
    assert len(api.lines("phases")) == 2


def test_a_project_tells_its_classes_where_they_have_names(api: Api) -> None:
    assert api.call("GET", "/projects/phases")[1]["classes"] == ["ebb", "flood", "7"]
    assert "classes" not in api.call("GET", "/projects/tides")[1]


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("POST", "/projects/ebb/outcomes", "ProjectUnknown"),
        ("GET", "/projects/ebb", "ProjectUnknown"),
        ("POST", "/projects/ebb/predict", "RecordNotFound"),
        ("GET", "/nothing", "RecordNotFound"),
        ("DELETE", "/projects/tides", "RecordNotFound"),
    ],
)
def test_what_does_not_exist_is_404(api: Api, method: str, path: str, error: str) -> None:
    status, answer = api.call(method, path, {"outcomes": []})
    assert (status, answer["error"]) == (404, error)
    assert answer["message"]


def test_a_project_without_anything_yet(api: Api) -> None:
    status, answer = api.call("GET", "/projects/tides")
    assert status == 200
    assert (answer["champion"], answer["challenger"], answer["weight"]) == (None, None, 0)
    assert (answer["dataset_versions"], answer["release"], answer["window"]) == ([], None, None)


def test_a_project_in_the_middle_of_a_release(api: Api) -> None:
    pk, champion, challenger = names.pk("tides"), {"model": 1, "function_version": "2"}, {"model": 2}
    pointer = {"epoch": 3, "champion": champion, "challenger": challenger, "weight": 0.1, "release_id": "tides-v2"}
    api.index.transact(
        [
            Put(pk, names.POINTER_LIVE, pointer),
            Put(pk, names.sk_release("tides-v2"), {"state": "running", "looks": 4}),
            *(Put(pk, names.sk_dataset(version), {"version": version}) for version in (1, 2)),
            *(Put(pk, names.sk_window(window), {"window_id": window}) for window in ("w1", "w2")),
        ]
    )
    _, answer = api.call("GET", "/projects/tides")
    assert (answer["champion"], answer["challenger"], answer["weight"]) == (champion, challenger, 0.1)
    assert answer["release"] == {"state": "running", "looks": 4}
    assert answer["dataset_versions"] == [{"version": 2}, {"version": 1}]
    assert answer["window"] == {"window_id": "w2"}


@given(body=st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_the_api_fail(api: Api, body: str) -> None:
    assert api.call("POST", "/projects/tides/outcomes", body)[0] in {400, 422}
