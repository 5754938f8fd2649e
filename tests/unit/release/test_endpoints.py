"""The Lambda adapter of Endpoints, over a Lambda in memory that behaves as AWS documents the calls it makes.

What is held: the port's contract (by the same tests as the memory adapter), that a kill before any call neither
publishes twice nor attaches a wrong layer, and that lost races are ConflictErrors.
"""

import io
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tidemill.adapters.endpoints import LambdaEndpoints
from tidemill.adapters.memory import MemoryEndpoints
from tidemill.errors import ConflictError, StaleEpoch
from tidemill.ports import Endpoints

FUNCTION = "tidemill-dev-tides-predict"
BASE = ["arn:aws:lambda:eu-central-1:1:layer:core:4", "arn:aws:lambda:eu-central-1:1:layer:serve:2"]
MODEL = "arn:aws:lambda:eu-central-1:1:layer:tidemill-dev-tides-model:"


class Lambda:
    """One function with versions and the alias `live`, one layer; revisions, waits and pages as AWS has them."""

    def __init__(self) -> None:
        self.revisions = (f"revision-{n}" for n in itertools.count())
        self.layers: list[dict[str, Any]] = []
        self.latest: dict[str, Any] = {"Version": "$LATEST", "Description": ""}
        self.versions: list[dict[str, Any]] = []
        self.pending = 0
        self.before: Callable[[str], None] = lambda name: None
        self.changed(BASE)
        self.publish_version(FUNCTION)
        self.live = {"FunctionVersion": "1", "Description": "", "RevisionId": next(self.revisions)}

    def changed(self, layers: list[str]) -> None:
        self.latest |= {"Layers": [{"Arn": arn} for arn in layers], "RevisionId": next(self.revisions)}

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if callable(found) and name.split("_")[0] in ("get", "list", "publish", "update") and name != "get_waiter":
            object.__getattribute__(self, "before")(name)
        return found

    def check(self, revision: str | None, current: str) -> None:
        if revision is not None and revision != current:
            raise ClientError({"Error": {"Code": "PreconditionFailedException"}}, "Update")

    def get_paginator(self, name: str) -> Any:
        everything = {"list_versions_by_function": self.versions, "list_layer_versions": self.layers}[name]
        key = {"list_versions_by_function": "Versions", "list_layer_versions": "LayerVersions"}[name]

        class Pages:
            def paginate(self, **request: str) -> Iterator[dict[str, Any]]:
                assert set(request.values()) <= {FUNCTION, "tidemill-dev-tides-model"}
                return ({key: [item]} for item in everything)

        return Pages()

    def publish_layer_version(self, LayerName: str, Description: str, Content: dict[str, str]) -> dict[str, Any]:
        assert Content["S3Bucket"] == "bucket"
        arn = f"{MODEL}{len(self.layers) + 1}"
        self.layers.append({"LayerVersionArn": arn, "Description": Description, "Content": Content})
        return self.layers[-1]

    def get_function_configuration(self, FunctionName: str, Qualifier: str | None = None) -> dict[str, Any]:
        assert FunctionName == FUNCTION
        return dict(self.latest)

    def update_function_configuration(self, FunctionName: str, Layers: list[str], RevisionId: str) -> None:
        self.check(RevisionId, self.latest["RevisionId"])
        self.changed(Layers)
        self.pending = 2

    def publish_version(
        self, FunctionName: str, Description: str = "", RevisionId: str | None = None
    ) -> dict[str, Any]:
        if self.pending:
            raise ClientError({"Error": {"Code": "ResourceConflictException"}}, "PublishVersion")
        self.check(RevisionId, self.latest["RevisionId"])
        if not self.versions or self.versions[-1]["Layers"] != self.latest["Layers"]:
            number = str(len(self.versions) + 1)
            self.versions.append({**self.latest, "Version": number, "Description": Description})
        return self.versions[-1]

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        assert FunctionName == f"{FUNCTION}:3"
        self.asked = json.loads(Payload)
        return self.answered

    def get_waiter(self, name: str) -> Any:
        outer = self

        class Waiter:
            def wait(self, FunctionName: str, WaiterConfig: dict[str, Any], Qualifier: str = "") -> None:
                if name == "function_updated" and outer.pending:
                    # The revision changes once more when an update is through.
                    outer.pending, outer.latest["RevisionId"] = 0, next(outer.revisions)

        return Waiter()

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, Any]:
        assert (FunctionName, Name) == (FUNCTION, "live")
        return dict(self.live)

    def update_alias(self, FunctionName: str, Name: str, RevisionId: str, **changes: Any) -> None:
        self.check(RevisionId, self.live["RevisionId"])
        self.live |= {**changes, "RevisionId": next(self.revisions)}


