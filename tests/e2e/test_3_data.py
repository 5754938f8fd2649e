"""The data stage on the embedded cloud: storms of events, batches of every format, personal data, a lost table."""

import gzip
import io
import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from cli import reading
from cli.deployment import Deployment
from cli.main import app
from cli.story import diamonds
from cli.uploading import push
from tidemill import names
from tidemill.data import rebuild_index, uploads
from tidemill.data.accept_version import run_id_of

PROJECT = "diamonds"
THREADS = 16
TIMES = 5
WAVE = 8
ROWS = 100
PATIENCE = 900


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def wait_for(what: Any, done: Any, *, seconds: float = PATIENCE) -> Any:
    """What it gives, once it is done."""
    deadline = time.monotonic() + seconds
    while not done(found := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {str(found)[:500]}"
        time.sleep(0.5)
    return found


def rows(deployment: Deployment, prefix: str) -> list[dict[str, Any]]:
    return reading.rows(deployment.index, PROJECT, prefix)


def storm(deployment: Deployment, folder: Path, contents: int) -> None:
    """Every file is uploaded once, which S3 tells once; then each event comes again and again, shuffled, from all
    sides, the older ones stale by then. In waves: a laptop has no room for hundreds of functions at a time."""
    before = len(rows(deployment, names.DATASETS))
    many = diamonds.diamonds(contents * ROWS, seed=3)
    dealer, events = random.Random(5), list[dict[str, Any]]()
    for first in range(0, contents, WAVE):
        wave = range(first, min(first + WAVE, contents))
        events += [upload(deployment, folder, f"storm-{contents}-{n}.csv", many, n) for n in wave]
        due = dealer.choices(events, k=len(wave)) + events[first:] * (TIMES - 2)
        dealer.shuffle(due)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda event: deliver(deployment, event), due))
        wait_for(lambda: running(deployment, "data") + running(deployment, "training"), lambda count: count < WAVE)

    def settled() -> list[dict[str, Any]]:
        found = rows(deployment, names.UPLOADS)
        return [row for row in found if f"storm-{contents}-" in row["key"] and row["state"] in uploads.SETTLED]

    wait_for(settled, lambda found: len(found) == contents)
    wait_for(lambda: running(deployment, "data"), lambda count: count == 0)
    versions = [row["version"] for row in rows(deployment, names.DATASETS)]
    assert versions == list(range(1, before + contents + 1))
    assert {row["state"] for row in settled()} == {uploads.ACCEPTED}
    wanted = {run_id_of(PROJECT, version) for version in versions[before:]}

    def ended() -> set[str]:
        """Runs that have a verdict: a model, or the recorded reason why there is none."""
        return {row["run_id"] for row in rows(deployment, names.RUNS) if row["state"] != "running"}

    wait_for(ended, lambda found: wanted <= found)


def upload(deployment: Deployment, folder: Path, name: str, many: pd.DataFrame, number: int) -> dict[str, Any]:
    """Put the file into `incoming/`; the event that S3 sends about it, as it comes again."""
    file = folder / name
    file.write_bytes(diamonds.to_csv(many.iloc[number * ROWS : (number + 1) * ROWS]))
    (sent,) = push(deployment.client("s3"), deployment.bucket, PROJECT, file)
    place = {"key": sent.key, "version-id": sent.version_id, "sequencer": f"{number:016X}", "size": 1}
    return {"detail": {"bucket": {"name": deployment.bucket}, "object": place}}


def deliver(deployment: Deployment, event: dict[str, Any]) -> None:
    machine = deployment.parameter("state-machine/data")
    deployment.client("stepfunctions").start_execution(stateMachineArn=machine, input=json.dumps(event))


def running(deployment: Deployment, word: str) -> int:
    found = deployment.client("stepfunctions").list_executions(
        stateMachineArn=deployment.parameter(f"state-machine/{word}"), statusFilter="RUNNING"
    )
    return len(found["executions"])


def test_a_small_storm_of_events_gives_dense_versions_and_a_run_each(
    deployment: Deployment, tmp_path: Path
) -> None:
    storm(deployment, tmp_path, contents=3)


def test_a_folder_of_every_format_becomes_one_version(deployment: Deployment, tmp_path: Path) -> None:
    before = len(rows(deployment, names.DATASETS))
    frame = diamonds.diamonds(400, seed=8)
    folder = tmp_path / "all formats + 100%"
    folder.mkdir()
    parts = [frame.iloc[start : start + 100] for start in range(0, 400, 100)]
    (folder / "ä plain.csv").write_bytes(diamonds.to_csv(parts[0]))
    (folder / "packed.csv.gz").write_bytes(gzip.compress(diamonds.to_csv(parts[1])))
    table = [pd.read_csv(io.BytesIO(diamonds.to_csv(part))) for part in parts]
    (folder / "rows.jsonl").write_text(table[2].to_json(orient="records", lines=True))
    table[3].to_parquet(folder / "rows.parquet")
    # To the end of its run, whatever that says of a model on so few rows.
    pushed = CliRunner().invoke(
        app, ["data", "push", PROJECT, str(folder), "--reason", "every format", "--wait", "--json"]
    )
    told = json.loads(pushed.stdout)
    assert told["run"]["state"] in ("passed", "refused"), told
    assert told["upload"]["state"] == "accepted", told
    version = run("data", "show", PROJECT, str(before + 1), "--json")
    paths = [file["path"] for file in version["manifest"]["files"]]
    assert [path for path in paths if path.startswith(folder.name)] == [
        f"{folder.name}/{name}" for name in ("packed.csv.gz", "rows.jsonl", "rows.parquet", "ä plain.csv")
    ]
    assert (version["reason"], version["rows"] >= 400) == ("every format", True)
    run("data", "tag", PROJECT, "train", str(before + 1))
    run("data", "pull", f"{PROJECT}@train", "-o", str(tmp_path / "pulled"))
    pulled = tmp_path / "pulled" / folder.name / "rows.parquet"
    assert pulled.read_bytes() == (folder / "rows.parquet").read_bytes()


