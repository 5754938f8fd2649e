"""Guards on the embedded cloud: an alarm ends the release of a challenger that fails, bad artifacts reach nobody.

The challengers are the champion's run under another id, its files exchanged: what a release is given is the same
as after a training that went wrong.
"""

import io
import json
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from cli import following, reading
from cli.api import ApiError
from cli.deployment import Deployment
from cli.following import Pace
from cli.main import app
from cli.story import diamonds, observe
from cli.story.replay import instances
from cli.story.scene import Scene
from tidemill import canonical, names
from tidemill.ports import Put
from tidemill.release import guard_names

PROJECT = "shoals"
PATIENCE = 300
OUTPUT = "variable"  # of a regression
FINAL = ("final.json", "model.onnx", "model.skops", "profile.json")


@pytest.fixture(scope="module")
def rows(scene: Scene) -> list[dict[str, Any]]:
    return instances(diamonds.diamonds(2, seed=11), scene.project(PROJECT))


@pytest.fixture(scope="module")
def champion(scene: Scene, deployment: Deployment) -> dict[str, Any]:
    """The first model, from 100 diamonds."""
    file = scene.file("shoals.csv", diamonds.to_csv(diamonds.diamonds(100, seed=7)))
    pushed = CliRunner().invoke(app, ["data", "push", PROJECT, str(file), "--wait"])
    assert pushed.exit_code == 0, pushed.output
    found: dict[str, Any] = reading.live(deployment.index, PROJECT)["champion"]
    assert found["model"] == 1
    return found


def failing_for_one_row(body: bytes) -> bytes:
    """The model with a last step that only answers of two rows get through: it loads, and raises at prediction."""
    model = onnx.load_from_string(body)
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == OUTPUT:
                node.output[place] = "whole"
    model.graph.initializer.append(helper.make_tensor("two_rows", TensorProto.INT64, [2], [2, 1]))
    model.graph.node.append(helper.make_node("Reshape", ["whole", "two_rows"], [OUTPUT]))
    return model.SerializeToString()


def run_with(deployment: Deployment, run_id: str, **files: bytes) -> None:
    """A run that has passed, like the first one, with these files in the place of its own."""
    objects, source = deployment.objects, names.run(PROJECT, f"{PROJECT}-v00001")
    target = names.run(PROJECT, run_id)
    final = json.loads(objects.get(f"{source}final/final.json"))
    bodies = {name: objects.get(f"{source}final/{name}") for name in FINAL[1:]}
    bodies |= {name.replace("_", "."): body for name, body in files.items()}
    final["sha256"] = {name: canonical.sha256(body) for name, body in bodies.items()}
    for name, body in {**bodies, "final.json": canonical.dumps(final)}.items():
        objects.put(f"{target}final/{name}", body)
    objects.put(f"{target}evaluation.json", objects.get(f"{source}evaluation.json"))
    row = {"run_id": run_id, "dataset_version": 1, "state": "passed"}
    deployment.index.transact([Put(names.pk(PROJECT), names.sk_run(run_id), row)])


def release(deployment: Deployment, run_id: str) -> None:
    payload = {"project": PROJECT, "run_id": run_id, "release_id": run_id}
    deployment.workflows.start("release", name=run_id, payload=payload)


def row(deployment: Deployment, run_id: str) -> dict[str, Any]:
    return deployment.index.get(names.pk(PROJECT), names.sk_release(run_id)) or {}


def eventually(question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {PATIENCE} s"
        time.sleep(0.2)
    return answer


def alarms(deployment: Deployment) -> dict[str, dict[str, Any]]:
    found = deployment.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"tidemill-{deployment.stage}-guard-")
    return {alarm["AlarmName"]: alarm for alarm in found["MetricAlarms"]}


def failures(deployment: Deployment) -> list[datetime]:
    """When predictions failed, by the endpoint's log."""
    group = f"/aws/lambda/{deployment.parameter(f'endpoint/{PROJECT}')}"
    pages = deployment.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    events = [event for page in pages for event in page["events"] if "onnxruntime" in event["message"]]
    return sorted(datetime.fromtimestamp(event["timestamp"] / 1000, UTC) for event in events)


