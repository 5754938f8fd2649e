"""Entities on their arms, through the function file `predict` and the layer that a release packs for it."""

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.serving.conftest import Trained, files_of
from tests.unit.serving.test_predict_handler import imported, invoke
from tidemill import canonical, names, projects
from tidemill.adapters.memory import MemoryEndpoints, MemoryIndex, MemoryObjects
from tidemill.ports import Put
from tidemill.projects import Rollout
from tidemill.release import arms, record, soundness
from tidemill.release.assignment import arm
from tidemill.serving.openapi.document import describe_api

RELEASE = "tides-v00008"
ROW = {"delay": 5, "carrier": "UA"}
STEPS = (0.1, 0.5)
Deploy = Callable[[int], ModuleType]


@pytest.fixture
def deploy(
    classifier: Trained, later_classifier: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deploy]:
    """The function of a step, with the layer that the release packed: the champion v7 alone is version 2, the
    challenger v8 version 3."""
    objects, index = MemoryObjects(), MemoryIndex()
    for number, trained in ((7, classifier), (8, later_classifier)):
        files = files_of(trained)
        document = json.loads(files["model.json"]) | {"version": number}
        document["identity"] = soundness.identity(document)
        files["model.json"] = canonical.dumps(document)
        for file, body in files.items():
            objects.put_new(names.model("tides", number) + file, body)
        index.transact([Put(names.pk("tides"), names.sk_model(number), {"identity": document["identity"]})])
    rollout = Rollout(assignment="entity", unit="entity", steps=STEPS).model_dump(mode="json")
    record.keep(objects, "tides", RELEASE, record.PLAN, {"rollout": rollout})
    release = {"release_id": RELEASE, "state": "running", "model": 8, "function_version": "3"}
    release["champion"] = {"model": 7, "function_version": "2"}
    index.transact([Put(names.pk("tides"), names.sk_release(RELEASE), release)])
    arms.publish("tides", release, objects=objects, index=index, endpoints=MemoryEndpoints(), room={})

    def deployed(step: int) -> ModuleType:
        folder = tmp_path / f"step{step}"
        body = objects.get(arms.bundle_key("tides", RELEASE, step))
        zipfile.ZipFile(io.BytesIO(body)).extractall(folder)
        sys.modules.pop("tidemill_model", None)
        monkeypatch.syspath_prepend(folder / "python")
        # The version that runs is the step's; what it tells as variant is the arm's own.
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", f"{4 + step}")
        return imported()

    yield deployed
    sys.modules.pop("tidemill_model", None)


def answer(function: ModuleType, entity: str) -> dict[str, Any]:
    response = invoke(function, {"instances": [ROW], "entity_id": entity})
    assert response["statusCode"] == 200
    found: dict[str, Any] = json.loads(response["body"])
    return found


def test_each_entity_keeps_its_arm_and_more_weight_moves_entities_to_the_challenger_alone(deploy: Deploy) -> None:
    entities = [f"customer-{number}" for number in range(10_000)]
    few = deploy(0)
    before = {entity: answer(few, entity)["variant"] for entity in entities}
    assert set(before.values()) == {"2", "3"}
    share = sum(variant == "3" for variant in before.values()) / len(entities)
    assert abs(share - 0.10) <= 0.0078  # the 99 % interval
    assert all(answer(few, entity)["variant"] == before[entity] for entity in entities[:300])
    many = deploy(1)
    after = {entity: answer(many, entity)["variant"] for entity in entities[:3000]}
    moved = {(before[entity], variant) for entity, variant in after.items() if variant != before[entity]}
    assert moved == {("2", "3")}


def test_an_arm_answers_with_its_model_and_its_version(
    deploy: Deploy, classifier: Trained, later_classifier: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    function = deploy(1)
    expected = {
        variant: trained.pipeline.predict_proba(trained.frame.head(1))[0, 1]
        for variant, trained in (("2", classifier), ("3", later_classifier))
    }
    assert abs(expected["2"] - expected["3"]) > 1e-4
    for entity in (f"customer-{number}" for number in range(20)):
        body = {"instances": [classifier.rows[0]], "entity_id": entity}
        found = json.loads(invoke(function, body)["body"])
        variant = "23"[arm(entity, RELEASE, [0.5])]
        assert (found["variant"], found["model_version"]) == (variant, {"2": 7, "3": 8}[variant])
        assert found["predictions"][0]["probability"] == pytest.approx(expected[variant], abs=1e-5)
        captured, metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert (captured["variant"], captured["model_version"]) == (variant, found["model_version"])
        assert captured["entity_id"] == entity
        assert (metrics["project"], metrics["variant"]) == ("tides", variant)
        assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["project"], ["project", "variant"]]


