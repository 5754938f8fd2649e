"""Batch scoring on the embedded cloud, IAM enforced: workers are killed, and each row is in the output once."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from cli import connection
from cli.deployment import Deployment
from cli.main import app
from cli.story import wines
from cli.story.replay import instances
from cli.story.scene import Scene
from tidemill import names
from tidemill.serving import scoring
from tidemill.serving.scoring import Place

PROJECT = "wines"
PATIENCE = 480


def run(*arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.output


@pytest.fixture(scope="module")
def champion(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> int:
    """The model that serves: the one that the tests before this one left, or one made now."""
    if not (deployment.index.get(names.pk(PROJECT), names.POINTER_LIVE) or {}).get("champion"):
        file = tmp_path_factory.mktemp("wines") / "wines.csv"
        file.write_bytes(wines.to_csv(wines.wines(seed=7).head(150)))
        run("data", "push", PROJECT, str(file), "--wait")
    row = deployment.index.get(names.pk(PROJECT), names.POINTER_LIVE) or {}
    return int(row["champion"]["model"])


def many(count: int) -> pd.DataFrame:
    """So many wines, each with a key."""
    known = wines.wines(seed=7).drop(columns="cultivar")
    drawn = known.iloc[np.random.default_rng(3).integers(0, len(known), count)].reset_index(drop=True)
    return drawn.assign(bottle=[f"b{number}" for number in range(count)])


def workers() -> list[int]:
    """The processes of ScorePart's execution environments in this cloud."""
    here = f"AWS_ENDPOINT_URL=http://127.0.0.1:{os.environ[connection.ENV_PORT]}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is somebody else's
        if here in variables and b"_HANDLER=score_part.handler" in variables:
            found.append(int(process.name))
    return found


def invocations(deployment: Deployment) -> int:
    """How often ScorePart was called so far, those that were killed among them."""
    pages = deployment.client("logs").get_paginator("filter_log_events")
    group = "/aws/lambda/tidemill-local-score-part"
    try:
        events = [event for page in pages.paginate(logGroupName=group) for event in page["events"]]
    except ClientError:
        return 0  # nothing was logged yet
    return sum(event["message"].startswith("START ") for event in events)


def killed_once(deployment: Deployment, place: Place) -> None:
    """Wait until parts are being scored and kill their workers, once."""
    deadline = time.monotonic() + PATIENCE
    while not (deployment.objects.exists(place.plan) and (found := workers())):
        assert time.monotonic() < deadline, "no worker began"
        time.sleep(0.05)
    time.sleep(1)  # some parts have begun, or are about to
    parts = len(scoring.read(deployment.objects, place.plan)["parts"])
    assert len(list(place.reported(deployment.objects))) < parts, "there was nothing left to lose"
    for process in found:
        os.kill(process, signal.SIGKILL)


def scored_amid_kills(
    deployment: Deployment, frame: pd.DataFrame, folder: Path, part_mb: str
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The result and the output of a scoring whose workers were killed once."""
    file, before = folder / "bottles.csv", invocations(deployment)
    frame.to_csv(file, index=False)
    told = run("batch", PROJECT, str(file), "--keep", "bottle", "--part-mb", part_mb, "--no-wait", "--json")
    killed_once(deployment, Place(PROJECT, told["scoring_id"]))
    result = run("batch", PROJECT, "--run", told["scoring_id"], "-o", str(folder / "out"), "--json")
    assert invocations(deployment) - before > result["parts"], "no worker was killed amid its part"
    files = sorted((folder / "out").glob("*.parquet"))
    assert len(files) == result["parts"] > 1
    return result, pd.concat([pq.read_table(each).to_pandas() for each in files], ignore_index=True)


def test_each_row_is_scored_once_although_workers_were_killed(
    deployment: Deployment, scene: Scene, champion: int, tmp_path: Path
) -> None:
    frame = many(50_000)
    frame["alcohol"] = frame["alcohol"].astype(object)
    frame.loc[77, "alcohol"] = "strong"
    result, found = scored_amid_kills(deployment, frame, tmp_path, "0.4")
    assert (result["rows"], result["errors"], result["model"]) == (50_000, 1, champion)
    assert found["bottle"].tolist() == frame["bottle"].tolist()
    assert found["prediction_id"].is_unique
    assert set(found["model_version"]) == {champion}
    assert found["error"].notna().sum() == 1
    assert found.loc[77, "error"] == "alcohol: must be of type number, not 'strong'"
    assert result["dollars"] > 0

    asked = frame.iloc[:50].drop(columns="bottle")
    answer = deployment.api.predict(PROJECT, instances(asked, scene.project(PROJECT)))
    assert found["prediction"].head(50).tolist() == [each["prediction"] for each in answer["predictions"]]


def test_a_scoring_again_costs_nothing_and_gives_the_same(
    deployment: Deployment, champion: int, tmp_path: Path
) -> None:
    file = tmp_path / "few.csv"
    many(300).to_csv(file, index=False)
    first = run("batch", PROJECT, str(file), "--json")
    assert (first["rows"], first["errors"]) == (300, 0)
    again = run("batch", PROJECT, str(file), "--model", str(champion), "--json")
    assert "execution" in first
    assert again == {name: value for name, value in first.items() if name != "execution"}
    said = run("batch", PROJECT, "--run", first["scoring_id"])
    assert "300 rows scored by model" in said
    assert "cost: $0.0" in said


def test_what_cannot_be_scored_is_told_and_nothing_of_it_is_captured(
    deployment: Deployment, champion: int, tmp_path: Path
) -> None:
    captured = set(deployment.objects.keys(names.captured(PROJECT)))
    file = tmp_path / "other.csv"
    many(20).drop(columns="alcohol").to_csv(file, index=False)
    told = run("batch", PROJECT, str(file), code=1)
    assert "other.csv: lacks the columns ['alcohol']" in told
    many(2000).to_csv(file, index=False)
    assert run("batch", PROJECT, str(file), "--json")["rows"] == 2000
    time.sleep(3)  # as long as captured requests take to come, and more
    assert set(deployment.objects.keys(names.captured(PROJECT))) == captured


@pytest.mark.heavy
def test_1000000_rows_with_workers_killed(deployment: Deployment, champion: int, tmp_path: Path) -> None:
    frame = many(1_000_000)
    result, found = scored_amid_kills(deployment, frame, tmp_path, "4")
    assert (result["rows"], result["errors"]) == (1_000_000, 0)
    assert found["bottle"].tolist() == frame["bottle"].tolist()
    assert found["prediction_id"].is_unique
