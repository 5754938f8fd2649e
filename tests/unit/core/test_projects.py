"""The project file: what it accepts, and how it says what is wrong."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from tidemill import projects
from tidemill.errors import ProjectInvalid, ProjectUnknown

ROOT = Path(__file__).resolve().parents[3]
VALID = {
    "name": "tides",
    "description": "Will the tide be high?",
    "task": "classification",
    "target": "high",
    "time": "at",
    "columns": {
        "high": {"type": "integer", "allowed": [0, 1]},
        "at": {"type": "timestamp"},
        "moon": {"type": "number", "minimum": 0, "maximum": 1},
        "harbour": {"type": "category"},
    },
    "features": ["moon", "harbour"],
}


def changed(**changes: object) -> dict:
    document = copy.deepcopy(VALID)
    document.update(changes)
    return document


def test_a_valid_file_has_defaults_for_all_that_it_leaves_out() -> None:
    project = projects.parse(VALID)
    assert project.metric == "log_loss"
    assert project.search.trials == 8
    assert list(project.feature_columns()) == ["moon", "harbour"]


def test_an_endpoint_reads_the_bucket_only_if_the_file_says_so_and_the_models_do_not_tell() -> None:
    assert not projects.parse(VALID).serving.reads_bucket
    for storage in ("bucket", "auto"):
        serving = projects.parse(changed(serving={"storage": storage, "missing": "impute"})).serving
        assert serving.reads_bucket
        assert serving.carried() == {"serving": {"missing": "impute", "out_of_range": "refuse"}}


def test_regression_is_measured_by_root_mean_squared_error() -> None:
    assert projects.parse(changed(task="regression")).metric == "rmse"


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (changed(features=["moon", "wind"]), "wind"),
        (changed(features=["moon", "high"]), "would leak"),
        (changed(features=[]), "at least one"),
        (changed(target="harbour", features=["moon"]), r"list two or more names in `columns.harbour.allowed`"),
        (changed(target="at", features=["moon"]), "must be a number"),
        (changed(name="Tides!"), "name"),
        (changed(surprise=1), "surprise"),
        (changed(rollout={"steps": [1.5]}), "rollout.steps.0"),
        (changed(rollout={"metric": "squared_error"}), "squared_error is of regression"),
        (changed(rollout={"metric": "accuracy"}, task="regression"), "accuracy is of classification"),
        (changed(rollout={"metric": "recall"}, task="regression"), "recall is of two outcomes"),
        (changed(rollout={"covariate": "harbour"}), "'harbour' must be a numeric feature"),
        (changed(rollout={"covariate": "high"}), "'high' must be a numeric feature"),
        (changed(rollout={"covariate": "moon", "metric": "precision"}), "precision is about some of the units"),
        (changed(rollout={"max_days": 60}), "rollout.max_days"),
        (changed(serving={"storage": "disk"}), "serving.storage"),
        (changed(serving={"fallback": "pickle"}), "serving.fallback"),
        (changed(serving={"memory_mb": 64}), "serving.memory_mb"),
        (changed(serving={"memory_mb": 10241}), "serving.memory_mb"),
        (changed(serving={"temporary_storage_mb": 511}), "serving.temporary_storage_mb"),
        (changed(serving={"temporary_storage_mb": 10241}), "serving.temporary_storage_mb"),
        ([], "file"),
    ],
)
def test_a_fault_is_named_with_its_place(document: object, place: str) -> None:
    with pytest.raises(ProjectInvalid, match=place):
        projects.parse(document)


def named(*classes: object, **changes: object) -> dict:
    """A target that names its classes."""
    columns = {**VALID["columns"], "high": {"type": "category", "allowed": list(classes)}}
    return changed(columns=columns, **changes)


def test_a_category_as_target_names_the_classes_in_their_order() -> None:
    project = projects.parse(named("spring", "neap", 7))
    assert project.classes == ("spring", "neap", "7")
    assert (project.metric, project.threshold) == ("log_loss", None)
    for other in (VALID, changed(task="regression")):
        assert projects.parse(other).classes == ()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (named("spring"), "list two or more names"),
        (named("spring", "neap", rollout={"metric": "cost"}), "cost is of two outcomes"),
        (named("spring", "neap", "spring"), "name each class once"),
        (named("7", 7), "name each class once"),
        (named(*range(101)), "at most 100"),
        (named("spring", ""), "1 to 100 characters"),
        (named("spring", "x" * 101), "1 to 100 characters"),
        (named(True, False), "columns.high: .* quote them"),
        (named(*("x" * 90 + str(n) for n in range(60))), "max_instances: with 60 probabilities .* set at most 7"),
        (named("spring", "neap", task="regression"), "must be a number"),
        (named("spring", "neap", recipe={"costs": {"false_positive": 2}}), "Leave costs out"),
        (named("spring", "neap", gates={"equalised_odds": 0.1}), "equalised_odds: .* leave it out"),
        (
            named("spring", "neap", sensitive=["harbour"], search={"constraints": {"fairness_gap": 0.1}}),
            "fairness_gap .* leave it out",
        ),
    ],
)
def test_what_named_classes_cannot_have_is_refused_with_the_remedy(document: dict, words: str) -> None:
    with pytest.raises(ProjectInvalid, match=words):
        projects.parse(document)


def test_compute_and_search_have_short_forms() -> None:
    short = projects.parse(changed(compute="sagemaker", search="sagemaker"))
    assert short == projects.parse(changed(compute={"kind": "sagemaker"}, search={"sampler": "sagemaker"}))
    assert projects.parse(VALID).compute.kind == "lambda"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search": "sagemaker"}, "needs `compute: sagemaker`"),
        ({"search": "sagemaker", "compute": "auto"}, "needs `compute: sagemaker`"),
        ({"compute": "sagemaker", "search": {"sampler": "sagemaker", "pruner": "median"}}, "rules of their own"),
        ({"compute": "sagemaker", "search": {"sampler": "sagemaker", "warm_start": 2}}, "rules of their own"),
        ({"compute": {"instance_type": "t3.large"}}, "compute.instance_type"),
        ({"compute": "fargate"}, "compute.kind"),
    ],
)
def test_a_compute_that_cannot_be_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(ProjectInvalid, match=words):
        projects.parse(changed(**changes))


def test_an_unknown_project_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / projects.PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "tides.json").write_text(json.dumps(VALID))
    monkeypatch.syspath_prepend(tmp_path)
    assert projects.load("tides").target == "high"
    for name in ("ebb", "../tides", ""):
        with pytest.raises(ProjectUnknown, match="deploy again"):
            projects.load(name)


@pytest.mark.parametrize("path", sorted((ROOT / "projects").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_projects_are_valid_and_named_like_their_files(path: Path) -> None:
    assert projects.parse(yaml.safe_load(path.read_text())).name == path.stem


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"sampler": "gp", "objectives": ["metric", "size_bytes"]}, "the sampler 'gp' takes one"),
        ({"sampler": "tpe", "pruner": "median", "objectives": ["metric", "size_bytes"]}, "compare one objective"),
        (
            {"sampler": "tpe", "stop": {"patience": 3}, "objectives": ["metric", "size_bytes"]},
            "compare one objective",
        ),
        ({"pruner": "median", "objectives": ["size_bytes"]}, "what a trial reports is the metric"),
        ({"objectives": ["metric", "metric"]}, "name each once"),
        ({"algorithms": ["linear", "linear"]}, "name each once"),
        ({"concurrency": 1001}, "concurrency"),
        ({"stop": {"hours": 1}}, "hours"),
    ],
)
def test_a_search_whose_parts_do_not_go_together_is_refused(search: dict, words: str) -> None:
    with pytest.raises(ProjectInvalid, match=words):
        projects.parse(changed(search=search))


@pytest.mark.parametrize("slices", [{"columns": ["at"]}, {"protected": ["high"]}, {"protected": ["sun"]}])
def test_slices_are_of_columns_that_can_be_sliced_by(slices: dict) -> None:
    with pytest.raises(ProjectInvalid, match=r"slices|no rule for"):
        projects.parse(changed(slices=slices))


@pytest.mark.parametrize("page", ["search.md", "evaluation.md"])
def test_what_the_docs_show_is_a_valid_part_of_a_project_file(page: str) -> None:
    shown = (ROOT / "docs" / page).read_text().partition("```yaml\n")[2].partition("```")[0]
    columns = {**VALID["columns"], **{name: {"type": "category"} for name in ("sex", "region")}}
    project = projects.parse(changed(columns=columns, **yaml.safe_load(shown)))
    assert project.search.concurrency == (10 if page == "search.md" else 4)


def test_the_named_classes_that_the_docs_show_are_those_of_the_shipped_project() -> None:
    shown = (ROOT / "docs" / "recipes.md").read_text().partition("```yaml\ntask:")[2].partition("```")[0]
    part = yaml.safe_load(f"task:{shown}")
    wines = yaml.safe_load((ROOT / "projects" / "wines.yaml").read_text())
    assert wines["columns"].items() >= part.pop("columns").items()
    assert wines.items() >= part.items()
    assert projects.parse(wines).classes == ("Barolo", "Grignolino", "Barbera")


def test_limits_are_the_deployments_and_no_part_of_a_model() -> None:
    limited = projects.parse(changed(serving={"requests_per_second": 20, "burst": 30, "concurrency": 5}))
    assert limited.serving.carried() == {}
    both = projects.parse(changed(serving={"missing": "impute", "requests_per_second": 20}))
    assert both.serving.carried() == {"serving": {"missing": "impute", "out_of_range": "refuse"}}


@pytest.mark.parametrize(
    ("serving", "words"),
    [
        ({"burst": 5}, "without requests_per_second"),
        ({"requests_per_second": 0}, "serving.requests_per_second"),
        ({"concurrency": 0}, "serving.concurrency"),
        ({"requests_per_minute": 5}, "serving.requests_per_minute"),
    ],
)
def test_limits_that_cannot_be_are_refused(serving: dict, words: str) -> None:
    with pytest.raises(ProjectInvalid, match=words):
        projects.parse(changed(serving=serving))
