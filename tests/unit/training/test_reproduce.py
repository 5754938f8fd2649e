"""A model made again from its run's record: the same bytes, or what differs is told."""

import copy
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.deployment import Deployment
from cli.main import app
from tidemill import canonical, names
from tidemill.errors import RecordNotFound
from tidemill.training import facts, provenance
from tidemill.training.reproduce import Record, differences, find, reproduce

MADE = ["model.skops", "model.onnx", "profile.json"]
CHECKS = ["dataset", "point", "train rows", "validation rows", "holdout rows", *MADE]


def record_of(mill: Any, **which: Any) -> Record:
    return find(project="tides", objects=mill.objects, index=mill.index, **which)


def again(mill: Any, **which: Any) -> dict[str, Any]:
    before = mill.state()
    found = reproduce(record_of(mill, **(which or {"run_id": mill.RUN})), objects=mill.objects)
    assert mill.state() == before, "it wrote something"
    assert found["same"] is not bool(differing(found))
    return found


def differing(found: dict[str, Any]) -> list[str]:
    return [check["what"] for check in found["checks"] if not check["same"]]


def rewrite(mill: Any, path: str, **changes: Any) -> None:
    """Put another document in the place of a run's, which no use case can do."""
    key = names.run("tides", mill.RUN) + path
    mill.objects.versions[key] = [canonical.dumps({**mill.file(path), **changes})]


def here(**changes: Any) -> dict[str, Any]:
    made = {
        "versions": provenance.versions(),
        "code": provenance.code_digest(),
        "machine": provenance.machine(),
    }
    return {**made, **changes}


@pytest.mark.parametrize("task", ["classification", "named", "regression"])
@pytest.mark.parametrize(
    "algorithm", ["linear", "elastic_net", "random_forest", "extra_trees", "gradient_boosting", "lightgbm"]
)
def test_every_kind_of_model_is_made_again_bit_by_bit(new_mill: Any, algorithm: str, task: str) -> None:
    search = {"trials": 2, "algorithms": [algorithm]}
    mill = new_mill.named(search=search) if task == "named" else new_mill(task=task, search=search)
    mill.walk()
    found = again(mill)
    assert [check["what"] for check in found["checks"]] == CHECKS
    assert found["same"], found["checks"]
    assert found["algorithm"] == algorithm
    assert found["answers"] is None
    recorded = {check["what"]: check["recorded"] for check in found["checks"]}
    assert {file: recorded[file] for file in MADE} == mill.file("final/final.json")["sha256"]


def test_a_model_fitted_under_a_pruner_or_on_shuffled_labels_is_made_again(new_mill: Any) -> None:
    mill = new_mill(search={"trials": 3, "pruner": "median", "algorithms": ["gradient_boosting"]})
    asked = {"options": {"shuffle_labels": True, "seed": 11}, "rehearsal": True}
    mill.walk(**asked)
    found = again(mill)
    assert found["same"], found["checks"]
    assert found["seed"] == 11


def test_the_champion_is_made_again_by_default_and_a_version_by_its_number(walked: Any) -> None:
    with pytest.raises(RecordNotFound, match="no champion yet; name a model version"):
        record_of(walked)
    walked.crown(number=3)
    found = reproduce(record_of(walked), objects=walked.objects)
    assert (found["model_version"], found["run_id"], found["same"]) == (3, walked.RUN, True)
    assert reproduce(record_of(walked, model=3), objects=walked.objects) == found


def test_a_registered_model_is_held_to_its_own_digests(walked: Any) -> None:
    walked.crown(number=1)
    key = names.model("tides", 1) + "model.json"
    document = json.loads(walked.objects.get(key))
    document["sha256"]["model.onnx"] = "0" * 64
    walked.objects.versions[key] = [canonical.dumps(document)]
    assert differing(reproduce(record_of(walked, model=1), objects=walked.objects)) == ["model.onnx"]


def test_a_changed_byte_of_the_data_is_told(walked: Any) -> None:
    manifest = json.loads(walked.objects.get(names.dataset("tides", 1)))
    key = names.content(manifest["files"][0]["sha256"])
    lines = walked.objects.get(key).decode().splitlines(keepends=True)
    fields = lines[10].split(",")
    fields[2] = str((int(fields[2]) + 1) % 5)
    lines[10] = ",".join(fields)
    walked.objects.versions[key] = ["".join(lines).encode()]
    found = again(walked)
    assert "train rows" in differing(found)
    assert "model.skops" in differing(found)
    assert "holdout rows" not in differing(found)
    assert found["answers"]["rows"] == 60
    assert 0 < found["answers"]["largest_difference"] < 1