def test_a_challenger_that_raises_is_rolled_back_by_its_alarm(
    deployment: Deployment, champion: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    run_id = f"{PROJECT}-v00001-manual-raises"
    body = deployment.objects.get(names.run(PROJECT, f"{PROJECT}-v00001") + "final/model.onnx")
    run_with(deployment, run_id, model_onnx=failing_for_one_row(body))
    release(deployment, run_id)
    following.last(following.release(deployment, PROJECT, run_id, Pace(0.2, PATIENCE)))
    assert row(deployment, run_id)["state"] == "running", row(deployment, run_id)
    named = {guard_names.alarm(deployment.stage, kind, PROJECT) for kind in guard_names.KINDS}
    assert set(alarms(deployment)) == named

    refused, answered = 0, set()

    def asked_until_decided() -> bool:
        nonlocal refused
        for part in (rows, rows, rows[:1]):  # a third of the requests are of one row: the challenger fails them
            try:
                answered.add(deployment.api.predict(PROJECT, part)["model_version"])
            except ApiError as error:
                assert error.status == 500
                refused += 1
        return bool(row(deployment, run_id)["state"] != "running")

    eventually(asked_until_decided)
    decided = reading.release(deployment.index, deployment.objects, PROJECT, run_id)["release"]
    assert (decided["state"], decided["by"]) == ("rolled_back", "withdraw_challenger"), decided
    assert guard_names.alarm(deployment.stage, "errors", PROJECT) in decided["reason"]
    assert "greater than the threshold (0.05)" in decided["reason"]
    assert refused
    assert answered == {1, 2}, "both arms had their share"
    live = reading.live(deployment.index, PROJECT)
    assert (live["champion"], live["challenger"]) == (champion, None)
    assert observe.alias(deployment, PROJECT) == (str(champion["function_version"]), {})
    assert eventually(lambda: not alarms(deployment))
    took = datetime.fromisoformat(decided["decided_at"]) - failures(deployment)[0]
    assert took.total_seconds() <= 60, "from the first request that failed to the decision"
    for _ in range(5):
        assert deployment.api.predict(PROJECT, rows[:1])["model_version"] == 1
    ended = eventually(lambda: (deployment.execution("release", run_id) or {}).get("status") != "RUNNING")
    assert ended
    assert deployment.execution("release", run_id)["status"] == "SUCCEEDED"  # type: ignore[index]


def bundle_without_its_end(deployment: Deployment, run_id: str) -> None:
    """The bundle of the next model is there already, cut off: RegisterModel does not write it again."""
    number = 1 + int(deployment.index.get(names.pk(PROJECT), names.COUNTER_MODELS)["value"])  # type: ignore[index]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/tidemill_model/model.json", "{}" * 100)
    deployment.objects.put(names.model(PROJECT, number) + "bundle.zip", buffer.getvalue()[:-40])


@pytest.mark.parametrize("kind", ["tampered", "truncated bundle"])
def test_a_bad_artifact_ends_its_release_and_is_counted_while_the_champion_answers(
    deployment: Deployment, champion: dict[str, Any], rows: list[dict[str, Any]], kind: str
) -> None:
    run_id = f"{PROJECT}-v00001-manual-{kind.split()[0]}"
    run_with(deployment, run_id)
    if kind == "tampered":
        deployment.objects.put(names.run(PROJECT, run_id) + "final/model.onnx", b"\x08something else")
    else:
        bundle_without_its_end(deployment, run_id)
    before = reading.live(deployment.index, PROJECT)
    release(deployment, run_id)
    ended = eventually(lambda: deployment.failure("release", run_id))
    assert "ArtifactCorrupt" in (deployment.execution("release", run_id) or {})["error"], ended
    assert reading.live(deployment.index, PROJECT) == before
    assert row(deployment, run_id) == {}
    assert observe.alias(deployment, PROJECT) == (str(champion["function_version"]), {})
    assert deployment.api.predict(PROJECT, rows)["model_version"] == 1
    name = f"tidemill-{deployment.stage}-artifacts-{PROJECT}"
    history = deployment.client("cloudwatch").describe_alarm_history

    def raised() -> bool:
        items = history(AlarmName=name, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
        return any("to ALARM" in item["HistorySummary"] for item in items)

    assert eventually(raised)