def over(service: Lambda) -> LambdaEndpoints:
    return LambdaEndpoints(service, stage="dev", bucket="bucket")


def publish(endpoints: Endpoints, model: int) -> str:
    key = f"models/tides/v{model:05d}/bundle.zip"
    return endpoints.publish("tides", bundle_key=key, model_version=model, identity=f"{model:064x}")


def layers(service: Lambda, version: str) -> list[str]:
    return [layer["Arn"] for layer in service.versions[int(version) - 1]["Layers"]]


@pytest.fixture
def service() -> Lambda:
    return Lambda()


@pytest.fixture(params=["memory", "lambda"])
def endpoints(request: pytest.FixtureRequest, service: Lambda) -> Endpoints:
    return MemoryEndpoints() if request.param == "memory" else over(service)


def test_the_same_model_is_published_once(endpoints: Endpoints) -> None:
    assert [publish(endpoints, model) for model in (1, 2, 1, 2, 3)] == ["2", "3", "2", "3", "4"]


def test_the_same_model_of_another_kind_is_another_version(endpoints: Endpoints) -> None:
    one = {"bundle_key": "models/tides/v00001/bundle.zip", "model_version": 1, "identity": "f" * 64}
    other = {**one, "bundle_key": "releases/tides/r/bundle.zip", "kind": "bucket"}
    assert [endpoints.publish("tides", **each) for each in (one, other, one, other)] == ["2", "3", "2", "3"]


def test_the_alias_begins_at_the_version_without_a_model(endpoints: Endpoints) -> None:
    live = endpoints.alias("tides")
    assert (live.version, live.weights, live.epoch) == ("1", {}, 0)


def test_the_alias_moves_by_epoch(endpoints: Endpoints) -> None:
    endpoints.move_alias("tides", version="2", weights={"3": 0.1}, epoch=5)
    live = endpoints.alias("tides")
    assert (live.version, live.weights, live.epoch) == ("2", {"3": 0.1}, 5)
    endpoints.move_alias("tides", version="9", weights={}, epoch=5)
    assert endpoints.alias("tides") == live
    with pytest.raises(StaleEpoch, match="epoch 5, not 4"):
        endpoints.move_alias("tides", version="9", weights={}, epoch=4)
    endpoints.move_alias("tides", version="3", weights={}, epoch=6)
    assert (endpoints.alias("tides").version, endpoints.alias("tides").weights) == ("3", {})


def test_a_version_has_the_functions_layers_and_one_model(service: Lambda) -> None:
    assert layers(service, publish(over(service), 1)) == [*BASE, f"{MODEL}1"]
    assert layers(service, publish(over(service), 2)) == [*BASE, f"{MODEL}2"]
    assert service.layers[1]["Content"]["S3Key"] == "models/tides/v00002/bundle.zip"


NUMERIC, ML = (f"arn:aws:lambda:eu-central-1:1:layer:{name}:3" for name in ("numeric", "ml"))
FORMS = {"onnx": [BASE[1]], "skops": [NUMERIC, ML]}


def released(service: Lambda, model: int, kind: str = "", forms: dict[str, list[str]] = FORMS) -> list[str]:
    """The layers of the version that is published."""
    endpoints = LambdaEndpoints(service, stage="dev", bucket="bucket", layers=forms)
    key = f"models/tides/v{model:05d}/bundle.zip"
    number = endpoints.publish("tides", bundle_key=key, model_version=model, identity=f"{model:064x}", kind=kind)
    return layers(service, number)


