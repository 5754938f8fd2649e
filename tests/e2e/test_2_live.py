"""Who may move `live`, how its weights split the traffic, and who may call: on the cloud that the story left."""

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom

from cli import connection
from cli.deployment import Deployment
from cli.story import flights, observe
from cli.story.replay import instances
from cli.story.scene import Scene
from local.cloud import ROOT, Cloud
from local.deploy import deploy
from tidemill import names

CALLS = 200
WEIGHT = 0.3


@pytest.fixture
def asked(scene: Scene) -> list[dict[str, Any]]:
    return instances(flights.months(5).head(3), scene.project(observe.PROJECT))


@pytest.fixture
def function(deployment: Deployment) -> str:
    return deployment.parameter(f"endpoint/{observe.PROJECT}")


def published(deployment: Deployment, function: str) -> list[str]:
    versions = deployment.client("lambda").list_versions_by_function(FunctionName=function)["Versions"]
    return [version["Version"] for version in versions if version["Version"] != "$LATEST"]


@contextmanager
def sharing(deployment: Deployment, function: str) -> Iterator[str]:
    """Another version than the champion's has WEIGHT of the requests meanwhile: gives its number."""
    champion, weights = observe.alias(deployment, observe.PROJECT)
    assert weights == {}
    challenger = next(version for version in reversed(published(deployment, function)) if version != champion)
    share(deployment, function, {challenger: WEIGHT})
    try:
        yield challenger
    finally:
        share(deployment, function, {})


def share(deployment: Deployment, function: str, weights: dict[str, float]) -> None:
    routing = {"AdditionalVersionWeights": weights}
    client = deployment.client("lambda")
    client.update_alias(FunctionName=function, Name=names.LIVE_ALIAS, RoutingConfig=routing)


@pytest.fixture
def seeded(cloud: Cloud) -> Iterator[None]:
    """The cloud draws between the versions of an alias from a seed, so that a sound share is found each time."""
    cloud.stop()
    Cloud(cloud.state_dir, cloud.port, seed=20130501).start()
    yield


def test_the_weight_of_the_alias_is_the_challengers_share_of_the_calls(
    seeded: None, deployment: Deployment, function: str, asked: list[dict[str, Any]]
) -> None:
    client = deployment.client("lambda")
    executed, variants = [], []
    with sharing(deployment, function) as challenger:
        for _ in range(CALLS):
            payload = json.dumps({"instances": asked}).encode()
            answer = client.invoke(FunctionName=f"{function}:{names.LIVE_ALIAS}", Payload=payload)
            executed.append(answer["ExecutedVersion"])
            body = json.loads(answer["Payload"].read())
            body = json.loads(body["body"]) if "body" in body else body
            variants.append(body["variant"])
    low, high = binom.interval(0.99, CALLS, WEIGHT)
    assert low <= executed.count(challenger) <= high
    assert variants == executed


def test_a_deployment_of_a_changed_handler_moves_neither_the_alias_nor_the_answers(
    cloud: Cloud, deployment: Deployment, function: str, asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    client = deployment.client("lambda")
    answer = deployment.api.predict(observe.PROJECT, asked)
    code = client.get_function_configuration(FunctionName=function)["CodeSha256"]
    changed = copy_of_the_checkout(tmp_path / "checkout")
    handler = changed / "functions" / "serving" / "predict.py"
    handler.write_text(handler.read_text() + "\nCHANGED = True\n")

    with sharing(deployment, function) as challenger:
        alias = client.get_alias(FunctionName=function, Name=names.LIVE_ALIAS)
        deploy(cloud, tmp_path / "assembly", app_dir=changed, context={"stage": connection.LOCAL})
        after = client.get_alias(FunctionName=function, Name=names.LIVE_ALIAS)

    assert client.get_function_configuration(FunctionName=function)["CodeSha256"] != code
    assert after["RoutingConfig"]["AdditionalVersionWeights"] == {challenger: WEIGHT}
    moving = ("FunctionVersion", "RoutingConfig", "Description", "RevisionId")
    assert {part: after[part] for part in moving} == {part: alias[part] for part in moving}
    again = deployment.api.predict(observe.PROJECT, asked)
    assert (again["model_version"], again["variant"]) == (answer["model_version"], answer["variant"])


def copy_of_the_checkout(target: Path) -> Path:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/projects/flights", 403), ("/projects/flights/predict", 403)]
)
def test_only_the_health_route_answers_strangers(deployment: Deployment, path: str, status: int) -> None:
    body = None if path in ("/health", "/projects/flights") else b"{}"
    request = urllib.request.Request(deployment.parameter("api-url").rstrip("/") + path, data=body)
    try:
        with urllib.request.urlopen(request) as answer:
            found = answer.status
    except urllib.error.HTTPError as error:
        found = error.code
    assert found == status


def test_state_survives_a_stop_and_a_start(
    cloud: Cloud, deployment: Deployment, asked: list[dict[str, Any]]
) -> None:
    before = deployment.api.predict(observe.PROJECT, asked)
    runs = [row["run_id"] for row in deployment.index.query(names.pk(observe.PROJECT), names.RUNS)]
    cloud.stop()
    assert cloud.start().iam, "IAM enforcement must survive too"
    again = deployment.api.predict(observe.PROJECT, asked)
    assert (again["model_version"], again["variant"]) == (before["model_version"], before["variant"])
    assert [p["prediction"] for p in again["predictions"]] == [p["prediction"] for p in before["predictions"]]
    assert [row["run_id"] for row in deployment.index.query(names.pk(observe.PROJECT), names.RUNS)] == runs


def test_the_champion_is_made_again_bit_by_bit_outside_of_its_functions(deployment: Deployment) -> None:
    command = [sys.executable, "-m", "cli.main", "reproduce", observe.PROJECT, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["same"]
    assert found["environment"] == []
    assert len(found["checks"]) == 8
