"""A project's own recipe: its file becomes part of the project, and its models models like others."""

import os
import re
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import skops.io
import yaml

from infra.project_files import read
from tests.unit.training.conftest import DOCUMENT
from tidemill import canonical
from tidemill.errors import ArtifactCorrupt, ProjectInvalid, RunFailed
from tidemill.training import algorithms, artifacts
from tidemill.training.recipe import number, whole
from tidemill.training.reproduce import find, reproduce
from tidemill.training.sagemaker.ranges import ranges

BAYES = """
from sklearn.naive_bayes import GaussianNB
from tidemill.training.recipe import number

def space(task):
    return {"var_smoothing": number(1e-9, 1e-1, first=1e-3, log=True)}

def build(parameters, *, project, frame, seed):
    return GaussianNB(**parameters)
"""
NETWORK = """
from sklearn.neural_network import MLPClassifier, MLPRegressor
from tidemill.training.recipe import whole

SCALED = True

def space(task):
    return {"size": whole(2, 8, first=4)}

def build(parameters, *, project, frame, seed):
    kind = MLPClassifier if project.task == "classification" else MLPRegressor
    return kind(hidden_layer_sizes=(parameters["size"],), solver="lbfgs", alpha=10.0, random_state=seed)
"""
WHOLE = """
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler
from tidemill.training.recipe import number

def space(task):
    return {"epsilon": number(1.1, 3.0, first=1.35)}

def build(parameters, *, project, frame, seed):
    numbers = Pipeline([("fill", SimpleImputer()), ("scale", RobustScaler())])
    columns = ColumnTransformer([("numbers", numbers, ["level", "gates"])])
    return Pipeline([("columns", columns), ("huber", HuberRegressor(**parameters))])
"""
SECOND = "tides-v00001-manual-2"
FOLDER = "runs/tides/tides-v00001/"


def own(code: str, **search: Any) -> dict[str, Any]:
    return {"recipe": {"own": code}, "search": {"trials": 2, "algorithms": ["own"], **search}}


@pytest.mark.parametrize(
    ("code", "task", "types"),
    [
        (BAYES, "classification", ["sklearn.naive_bayes.GaussianNB"]),
        (NETWORK, "classification", ["sklearn.neural_network._multilayer_perceptron.MLPClassifier"]),
        (NETWORK, "regression", ["sklearn.neural_network._multilayer_perceptron.MLPRegressor"]),
        (WHOLE, "regression", ["sklearn.linear_model._huber.HuberRegressor"]),
    ],
)
def test_its_model_is_trained_judged_served_and_made_again(
    new_mill: Any, code: str, task: str, types: list[str]
) -> None:
    mill = new_mill(task=task, **own(code))
    evaluation = mill.walk()
    assert evaluation["parity"]["disagreeing"] == 0
    assert mill.gate("baseline")["verdict"] == "passed", evaluation["reason"]
    final = mill.file("final/final.json")
    assert set(types) <= set(final["types"])
    assert all(name.startswith("sklearn.") or name in artifacts.DATA for name in final["types"])
    onnxruntime.InferenceSession(mill.objects.get(f"{FOLDER}final/model.onnx"))
    record = find(project="tides", objects=mill.objects, index=mill.index, run_id=mill.RUN)
    assert reproduce(record, objects=mill.objects)["same"]


def test_its_points_are_searched_like_any_others_and_its_champion_is_asked(new_mill: Any) -> None:
    mill = new_mill(**own(BAYES, trials=6, algorithms=["linear", "own"], sampler="tpe"))
    mill.walk()
    facts = [mill.file(f"trials/{n:04d}.json") for n in range(6)]
    assert [fact["algorithm"] for fact in facts] == ["linear", "own"] * 3
    smoothings = [fact["parameters"]["var_smoothing"] for fact in facts[1::2]]
    assert smoothings[0] == 1e-3
    assert len(set(smoothings)) == 3
    mill = new_mill(**own(BAYES))
    mill.walk()
    mill.crown()
    evaluation = mill.walk(run_id=SECOND)
    assert evaluation["comparisons"]["champion"]["difference"] == 0.0


