"""The trials that a run draws in advance."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.training.test_pipeline_parity import project_of
from tidemill.projects import Project
from tidemill.training.algorithms import space
from tidemill.training.search import draw

ROOT = Path(__file__).resolve().parents[3]
ALGORITHMS = ("linear", "elastic_net", "gradient_boosting", "lightgbm", "random_forest", "extra_trees")


def searching(task: str, **search: Any) -> Project:
    return project_of(task, search=search)


@given(
    sampler=st.sampled_from(["random", "qmc", "grid"]),
    task=st.sampled_from(["classification", "regression"]),
    trials=st.integers(1, 12),
    algorithms=st.permutations(ALGORITHMS).flatmap(lambda a: st.integers(1, 3).map(lambda n: tuple(a[:n]))),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=40)
def test_every_point_lies_in_the_space_of_its_algorithm_and_a_rerun_draws_the_same(
    sampler: str, task: str, trials: int, algorithms: tuple, seed: int
) -> None:
    project = searching(task, sampler=sampler, trials=trials, algorithms=algorithms)
    drawn = draw(project, seed)
    assert drawn == draw(project, seed)
    turns = [algorithms[n % len(algorithms)] for n in range(trials)]
    assert [trial.number for trial in drawn] == list(range(len(drawn)))
    for algorithm in algorithms:
        # A grid is tried once; the other samplers never end.
        points = math.prod(len(axis.grid) for axis in space(algorithm, project).values())
        wanted = turns.count(algorithm) if sampler != "grid" else min(turns.count(algorithm), points)
        assert [trial.algorithm for trial in drawn].count(algorithm) == wanted
    if len(drawn) == trials:
        assert [trial.algorithm for trial in drawn] == turns
    for trial in drawn:
        varied = space(trial.algorithm, project)
        assert trial.parameters.keys() == varied.keys()
        for name, value in trial.parameters.items():
            assert varied[name].range.low <= value <= varied[name].range.high, (name, value)
            assert sampler != "grid" or value in varied[name].grid


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid"])
def test_no_point_is_tried_twice(sampler: str) -> None:
    drawn = draw(searching("regression", sampler=sampler, trials=20, algorithms=("gradient_boosting",)), 3)
    assert len({tuple(trial.parameters.items()) for trial in drawn}) == 20


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_another_seed_draws_other_points_after_the_first(sampler: str) -> None:
    project = searching("classification", sampler=sampler, trials=4, algorithms=("gradient_boosting",))
    one, other = draw(project, 1), draw(project, 2)
    assert one[0] == other[0]
    assert all(a != b for a, b in zip(one[1:], other[1:], strict=True))


def test_a_grid_is_tried_once_however_many_trials_there_may_be() -> None:
    drawn = draw(searching("classification", sampler="grid", trials=50, algorithms=("linear",)), 0)
    assert sorted(trial.parameters["C"] for trial in drawn) == [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]


def test_the_quasi_monte_carlo_points_fill_the_space() -> None:
    # 15 scrambled Sobol points in one dimension after the first guess, on a log scale cut in sixteenths.
    drawn = draw(searching("classification", sampler="qmc", trials=16, algorithms=("linear",)), 0)
    sixteenths = [int((math.log10(trial.parameters["C"]) + 3) / 5 * 16) for trial in drawn[1:]]
    assert max(sixteenths.count(place) for place in set(sixteenths)) <= 2
    assert len(set(sixteenths)) >= 14


def test_nothing_that_the_layers_leave_out_is_imported() -> None:
    # The packages that infra/layer_build.py takes out of the training layers, and the serving runtime.
    script = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from tidemill.projects import parse
from tidemill.training import evaluate_candidate, fit_final, plan_trials, run_trial, search
for sampler in ("random", "qmc", "grid"):
    document = {{
        "name": "tides", "description": "", "task": "classification", "target": "full", "features": ["level"],
        "columns": {{"full": {{"type": "number"}}, "level": {{"type": "number"}}}},
        "search": {{"sampler": sampler, "trials": 4}},
    }}
    assert len(search.draw(parse(document), 1)) == 4
"""
    absent = [
        "alembic",
        "greenlet",
        "mako",
        "markupsafe",
        "sqlalchemy",
        "yaml",
        "prettytable",
        "wcwidth",
        "mpmath",
    ]
    absent += ["sympy", "onnxruntime", "torch", "matplotlib"]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script.format(absent=set(absent))],
        env={"PYTHONPATH": str(ROOT / "layers/core/python"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
