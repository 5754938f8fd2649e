"""The layers: what is in them, that they fit, and that the functions import with nothing but them."""

import json
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra import data, layer_build, monitoring, release, serving, training
from infra.layers import LayerTooLarge, check_size
from infra.project_files import read
from tests.unit.serving.conftest import train, unpacked
from tests.unit.serving.test_skops_session import as_skops

ROOT = Path(__file__).resolve().parent.parent.parent
WORKS = [
    (word, work)
    for word, works in (
        ("data", data.FUNCTIONS),
        ("training", training.FUNCTIONS),
        ("release", release.FUNCTIONS),
        ("serving", (serving.SERVE_API, serving.DELIVER_CAPTURE, serving.PREDICT, *serving.SCORING)),
        ("monitoring", monitoring.FUNCTIONS),
    )
    for work in works
]
SETS = sorted({work.layers for _, work in WORKS})


@pytest.fixture(scope="module")
def built() -> dict[str, Path]:
    """The real layers, from the cache or from the package index."""
    projects = {name: project.model_dump(mode="json") for name, project in read(ROOT / "projects").items()}
    folders = {
        name: layer_build.third_party(name, architecture="x86_64")
        for name in layer_build.BENEATH
        if name != "core"
    }
    return {"core": layer_build.core(projects, architecture="x86_64"), **folders}


@pytest.mark.parametrize("layers", SETS, ids="+".join)
def test_a_function_with_its_layers_fits(layers: tuple[str, ...], built: dict[str, Path]) -> None:
    sizes = {name: layer_build.size(built[name]) for name in layers}
    sizes["code"] = max(layer_build.size(folder) for folder in (ROOT / "functions").iterdir())
    check_size("any", sizes)
    assert sum(sizes.values()) < layer_build.LIMIT


@pytest.mark.heavy
@pytest.mark.parametrize("layers", SETS, ids="+".join)
def test_a_function_with_its_layers_fits_on_arm64_too(layers: tuple[str, ...]) -> None:
    folders = [layer_build.third_party(name, architecture="arm64") for name in layers if name != "core"]
    folders.append(layer_build.core({}, architecture="arm64"))
    assert sum(map(layer_build.size, folders)) < layer_build.LIMIT


def test_a_function_over_the_limit_is_refused_with_the_numbers() -> None:
    check_size("fits", {"code": 1_000, "ml": layer_build.LIMIT - 1_000})
    with pytest.raises(LayerTooLarge, match=r"fit_final: code 1,001 \+ ml 262,143,000 = .* 1 over"):
        check_size("fit_final", {"code": 1_001, "ml": layer_build.LIMIT - 1_000})


def test_no_package_is_in_two_layers_of_a_function() -> None:
    for layers in SETS:
        packages = [package for name in layers for package in layer_build.shipped(name)]
        assert len(packages) == len(set(packages))


def test_the_layers_run_the_versions_that_the_checkout_runs() -> None:
    def versions(lock: str) -> set[str]:
        return {line.split(" ")[0] for line in lock.splitlines() if "==" in line and not line.startswith(" ")}

    checkout = versions((ROOT / "requirements.txt").read_text())
    for name in layer_build.BENEATH:
        assert versions((ROOT / "layers" / name / "requirements.txt").read_text()) <= checkout