@pytest.mark.parametrize(
    ("more", "code"), [({}, "missing"), ({"entity_id": None}, "missing"), ({"entity_id": ""}, "empty")]
)
def test_a_request_about_nobody_is_refused_with_its_other_faults(
    deploy: Deploy, capsys: pytest.CaptureFixture[str], more: dict[str, Any], code: str
) -> None:
    response = invoke(deploy(0), {"instances": [{"delay": 5}], **more})
    told = json.loads(response["body"])
    assert (response["statusCode"], told["field"]) == (422, "entity_id")
    assert [(fault["field"], fault["code"]) for fault in told["faults"]] == [
        ("entity_id", code),
        ("instances[0].carrier", "missing"),
    ]
    (metrics,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (metrics["RequestErrors"], "variant" in metrics) == (1, False)


@pytest.mark.parametrize("entity", [7, "\ud800", ["a"]])
def test_an_entity_that_is_no_text_is_refused(deploy: Deploy, entity: Any) -> None:
    response = invoke(deploy(0), {"instances": [ROW], "entity_id": entity})
    assert (response["statusCode"], json.loads(response["body"])["field"]) == (422, "entity_id")


def test_a_corrupt_arm_fails_alone_and_is_counted_as_that_arm(
    deploy: Deploy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(1)
    (tmp_path / "step1" / "python" / "tidemill_model" / "arm1" / "model.onnx").write_bytes(b"")
    sys.modules.pop("tidemill_model", None)
    function = imported()
    seen = set()
    for entity in (f"customer-{number}" for number in range(20)):
        response = invoke(function, {"instances": [ROW], "entity_id": entity})
        metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
        number = arm(entity, RELEASE, [0.5])
        seen.add(number)
        assert response["statusCode"] == (503 if number else 200)
        assert (metrics["variant"], metrics.get("AnswerFaults", 0)) == ("23"[number], number)
    assert seen == {0, 1}


def test_a_model_alone_refuses_requests_about_nobody_if_its_project_assigns_entities(
    deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads((deployed / "model.json").read_bytes())
    (deployed / "model.json").write_bytes(canonical.dumps({**document, "assignment": "entity"}))
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "12")
    function = imported()
    refused = invoke(function, {"instances": [ROW]})
    assert (refused["statusCode"], json.loads(refused["body"])["field"]) == (422, "entity_id")
    assert answer(function, "customer-1")["variant"] == "12"
    # What was asked before the project assigned entities may be asked again by a release.
    again = function.handler({names.SHADOW: {"instances": [ROW]}}, SimpleNamespace(aws_request_id="8f5a"))
    assert len(again["predictions"]) == 1


@pytest.mark.parametrize("rollout", ["entity", "request"])
@pytest.mark.parametrize("noted", [{"assignment": "entity"}, {}])
def test_the_document_requires_entities_where_the_project_or_its_model_does(
    problem: projects.Project, model_document: dict[str, Any], rollout: str, noted: dict[str, str]
) -> None:
    objects, index = MemoryObjects(), MemoryIndex()
    objects.put_new(names.model("tides", 7) + "model.json", canonical.dumps({**model_document, **noted}))
    index.transact([Put(names.pk("tides"), names.POINTER_LIVE, {"epoch": 1, "champion": {"model": 7}})])
    settings = {"assignment": rollout, "unit": "entity"}
    asked = projects.parse({**problem.model_dump(mode="json", exclude_unset=True), "rollout": settings})
    document = describe_api(problem=asked, server="https://x", objects=objects, index=index, auth="iam")
    schema = document["components"]["schemas"]["PredictRequest"]
    content = document["paths"]["/projects/tides/predict"]["post"]["requestBody"]["content"]["application/json"]
    required = noted or rollout == "entity"
    assert ("entity_id" in schema["required"]) == bool(required)
    assert schema["properties"]["entity_id"].get("minLength") == (1 if required else None)
    told = ["entity_id" in example["value"] for example in content["examples"].values()]
    assert all(told) if required else (any(told) and not all(told))