def test_the_plan_pins_its_code(new_mill: Any) -> None:
    mill = new_mill(**own(BAYES))
    mill.plan()
    mill.project = new_mill(**own(NETWORK)).project  # deployed while the run is under way
    mill.search()
    assert list(mill.file("trials/0000.json")["parameters"]) == ["var_smoothing"]


ADA = """
from sklearn.ensemble import AdaBoostClassifier
from tidemill.training.recipe import whole

def space(task):
    return {"n_estimators": whole(5, 20, first=10)}

def build(parameters, *, project, frame, seed):
    return AdaBoostClassifier(**parameters, random_state=seed)
"""
MADE = "GaussianNB(**parameters)"
AT_ONCE = {
    "raise KeyError('tide')": "recipe.py, line 1: KeyError: 'tide'",
    "import no_such_package": "No module named 'no_such_package'",
    "def space(task): return {}": "has no function build",
    BAYES.replace("number(1e-9", "number(1e-2"): "line 6: ValueError: [0.001] are not from 0.01 to 0.1",
    BAYES.replace('{"var_smoothing": ', "[").replace("}", "]"): "space gave [Axis",
}
IN_A_TRIAL = {
    BAYES.replace(MADE, "GaussianNB(tide=1)"): "recipe.py, line 9: TypeError",
    BAYES.replace(MADE, "'a model'"): "build gave 'a model'",
    BAYES.replace(MADE, "GaussianNB(var_smoothing=-1.0)"): "InvalidParameterError",
    # scikit-learn has it, the converter has not.
    BAYES.replace("naive_bayes import GaussianNB", "dummy import DummyClassifier").replace(
        MADE, "DummyClassifier()"
    ): "cannot be served",
    # Its file would name a class of the recipe.
    BAYES.replace(MADE, "Own()").replace(
        "def space", "class Own(GaussianNB):\n    pass\n\ndef space"
    ): "data alone",
    # It regresses where classes are asked for.
    WHOLE: "cannot be served",
}


@pytest.mark.parametrize("code", AT_ONCE)
def test_code_that_cannot_be_loaded_ends_the_run_with_its_line(new_mill: Any, code: str) -> None:
    mill = new_mill(**own(code, algorithms=["linear", "own"]))
    with pytest.raises(ProjectInvalid, match=re.escape(AT_ONCE[code])):
        mill.plan()


@pytest.mark.parametrize("code", IN_A_TRIAL)
def test_what_cannot_be_fitted_or_served_fails_its_trials_and_others_are_tried(new_mill: Any, code: str) -> None:
    mill = new_mill(**own(code, algorithms=["linear", "own"]))
    mill.plan()
    mill.search()
    kept, failed = (mill.file(f"trials/{n:04d}.json") for n in range(2))
    assert (kept["state"], failed["state"]) == ("complete", "failed")
    assert IN_A_TRIAL[code] in failed["reason"]
    mill.step("select_best")
    assert mill.file("best.json")["algorithm"] == "linear"


def test_many_categories_are_columns_that_any_estimator_takes(new_mill: Any) -> None:
    rows = new_mill.rows(400)
    rows["harbour"] = [f"harbour {n % 40:02d}" for n in range(400)]
    mill = new_mill(rows, **own("SCALED = True\n" + BAYES))
    mill.plan()
    assert {answer["state"] for answer in mill.search()} == {"complete"}


def test_whatever_an_estimator_raises_fails_its_trial_alone(new_mill: Any) -> None:
    # It takes no parameter of that kind, and says so only when it is fitted.
    code = BAYES.replace(MADE, "GaussianNB(priors={'a': 1})")
    mill = new_mill(**own(code, algorithms=["linear", "own"]))
    mill.plan()
    assert [answer["state"] for answer in mill.search()] == ["complete", "failed"]


def test_a_label_that_is_made_of_probabilities_is_calibrated_too(new_mill: Any) -> None:
    mill = new_mill(new_mill.rows(400), recipe={"own": ADA, "calibrate": 0.2}, search={"algorithms": ["own"]})
    evaluation = mill.walk()
    assert evaluation["parity"]["disagreeing"] == 0


def test_who_asks_only_of_what_kind_it_is_runs_none_of_its_code(new_mill: Any) -> None:
    family = algorithms.of("own", new_mill(**own("raise SystemError")).project)
    assert (family.own, family.sharded, family.grows) == (True, False, None)


