"""The shape of the tree: imports point inward, files stay short, names agree from folder to state."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "layers" / "core" / "python" / "tidemill"
STAGES = ("data", "training", "release", "serving", "monitoring", "governance")
# Functions that no state machine calls: an API, a log subscription, an upload or an alarm does.
NOT_STATES = {
    "predict", "serve_api", "authorize_request", "deliver_capture", "take_outcomes", "request_retraining",
    "withdraw_challenger", "steer_release",
}  # fmt: skip
FORBIDDEN_INSIDE = ("boto3", "botocore", "tidemill.adapters", "functions", "infra", "cli", "local")


def tracked(pattern: str) -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in names.stdout.split("\0") if name and (ROOT / name).exists()]


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stage_packages_import_nothing_from_outside(stage: str) -> None:
    faults = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (LIBRARY / stage).glob("**/*.py")
        for name in imported(path)
        if any(name == outer or name.startswith(outer + ".") for outer in FORBIDDEN_INSIDE)
    ]
    assert faults == []


def limit(path: Path) -> int:
    return 80 if path.relative_to(ROOT).parts[0] == "functions" else 300


def test_files_and_functions_stay_short() -> None:
    faults = []
    for path in tracked("*.py"):
        if path.relative_to(ROOT).parts[0] == "tests":
            continue
        text = path.read_text()
        if text.count("\n") > limit(path):
            faults.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 50:
                    faults.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert faults == []


@pytest.mark.parametrize("stage", ("data", "training", "release", "monitoring", "serving"))
def test_every_function_of_a_stage_is_a_placeholder_of_its_machine(stage: str) -> None:
    text = (ROOT / "statemachines" / f"{stage}.asl.json").read_text()
    json.loads(text)
    placeholders = set(re.findall(r"\$\{(\w+)\}", text))
    functions = {path.stem for path in (ROOT / "functions" / stage).glob("*.py")} - NOT_STATES
    states = {"".join(word.title() for word in name.split("_")) for name in functions}
    assert {name for name in placeholders if not name.endswith("Machine")} == states


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked("*.py")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_no_package_index_is_named() -> None:
    # Spelled in pieces, so that this file does not name one either.
    hosts = ["pypi" + ".org", "pythonhosted" + ".org", "registry." + "npmjs", "deb.debian" + ".org"]
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked("*")
        if path.is_file() and path.suffix not in {".png", ".svg"}
        for host in hosts
        if host in path.read_text(errors="replace")
    ]
    assert named == []
