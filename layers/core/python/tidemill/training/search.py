"""The hyperparameter search, drawn in advance: which points of which algorithms a run tries.

PlanTrials calls `draw`. All points are drawn before the first is tried, by an Optuna sampler that needs no
results (random, quasi-Monte Carlo, grid), so that any number of workers can try them in any order, and a rerun
draws the same.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from tidemill.projects import Search
from tidemill.training.plan import Algorithm, Trial

Task = Literal["classification", "regression"]
Point = dict[str, int | float]

_BOOSTING: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(0.02, 0.3, log=True),
    "max_iter": IntDistribution(40, 200),
    "max_leaf_nodes": IntDistribution(7, 63, log=True),
    "min_samples_leaf": IntDistribution(5, 200, log=True),
    "l2_regularization": FloatDistribution(1e-3, 10.0, log=True),
}
# Leaves are bounded, because the size of the served model grows with them.
_FOREST: dict[str, BaseDistribution] = {
    "max_leaf_nodes": IntDistribution(32, 512, log=True),
    "min_samples_leaf": IntDistribution(1, 100, log=True),
    "max_features": FloatDistribution(0.2, 1.0),
}
# Below 0.1 the normal equations of one-hot columns are singular in single precision.
_RIDGE: dict[str, BaseDistribution] = {"alpha": FloatDistribution(0.1, 1e3, log=True)}
_LOGISTIC: dict[str, BaseDistribution] = {"C": FloatDistribution(1e-3, 1e2, log=True)}

# The first point of each algorithm is a good guess, so that the smallest search is worth running.
_FIRST: Point = {
    "learning_rate": 0.1, "max_iter": 100, "max_leaf_nodes": 31, "min_samples_leaf": 20, "l2_regularization": 1e-3,
    "max_features": 0.5, "alpha": 1.0, "C": 1.0,
}  # fmt: skip
_GRIDS: Mapping[str, Sequence[int | float]] = {
    "learning_rate": (0.05, 0.1, 0.2), "max_iter": (60, 120), "max_leaf_nodes": (15, 31, 63),
    "min_samples_leaf": (20, 60), "l2_regularization": (1e-3, 1.0), "max_features": (0.33, 0.66, 1.0),
    "alpha": (0.1, 1.0, 10.0, 100.0, 1000.0), "C": (0.001, 0.01, 0.1, 1.0, 10.0, 100.0),
}  # fmt: skip


def space(algorithm: Algorithm, task: Task) -> dict[str, BaseDistribution]:
    """What is varied of an algorithm, by scikit-learn's parameter name."""
    if algorithm == "gradient_boosting":
        return _BOOSTING
    if algorithm == "random_forest":
        return _FOREST
    return _LOGISTIC if task == "classification" else _RIDGE


def draw(search: Search, task: Task, seed: int) -> tuple[Trial, ...]:
    """The trials of a run, numbered from 0, the algorithms taking turns. The same arguments give the same trials.

    A grid that has fewer points than its share of the trials is tried once, so there may be fewer than
    `search.trials`.
    """
    turns = list(islice(cycle(search.algorithms), search.trials))
    points = {name: iter(_points(search.sampler, name, task, turns.count(name), seed)) for name in set(turns)}
    drawn = [(algorithm, point) for algorithm in turns if (point := next(points[algorithm], None)) is not None]
    return tuple(Trial(number=n, algorithm=name, parameters=point) for n, (name, point) in enumerate(drawn))


def _points(sampler: str, algorithm: Algorithm, task: Task, count: int, seed: int) -> list[Point]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    varied = space(algorithm, task)
    if sampler == "grid":
        return _grid_points(varied, count, seed)
    first = {name: _FIRST[name] for name in varied}
    study = optuna.create_study(sampler=_sampler(sampler, seed))
    # The quasi-Monte Carlo sampler learns its space from a completed trial, and keeps to it.
    study.add_trial(optuna.create_trial(params=first, distributions=varied, value=0.0))
    return [first, *(study.ask(varied).params for _ in range(count - 1))]


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(seed=seed, scramble=True)


def _grid_points(varied: Mapping[str, BaseDistribution], count: int, seed: int) -> list[Point]:
    grid = {name: _GRIDS[name] for name in varied}
    size = 1
    for values in grid.values():
        size *= len(values)
    study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid, seed=seed))
    return [study.ask(dict(varied)).params for _ in range(min(count, size))]