def test_personal_data_is_refused_and_in_no_object_outside_quarantine(
    deployment: Deployment, tmp_path: Path
) -> None:
    value = "ada.lovelace@example.org"
    file = tmp_path / "persons.csv"
    frame = diamonds.diamonds(200, seed=9).assign(note="calm")
    frame.loc[frame.index[77], "note"] = f"ask {value.upper()}"
    file.write_bytes(frame.to_csv(index=False).encode())
    (sent,) = push(deployment.client("s3"), deployment.bucket, PROJECT, file)

    def row() -> dict[str, Any]:
        return deployment.index.get(names.pk(PROJECT), names.sk_upload(sent.upload_id)) or {}

    found = wait_for(row, lambda seen: seen.get("state") == uploads.QUARANTINED)
    assert found["code"] == "personal_data"
    wait_for(lambda: running(deployment, "data"), lambda count: count == 0)
    s3 = deployment.client("s3")
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=deployment.bucket)
    for version in [item for page in pages for item in page.get("Versions", ())]:
        if not version["Key"].startswith(names.QUARANTINE):
            which = {"Key": version["Key"], "VersionId": version["VersionId"]}
            body = s3.get_object(Bucket=deployment.bucket, **which)["Body"].read()
            assert value.upper().encode() not in body, version["Key"]


def test_a_lost_table_is_made_again_from_the_bucket(deployment: Deployment) -> None:
    wait_for(lambda: running(deployment, "data"), lambda count: count == 0)
    client, table = deployment.client("dynamodb"), deployment.index.table

    def data_rows() -> dict[str, dict[str, Any]]:
        prefixes = (*rebuild_index.PREFIXES, names.AUDIT)
        found = [row for prefix in prefixes for row in deployment.index.query(names.pk(PROJECT), prefix)]
        return {row["sk"]: row for row in found}

    before = data_rows()
    lost = [sk for sk in before if not sk.startswith(names.AUDIT)]
    lost += [sk for sk, row in before.items() if str(row.get("action", "")).startswith("data.")]
    for sk in lost:
        client.delete_item(TableName=table, Key={"pk": {"S": names.pk(PROJECT)}, "sk": {"S": sk}})
    assert len(data_rows()) == len(before) - len(lost) < len(before)
    told = run("rebuild-index", PROJECT, "--json")[PROJECT]
    assert (told["written"], told["changed"], told["strange"]) == (len(lost), [], [])
    assert data_rows() == before


@pytest.mark.heavy
def test_1000_events_of_200_contents(deployment: Deployment, tmp_path: Path) -> None:
    storm(deployment, tmp_path, contents=200)


LARGE = 300 << 20
"""Bytes: more than the stage `local` reads in one call (`split_bytes`)."""


@pytest.mark.heavy
def test_a_large_upload_is_read_in_parts(deployment: Deployment, tmp_path: Path) -> None:
    frame = diamonds.diamonds(20_000, seed=11)
    file = tmp_path / "large.csv"
    with file.open("wb") as stream:
        for number in range(LARGE // (20_000 * 1_000)):
            lines = (
                frame.assign(note=f"{number:04} " + "calm sea " * 104)
                .to_csv(index=False)
                .splitlines(keepends=True)
            )
            stream.write("".join(lines[1:] if number else lines).encode())
    count = 20_000 * (LARGE // (20_000 * 1_000))
    (sent,) = push(deployment.client("s3"), deployment.bucket, PROJECT, file)

    def row() -> dict[str, Any]:
        return deployment.index.get(names.pk(PROJECT), names.sk_upload(sent.upload_id)) or {}

    found = wait_for(row, lambda seen: seen.get("state") in uploads.SETTLED)
    assert found["state"] == uploads.ACCEPTED, found
    assert found["file"]["rows"] == count
    facts = list(deployment.objects.keys(names.parts(PROJECT, sent.upload_id)))
    assert len([key for key in facts if key[-9:-5].isdigit()]) > 1, facts
    run_id = run_id_of(PROJECT, found["dataset_version"])
    ended = wait_for(
        lambda: deployment.index.get(names.pk(PROJECT), names.sk_run(run_id)) or {},
        lambda seen: seen.get("state") not in (None, "running"),
    )
    assert ended["state"] in ("passed", "refused"), ended