def test_the_core_layer_holds_the_library_and_the_projects(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(layer_build, "CACHE", tmp_path)
    project = {"name": "flights", "task": "classification"}
    folder = layer_build.core({"flights": project}, architecture=None)
    assert json.loads((folder / "python/tidemill_projects/flights.json").read_text()) == project
    library = ROOT / "layers/core/python/tidemill"
    for source in library.rglob("*.py"):
        assert (folder / "python/tidemill" / source.relative_to(library)).read_bytes() == source.read_bytes()
    assert not list(folder.rglob("*.pyc"))
    assert layer_build.core({"flights": project}, architecture=None) == folder
    assert layer_build.core({"flights": {**project, "target": "late"}}, architecture=None) != folder


def test_of_old_layers_only_the_last_few_are_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(layer_build, "CACHE", tmp_path)
    made = [layer_build.core({"flights": {"n": n}}, architecture=None) for n in range(layer_build.KEPT + 3)]
    again = layer_build.core({"flights": {"n": 3}}, architecture=None)
    assert len(list(tmp_path.iterdir())) == layer_build.KEPT
    assert {made[-1], made[3], again} <= set(tmp_path.iterdir())


def test_a_build_that_fails_leaves_no_layer_behind(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(layer_build, "CACHE", tmp_path)
    monkeypatch.setattr(layer_build, "shipped", lambda name: {"numpy": "numpy==2.5.5 --hash=sha256:" + "0" * 64})
    with pytest.raises(layer_build.LayerBuildFailed, match="could not be installed"):
        layer_build.third_party("serve", architecture="x86_64")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.version_info[:2] != layer_build.RUNTIME, reason="the layers' wheels are for Python 3.13")
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the layer's libraries are for another machine",
)
def test_lightgbm_finds_openmp_in_the_layer(built: dict[str, Path]) -> None:
    # Lambda's system has no libgomp.so.1; /opt/lib is on its loader's path.
    own = built["ml"] / "lib/libgomp.so.1"
    (bundled,) = (built["ml"] / "python/scikit_learn.libs").glob("libgomp-*.so*")
    assert own.read_bytes() == bundled.read_bytes()
    assert not own.is_symlink()
    paths = [str(built[name] / "python") for name in ("core", "numeric", "ml")]
    code = f"""
import sys
sys.path += {paths!r}
import lightgbm
maps = open("/proc/self/maps").read().split()
print(*sorted({{path for path in maps if "libgomp.so.1" in path}}), lightgbm.__file__)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-B", "-c", code],
        capture_output=True,
        text=True,
        env={"LD_LIBRARY_PATH": str(own.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(own), f"{built['ml']}/python/lightgbm/__init__.pyc"]


ANSWERS = """
import importlib, json, sys
from types import SimpleNamespace
sys.path += json.loads(sys.argv[1])
predict = importlib.import_module("predict")
event = {"version": "2.0", "requestContext": {}, "body": sys.argv[2]}
response = predict.handler(event, SimpleNamespace(aws_request_id="8f5a"))
print(json.dumps([response, sorted(sys.modules)]))
"""


@pytest.mark.skipif(sys.version_info[:2] != layer_build.RUNTIME, reason="the layers' wheels are for Python 3.13")
@pytest.mark.skipif(sys.platform != "linux", reason="the layers' wheels are for Linux")
def test_a_model_in_its_training_form_answers_with_its_own_layers_alone(
    built: dict[str, Path], runtime: Path, tmp_path: Path
) -> None:
    trained = as_skops(train("classification"), "classification")
    layers = [built[name] / "python" for name in serving.BY_SKOPS]
    paths = [ROOT / "functions" / "serving", *layers, unpacked(trained, tmp_path), runtime]
    body = json.dumps({"instances": [trained.rows[0]]})
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-B", "-c", ANSWERS, json.dumps(list(map(str, paths))), body],
        capture_output=True,
        text=True,
        env={"POWERTOOLS_SERVICE_NAME": "serving"},
    )
    assert done.returncode == 0, done.stderr
    response, modules = json.loads(done.stdout.splitlines()[-1])
    assert response["statusCode"] == 200, response["body"]
    (told,) = json.loads(response["body"])["predictions"]
    assert told["probability"] == pytest.approx(trained.pipeline.predict_proba(trained.frame)[0, 1], rel=1e-12)
    assert not {"onnxruntime", "boto3"} & set(modules)


RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Lambda runtime itself has: boto3 and what it stands on."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_PACKAGES:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.skipif(sys.version_info[:2] != layer_build.RUNTIME, reason="the layers' wheels are for Python 3.13")
@pytest.mark.skipif(sys.platform != "linux", reason="the layers' wheels are for Linux")
@pytest.mark.parametrize(("word", "work"), WORKS, ids=lambda each: getattr(each, "name", ""))
def test_a_handler_imports_with_its_layers_alone(word, work, built: dict[str, Path], runtime: Path) -> None:
    paths = [ROOT / "functions" / word, *(built[name] / "python" for name in work.layers), runtime]
    code = f"import sys; sys.path += {list(map(str, paths))!r}; import {work.name}; {work.name}.handler"
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-B", "-c", code],
        capture_output=True,
        text=True,
        env={"AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_SERVICE_NAME": word},
    )
    assert done.returncode == 0, done.stderr
