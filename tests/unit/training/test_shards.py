"""Forests that several workers grow: merged, they are the forest of one fit, bit by bit."""

from typing import Any

import pytest

from tests.unit.training.machine import Machine
from tests.unit.training.test_pipeline_parity import arrays_of, project_of
from tidemill.training import artifacts, pipeline, shards

FORESTS = {"random_forest": {"max_leaf_nodes": 16, "max_features": 0.5}, "extra_trees": {"max_leaf_nodes": 16}}
SEARCH = {"trials": 1, "algorithms": ["random_forest"]}
FINAL = ("final/model.skops", "final/model.onnx", "final/profile.json")


@pytest.mark.parametrize("algorithm", FORESTS)
@pytest.mark.parametrize("task", ["classification", "named", "regression"])
@pytest.mark.parametrize(("of", "encode"), [(2, "auto"), (3, "target"), (7, "auto")])
def test_the_merged_forest_is_the_one_of_a_single_fit(algorithm: Any, task: str, of: int, encode: str) -> None:
    encode = "auto" if task == "named" else encode
    project, arrays = project_of(task, recipe={"encode": encode}), arrays_of(task)
    how = {"project": project, "seed": 5}
    whole = pipeline.fit(algorithm, FORESTS[algorithm], arrays, **how)
    grown = [shards.grow(algorithm, FORESTS[algorithm], arrays, **how, shard=shard, of=of) for shard in range(of)]
    assert artifacts.save(shards.merged(grown)) == artifacts.save(whole)


def test_shards_differ_by_one_tree_at_most() -> None:
    for of in range(1, 41):
        spans = [shards.span(100, shard, of) for shard in range(of)]
        assert [first for first, _ in spans] == [0, *(last for _, last in spans[:-1])]
        assert spans[-1][1] == 100
        assert {last - first for first, last in spans} <= {100 // of, 100 // of + 1}


def model(mill: Any) -> list[bytes]:
    return [mill.objects.get(f"runs/tides/tides-v00001/{file}") for file in FINAL]


@pytest.fixture
def whole(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files of the model of a run that fits it in one function."""
    machine = Machine(new_mill(search=SEARCH), monkeypatch)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.called.count("FitFinal") == 1
    return model(machine.mill)


def test_functions_grow_the_forest_side_by_side(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch, whole: list[bytes]
) -> None:
    machine = Machine(new_mill(search=SEARCH, compute={"shards": 4}), monkeypatch)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.called.count("FitFinal") == 5
    assert len(list(machine.mill.objects.keys("runs/tides/tides-v00001/slices/shards/04/"))) == 4
    assert model(machine.mill) == whole


def test_a_shard_that_is_lost_is_grown_by_the_one_that_merges(
    new_mill: Any, monkeypatch: pytest.MonkeyPatch, whole: list[bytes]
) -> None:
    machine = Machine(new_mill(search=SEARCH, compute={"shards": 3}), monkeypatch)
    machine.broken["FitFinal"] = lambda payload: MemoryError("killed") if payload.get("shard") == 1 else None
    assert machine.run()["status"] == "SUCCEEDED"
    assert len(list(machine.mill.objects.keys("runs/tides/tides-v00001/slices/shards/03/"))) == 2
    assert model(machine.mill) == whole


def test_what_is_no_forest_is_fitted_in_one_go(new_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    search = {"trials": 1, "algorithms": ["gradient_boosting"]}
    machine = Machine(new_mill(search=search, compute={"shards": 4}), monkeypatch)
    assert machine.run()["status"] == "SUCCEEDED"
    assert machine.called.count("FitFinal") == 1


@pytest.mark.parametrize(("algorithm", "instances"), [("random_forest", 3), ("lightgbm", 3), ("linear", 1)])
def test_a_job_of_several_machines_is_asked_for_where_they_can_share_the_fit(
    new_mill: Any, algorithm: str, instances: int
) -> None:
    search = {"trials": 1, "algorithms": [algorithm]}
    mill = new_mill(search=search, compute={"kind": "sagemaker", "instance_count": 3})
    mill.plan()
    mill.search()
    mill.step("select_best")
    job = mill.step("choose_compute", step="fit")["job"]
    assert job["ResourceConfig"]["InstanceCount"] == instances