def test_if_nothing_else_is_tried_the_run_fails_with_the_reason(new_mill: Any) -> None:
    mill = new_mill(**own(BAYES.replace("return GaussianNB(**parameters)", "return 'a model'")))
    mill.plan()
    mill.search()
    with pytest.raises(RunFailed, match="build gave 'a model'"):
        mill.step("select_best")


def test_a_foreign_type_is_loaded_only_if_the_models_record_names_it(new_mill: Any) -> None:
    mill = new_mill(**own(BAYES))
    mill.walk()
    body = mill.objects.get(f"{FOLDER}final/model.skops")
    final = mill.file("final/final.json")
    digest = final["sha256"]["model.skops"]
    with pytest.raises(ArtifactCorrupt, match="GaussianNB"):
        artifacts.load(body, digest)
    assert artifacts.load(body, digest, final["types"])
    evil = skops.io.dumps(os.system)
    with pytest.raises(ArtifactCorrupt, match="posix"):
        artifacts.load(evil, canonical.sha256(evil), ["FunctionNode", "posix.system", "builtins.function"])
    plain = new_mill()
    plain.walk()
    assert "types" not in plain.file("final/final.json")


# --- the file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    document = {**DOCUMENT, "search": {**DOCUMENT["search"], "algorithms": ["own"]}, "recipe": {"rare": 0.01}}
    (tmp_path / "tides.yaml").write_text(yaml.safe_dump(document))
    (tmp_path / "tides").mkdir()
    (tmp_path / "tides" / "recipe.py").write_text(BAYES)
    return tmp_path


def test_a_project_is_read_with_its_recipe(folder: Path) -> None:
    project = read(folder)["tides"]
    assert (project.recipe.own, project.recipe.rare) == (BAYES, 0.01)
    assert list(algorithms.space("own", project)) == ["var_smoothing"]


def test_without_its_file_the_algorithm_is_refused(folder: Path) -> None:
    (folder / "tides" / "recipe.py").unlink()
    with pytest.raises(ProjectInvalid, match=r"own needs projects/tides/recipe\.py"):
        read(folder)


def test_a_file_that_is_no_python_is_refused_with_its_line(folder: Path) -> None:
    (folder / "tides" / "recipe.py").write_text("def build(:\n")
    with pytest.raises(ProjectInvalid, match=r"recipe\.py, line 1: "):
        read(folder)


@pytest.mark.parametrize("recipe", ["text", [1, 2]])
def test_a_recipe_that_is_none_is_told_also_beside_a_file(folder: Path, recipe: Any) -> None:
    document = yaml.safe_load((folder / "tides.yaml").read_text())
    (folder / "tides.yaml").write_text(yaml.safe_dump({**document, "recipe": recipe}))
    with pytest.raises(ProjectInvalid, match="recipe"):
        read(folder)


def test_what_varies_nothing_is_not_tuned_by_sagemaker(folder: Path) -> None:
    code = "def space(task): return {}\n\ndef build(parameters, **_): ...\n"
    (folder / "tides" / "recipe.py").write_text(code)
    with pytest.raises(ProjectInvalid, match="varies nothing"):
        ranges("own", read(folder)["tides"], grid=False)


def test_code_in_the_project_file_itself_is_refused(folder: Path) -> None:
    document = yaml.safe_load((folder / "tides.yaml").read_text())
    (folder / "tides.yaml").write_text(yaml.safe_dump({**document, "recipe": {"own": BAYES}}))
    with pytest.raises(ProjectInvalid, match=r"put it into .*tides/recipe\.py"):
        read(folder)


def test_ranges_hold_their_first_value_and_their_grid() -> None:
    axis = whole(1, 9, first=3)
    assert (axis.range.low, axis.range.high, axis.first, axis.grid) == (1, 9, 3, (1, 3, 9))
    assert number(0.1, 1.0, first=0.5, grid=[0.2]).grid == (0.2,)
    with pytest.raises(ValueError, match=r"\[2\.0\] are not from 0\.1 to 1\.0"):
        number(0.1, 1.0, first=2.0)
