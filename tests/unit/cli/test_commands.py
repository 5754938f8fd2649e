"""The commands against a stage on moto: what they print, and how they end."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.testing import CliRunner

from cli import deployment as deployment_module
from cli.deployment import Deployment
from cli.main import app
from tidemill import names
from tidemill.data.uploads import upload_id

AT = "2025-03-01T12:00:00+00:00"
GROUPS = ("data", "runs", "models", "release", "monitor", "tokens")
LIVE = {
    "epoch": 3,
    "champion": {"model": 1, "function_version": "2"},
    "challenger": {"model": 2, "function_version": "3"},
    "weight": 0.1,
    "release_id": "flights-v00002",
}
Run = Callable[..., Any]
Put = Callable[..., None]


@pytest.fixture
def released(put: Put, write_json: Callable[[str, Any], None]) -> None:
    """Flights with a champion, and a challenger at 10 % after one look."""
    put(names.POINTER_LIVE, **LIVE)
    release = {"release_id": "flights-v00002", "model": 2, "state": "running", "step": 0, "looks": 1, "at": AT}
    put(names.sk_release("flights-v00002"), **release)
    sample = {"units": 40, "mean": 0.25, "variance": 0.01}
    look = {
        "look": 1,
        "step": 0,
        "weight": 0.1,
        "verdict": "continue",
        "reason": "not decided yet",
        "arms": {arm: {"variant": "2", "requests": 50, "sample": sample} for arm in ("challenger", "champion")},
        "difference": {"difference": 0.001, "lower": -0.02, "upper": 0.022},
    }
    write_json(names.release("flights", "flights-v00002") + "look-0001.json", look)


def test_every_command_has_help_with_an_example() -> None:
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
    root = runner.invoke(app, ["--help"]).stdout
    commands = [(name,) for name in re.findall(r"│ (\w+) {2,}", root) if name not in GROUPS]
    for group in GROUPS:
        listed = re.findall(r"│ (\w+) {2,}", runner.invoke(app, [group, "--help"]).stdout)
        commands += [(group, name) for name in listed]
    assert {("up",), ("predict",), ("data", "push"), ("release", "rollback"), ("monitor", "report")} <= set(
        commands
    )
    for command in commands:
        shown = runner.invoke(app, [*command, "--help"])
        assert shown.exit_code == 0
        assert f"tidemill {' '.join(command)}" in shown.stdout, command


@pytest.mark.parametrize(
    "command",
    [
        ("data", "log", "flights"),
        ("runs", "list", "flights"),
        ("models", "list", "flights"),
        ("release", "status", "flights"),
        ("status",),
    ],
)
def test_json_is_all_that_is_printed(run: Run, released: None, command: tuple[str, ...]) -> None:
    done = run(*command, "--json")
    assert done.exit_code == 0, done.stderr
    json.loads(done.stdout)


def test_push_uploads_and_says_the_upload_id(run: Run, deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "may.csv"
    file.write_text("a,b\n1,2\n")
    done = run("data", "push", "flights", str(file), "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    stored = deployment.client("s3").get_object(Bucket=deployment.bucket, Key="incoming/flights/may.csv")
    assert stored["Body"].read() == b"a,b\n1,2\n"
    expected = upload_id(bucket=deployment.bucket, key="incoming/flights/may.csv", version_id=stored["VersionId"])
    assert facts == {
        "project": "flights", "key": "incoming/flights/may.csv", "upload_id": expected, "files": 1, "unchanged": 0
    }  # fmt: skip


def test_push_of_a_folder_is_a_batch_that_closes_itself(run: Run, deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "2013-05"
    (folder / "part 1").mkdir(parents=True)
    for name in ("b.csv", "part 1/ä+%.csv", ".hidden", "_metadata"):
        (folder / name).write_text("a,b\n1,2\n")
    done = run("data", "push", "flights", str(folder), "--reason", "Größe berichtigt", "--json")
    assert done.exit_code == 0, done.stderr
    client = deployment.client("s3")
    found = client.list_objects_v2(Bucket=deployment.bucket, Prefix="incoming/")["Contents"]
    below = "incoming/flights/2013-05/"
    assert [item["Key"] for item in found] == [below + name for name in ("_SUCCESS", "b.csv", "part 1/ä+%.csv")]
    noted = client.head_object(Bucket=deployment.bucket, Key=below + "b.csv")["Metadata"]
    assert (unquote(noted["reason"]), json.loads(done.stdout)["files"]) == ("Größe berichtigt", 2)


def test_rebuild_index_checks_and_writes(run: Run, deployment: Deployment, put: Put) -> None:
    row = {
        "project": "flights",
        "upload_id": "0" * 20,
        "state": "registered",
        "moves": 1,
        "audit": {"sk": "AUDIT#1"},
    }
    deployment.objects.put(f"uploads/flights/{'0' * 20}/0001.json", json.dumps(row).encode())
    put(names.sk_dataset(9), version=9)
    checked = run("rebuild-index", "flights", "--check", "--json")
    found = json.loads(checked.stdout)["flights"]
    assert (checked.exit_code, found["missing"]) == (1, [f"UPLOAD#{'0' * 20}", "AUDIT#1"])
    assert found["strange"] == ["DATASET#00009"]
    done = run("rebuild-index", "flights")
    assert (done.exit_code, "DATASET#00009" in done.stdout) == (1, True)
    assert deployment.index.get(names.pk("flights"), names.sk_upload("0" * 20))["state"] == "registered"


def test_push_and_wait_ends_in_quarantine(
    run: Run, deployment: Deployment, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data stage's answer is written as soon as the object is there."""
    file = tmp_path / "may.csv"
    file.write_text("not what it should be")
    client = deployment.client("s3")

    def put_and_quarantine(**request: Any) -> Any:
        answer = original(**request)
        upload = upload_id(bucket=request["Bucket"], key=request["Key"], version_id=answer["VersionId"])
        put(names.sk_upload(upload), upload_id=upload, state="quarantined", code="not_csv", reason="it is binary")
        return answer

    original = client.put_object
    monkeypatch.setattr(client, "put_object", put_and_quarantine)
    monkeypatch.setattr(deployment_module, "connect", lambda stage: deployment.connection)
    done = run("data", "push", "flights", str(file), "--wait", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["upload"]["code"] == "not_csv"


def test_release_status_shows_arms_and_interval(run: Run, released: None) -> None:
    shown = run("release", "status", "flights").stdout
    assert "model 1 (function version 2), 90%" in shown
    assert "model 2 (function version 3), 10%" in shown
    assert "0.2500 (40/50)" in shown
    assert "+0.0010 [-0.0200, +0.0220]" in shown


def test_models_show_who_answers(run: Run, released: None, put: Put) -> None:
    for version in (1, 2):
        put(
            names.sk_model(version), version=version, state="champion", dataset_version=1, run_id="r", at=AT,
            metrics={"accuracy": 0.9, "log_loss": 0.25},
        )  # fmt: skip
    shown = run("models", "list", "flights").stdout
    assert "90%" in shown
    assert "10%" in shown
    assert "log_loss 0.25" in shown


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("data", "log", "nope"), "no project 'nope' in stage 'dev' (deployed: diamonds, flights)"),
        (("data", "show", "flights", "3"), "has no dataset version yet"),
        (("runs", "show", "flights"), "has no runs yet"),
        (("models", "show", "flights", "4"), "no model version 4"),
        (("release", "status", "flights"), "has released nothing yet"),
        (("release", "promote", "flights", "--reason", "x"), "has released nothing yet"),
        (("monitor", "report", "flights"), "no checked window"),
    ],
)
def test_what_does_not_exist_is_exit_1_without_a_stack_trace(
    run: Run, command: tuple[str, ...], message: str
) -> None:
    done = run(*command)
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "command",
    [
        ("data", "push", "flights", "/nowhere/may.csv"),
        ("predict", "flights", "/nowhere/may.csv"),
        ("models", "show", "flights", "first"),
        ("release", "rollback", "flights"),
        ("data", "log"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_exit_2(run: Run, command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def test_promote_needs_a_challenger(run: Run, put: Put) -> None:
    put(names.POINTER_LIVE, **{**LIVE, "challenger": None})
    done = run("release", "promote", "flights", "--reason", "x")
    assert done.exit_code == 1
    assert "no challenger to promote" in done.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoCredentialsError(), "no usable AWS credentials"),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "GetParameter"), "does not accept the credentials"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "not yours"}}, "GetParameter"),
            "AWS refused GetParameter: not yours",
        ),
    ],
)
def test_aws_errors_are_told_with_a_remedy(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def refuse(self: Deployment) -> list[str]:
        raise error

    monkeypatch.setattr(Deployment, "projects", refuse)
    done = run("runs", "list", "flights")
    assert done.exit_code == 1
    assert message in done.stderr


def test_a_fault_of_ours_is_not_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deployment, "projects", lambda self: 1 / 0)
    assert isinstance(run("runs", "list", "flights").exception, ZeroDivisionError)