def test_a_version_has_the_layers_of_its_models_form_and_the_next_one_its_own(service: Lambda) -> None:
    core, serve = BASE
    assert released(service, 1) == [core, serve, f"{MODEL}1"]
    assert released(service, 2, "skops") == [core, NUMERIC, ML, f"{MODEL}2"]
    assert released(service, 3, "bucket") == [core, serve, f"{MODEL}3"]
    assert released(service, 4, "skops bucket") == [core, NUMERIC, ML, f"{MODEL}4"]
    assert released(service, 5, "skops") == [core, NUMERIC, ML, f"{MODEL}5"]
    assert released(service, 6) == [core, serve, f"{MODEL}6"]
    assert released(service, 2, "skops") == [core, NUMERIC, ML, f"{MODEL}2"]


def test_older_versions_of_a_forms_layers_give_way(service: Lambda) -> None:
    newer = {"onnx": [BASE[1].replace(":2", ":9")], "skops": [NUMERIC.replace(":3", ":8"), ML.replace(":3", ":8")]}
    released(service, 1, "skops")
    assert released(service, 2, "skops", newer) == [BASE[0], *newer["skops"], f"{MODEL}2"]
    assert released(service, 3, "", newer) == [BASE[0], *newer["onnx"], f"{MODEL}3"]


def test_a_stage_without_layers_of_its_own_exchanges_none(service: Lambda) -> None:
    assert released(service, 1, "skops", {"onnx": [], "skops": []}) == [*BASE, f"{MODEL}1"]
    assert released(service, 2, "skops", {}) == [*BASE, f"{MODEL}2"]


def test_layers_that_a_deployment_changed_are_kept(service: Lambda) -> None:
    publish(over(service), 1)
    service.changed([BASE[0].replace(":4", ":5"), BASE[1]])
    assert layers(service, publish(over(service), 2)) == [BASE[0].replace(":4", ":5"), BASE[1], f"{MODEL}2"]


def test_publication_survives_a_kill_before_any_call() -> None:
    class Killed(BaseException):
        pass

    whole = Lambda()
    made: list[str] = []
    whole.before = made.append
    publish(over(whole), 1)
    assert {"publish_layer_version", "update_function_configuration", "publish_version"} <= set(made)
    for survived in range(len(made)):
        service = Lambda()
        left = iter(range(survived))

        def before(name: str, left: Iterator[int] = left, service: Lambda = service) -> None:
            if next(left, None) is None:
                service.before = lambda name: None
                raise Killed

        service.before = before
        with pytest.raises(Killed):
            publish(over(service), 1)
        assert publish(over(service), 1) == "2"
        assert (len(service.layers), len(service.versions)) == (1, 2)
        assert layers(service, "2") == [*BASE, f"{MODEL}1"]


@pytest.mark.parametrize("call", ["update_function_configuration", "publish_version"])
def test_a_function_changed_meanwhile_is_a_conflict_and_nothing_wrong_is_published(
    service: Lambda, call: str
) -> None:
    def intrude(name: str) -> None:
        if name == call:
            service.before = lambda name: None
            service.changed([*BASE, f"{MODEL}99"])

    service.before = intrude
    with pytest.raises(ConflictError, match="someone else"):
        publish(over(service), 1)
    assert layers(service, publish(over(service), 1)) == [*BASE, f"{MODEL}1"]


def test_an_alias_changed_meanwhile_is_a_conflict(service: Lambda) -> None:
    def intrude(name: str) -> None:
        if name == "update_alias":
            service.live["RevisionId"] = "someone's"

    service.before = intrude
    with pytest.raises(ConflictError):
        over(service).move_alias("tides", version="2", weights={}, epoch=1)
    assert service.live["FunctionVersion"] == "1"


def test_other_errors_are_not_conflicts(service: Lambda) -> None:
    def forbid(name: str) -> None:
        if name == "publish_version":
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PublishVersion")

    service.before = forbid
    with pytest.raises(ClientError, match="AccessDenied"):
        publish(over(service), 1)


def test_a_version_is_asked_as_a_shadow_and_tells_its_errors(service: Lambda) -> None:
    service.answered = {"Payload": io.BytesIO(b'{"predictions": []}')}
    assert over(service).ask("tides", version="3", body={"instances": [{}]}) == {"predictions": []}
    assert service.asked == {"shadow": {"instances": [{}]}}
    failed = b'{"errorType": "MemoryError", "errorMessage": "no room"}'
    service.answered = {"Payload": io.BytesIO(failed), "FunctionError": "Unhandled"}
    assert over(service).ask("tides", version="3", body={})["errorType"] == "MemoryError"