def test_another_dataset_version_under_the_number_is_told(walked: Any) -> None:
    key = names.dataset("tides", 1)
    manifest = json.loads(walked.objects.get(key))
    walked.objects.versions[key] = [canonical.dumps({**manifest, "reason": "rewritten"})]
    assert differing(again(walked)) == ["dataset"]


def test_another_seed_is_told(new_mill: Any) -> None:
    mill = new_mill(search={"algorithms": ["random_forest"]})
    mill.walk()
    rewrite(mill, "plan.json", seed=8)
    found = again(mill)
    assert differing(found) == MADE
    assert found["answers"]["different"] > 0


def test_another_point_is_told(walked: Any) -> None:
    best = copy.deepcopy(walked.file("best.json"))
    parameters = {name: value * 2 for name, value in best["parameters"].items()}
    rewrite(walked, "best.json", parameters=parameters)
    assert {"point", "model.skops"} <= set(differing(again(walked)))


def test_a_recorded_model_that_is_lost_or_damaged_is_no_hindrance(walked: Any) -> None:
    rewrite(walked, "plan.json", seed=8)
    rewrite(walked, "best.json", parameters={"C": 0.5}, algorithm="linear")
    key = facts.final_key("tides", walked.RUN, "model.skops")
    walked.objects.versions[key] = [b"damaged"]
    assert again(walked)["answers"] is None
    del walked.objects.versions[key]
    assert again(walked)["answers"] is None


def test_a_run_without_a_model_says_so(mill: Any) -> None:
    mill.plan()
    with pytest.raises(RecordNotFound, match="made no model"):
        record_of(mill, run_id=mill.RUN)


def test_rows_that_were_erased_end_it_with_their_name(walked: Any) -> None:
    manifest = json.loads(walked.objects.get(names.dataset("tides", 1)))
    key = names.content(manifest["files"][0]["sha256"])
    del walked.objects.versions[key]
    with pytest.raises(RecordNotFound, match=key):
        reproduce(record_of(walked, run_id=walked.RUN), objects=walked.objects)


def test_what_it_was_made_with_is_compared_with_what_is_here(walked: Any) -> None:
    record = record_of(walked, run_id=walked.RUN)
    assert differences(record, here()) == []
    other = {**provenance.versions(), "numpy": "1.0.0"}
    machine = {**provenance.machine(), "blas": "openblas 0.3.29 Zen"}
    found = differences(record, here(versions=other, code="f" * 64, machine=machine))
    assert [each["what"] for each in found] == ["numpy", "code", "blas"]
    rewrite(walked, "plan.json", lock="a" * 64)
    locked = record_of(walked, run_id=walked.RUN)
    assert [each["what"] for each in differences(locked, here(lock="b" * 64))] == ["lock"]
    assert found[0]["found"] == "1.0.0"
    assert found[0]["recorded"] == provenance.versions()["numpy"]


def test_it_fits_with_as_many_threads_as_were_recorded(walked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidemill.training import reproduce as module
    from tidemill.training import threads

    seen: list[int] = []
    build = module.build

    def watched(*args: Any) -> Any:
        seen.append(threads.in_use())
        return build(*args)

    monkeypatch.setattr(module, "build", watched)
    assert walked.file("final/final.json")["threads"] == 1
    rewrite(walked, "final/final.json", threads=2)
    again(walked)
    final = walked.file("final/final.json")
    del final["threads"]
    walked.objects.versions[facts.final_key("tides", walked.RUN)] = [canonical.dumps(final)]
    again(walked)
    assert seen == [2, 1]


@pytest.fixture
def command(walked: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`tidemill reproduce` on the walked mill."""
    stage = SimpleNamespace(objects=walked.objects, index=walked.index, require_project=lambda _: None)
    monkeypatch.setattr(Deployment, "of", lambda _: stage)
    return lambda *words: CliRunner(env={"COLUMNS": "200"}).invoke(app, ["reproduce", "tides", *words])


def test_the_command_says_that_it_is_the_same_model(walked: Any, command: Callable[..., Any]) -> None:
    walked.crown()
    done = command()
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Model v1")
    assert "the same model, bit by bit" in done.stdout
    assert json.loads(command("--run", walked.RUN, "--json").stdout)["same"] is True


def test_the_command_ends_with_1_and_names_what_differs(walked: Any, command: Callable[..., Any]) -> None:
    plan = walked.file("plan.json")
    final = walked.file("final/final.json")
    rewrite(walked, "final/final.json", versions={**final["versions"], "numpy": "1.0.0"})
    rewrite(walked, "plan.json", sha256={**plan["sha256"], "holdout": "0" * 64})
    done = command("--run", walked.RUN)
    assert done.exit_code == 1
    assert "! numpy: recorded 1.0.0, here" in done.stderr
    assert "not the same: holdout rows" in done.stdout
    assert "it was made with another: numpy" in done.stdout
    assert command("1", "--run", walked.RUN).exit_code == 2