def test_stage_that_is_not_deployed(run: Run) -> None:
    done = run("status", "--stage", "prod")
    assert done.exit_code == 1
    assert "tidemill deploy --stage prod" in done.stderr


def test_local_stage_without_a_cloud(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_STATE", str(tmp_path))
    done = run("runs", "list", "flights", "--stage", "local")
    assert done.exit_code == 1
    assert "tidemill up" in done.stderr
    quiet = run("status", "--stage", "local", "--json")
    assert (quiet.exit_code, json.loads(quiet.stdout)["running"]) == (0, False)


def test_an_upload_shows_what_the_gate_found(run: Run, put: Put, write_json: Any) -> None:
    upload = "0f" * 10
    put(names.sk_upload(upload), upload_id=upload, key="incoming/flights/a.csv", state="accepted", at=AT)
    fault = {"code": "above_maximum", "column": "rain", "message": "column 'rain': 2 of 9 values are above 20"}
    write_json(names.upload("flights", upload) + "reading.json", {"rows": 7, "bad_rows": 2, "faults": [fault]})
    warning = {"code": "target_leak", "column": "x", "message": "feature 'x' determines the target in 7 rows"}
    write_json(names.validation("flights", upload), {"faults": [], "warnings": [warning]})
    shown = run("data", "show", "flights", upload)
    assert shown.exit_code == 0, shown.stderr
    for words in ("7 good, 2 left out", "above_maximum", "2 of 9 values are above 20", "target_leak"):
        assert words in shown.stdout
