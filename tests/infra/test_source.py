"""What a deployment says it was made from."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.source import source
from tidemill.env_names import ENV_SOURCE

AS = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *AS, *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with two locks, committed."""
    for layer in ("core", "ml"):
        (tmp_path / "layers" / layer).mkdir(parents=True)
        (tmp_path / "layers" / layer / "requirements.txt").write_text(f"{layer}==1\n")
    (tmp_path / "app.py").write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("ignored\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_tree_is_its_commit(tree: Path) -> None:
    (tree / "ignored").write_text("anything")
    assert source(tree)["git"] == {"commit": git(tree, "rev-parse", "HEAD"), "dirty": False, "changes": None}


def test_every_change_is_in_the_digest_and_the_same_tree_has_the_same(tree: Path) -> None:
    def digest() -> str:
        found = source(tree)
        assert found == source(tree)
        assert found["git"]["dirty"]
        return str(found["git"]["changes"])

    (tree / "app.py").write_text("x = 2\n")
    digests = [digest()]
    (tree / "new file").write_text("y")
    digests.append(digest())
    (tree / "new file").write_text("z")
    digests.append(digest())
    (tree / "layers/ml/requirements.txt").unlink()
    digests.append(digest())
    assert len(set(digests)) == 4
    git(tree, "add", "-A")
    assert digest() == digests[-1], "staged or not is no difference"
    git(tree, "checkout", "-q", "-f", "HEAD")
    (tree / "new file").unlink(missing_ok=True)
    assert source(tree)["git"]["dirty"] is False


def test_a_persons_settings_change_nothing(tree: Path) -> None:
    (tree / "app.py").write_text("x = 2\n")
    (tree / "ö.py").write_text("1")
    before = source(tree)
    for setting in (("diff.noprefix", "true"), ("core.quotepath", "false"), ("diff.algorithm", "patience")):
        git(tree, "config", *setting)
    assert source(tree) == before


@pytest.mark.parametrize("breaks", ["no repository", "not kept by it", "no git", "no commit"])
def test_without_git_it_is_null(tree: Path, breaks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree
    if breaks == "no git":
        monkeypatch.setenv("PATH", str(tree))
    elif breaks == "not kept by it":
        folder = tree / "ignored"
        (folder / "layers/core").mkdir(parents=True)
        (folder / "layers/core/requirements.txt").write_text("core==1\n")
        (folder / "app.py").touch()
    else:
        (tree / ".git").rename(tree / ".was-git")
    if breaks == "no commit":
        git(tree, "init", "-q")
        git(tree, "add", "app.py")
    found = source(folder)
    assert found["git"] is None
    assert len(found["lock"]) == 64


def test_each_layers_lock_counts(tree: Path) -> None:
    before = source(tree)["lock"]
    (tree / "layers/ml/requirements.txt").write_text("ml==2\n")
    changed = source(tree)["lock"]
    (tree / "layers/ml/requirements.txt").write_text("ml==1\n")
    assert changed != before == source(tree)["lock"]


def test_a_variable_of_a_hook_does_not_lead_elsewhere(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source(tree)
    monkeypatch.setenv("GIT_DIR", str(tree / "elsewhere"))
    assert source(tree) == before


def test_plan_trials_alone_is_told(assembly: Callable[[str], Any]) -> None:
    functions = {
        resource["Properties"]["FunctionName"]: resource["Properties"].get("Environment", {}).get("Variables", {})
        for resource in assembly("dev").platform["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function" and "FunctionName" in resource["Properties"]
    }
    assert [name for name, each in functions.items() if ENV_SOURCE in each] == ["tidemill-dev-plan-trials"]
    plan_trials, run_trial = (functions[f"tidemill-dev-{name}"] for name in ("plan-trials", "run-trial"))
    assert json.loads(plan_trials[ENV_SOURCE]).keys() == {"lock", "git"}
    assert plan_trials.keys() - {ENV_SOURCE} == run_trial.keys()
