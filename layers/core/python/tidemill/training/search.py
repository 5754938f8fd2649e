"""The hyperparameter search, drawn in advance: which points of which algorithms a run tries.

PlanTrials calls `draw`. All points are drawn before the first is tried, by an Optuna sampler that needs no
results (random, quasi-Monte Carlo, grid), so that any number of workers can try them in any order, and a rerun
draws the same.
"""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from tidemill.projects import Search
from tidemill.training.plan import Algorithm, Trial

Task = Literal["classification", "regression"]
Number = int | float
Point = dict[str, Number]


@dataclass(frozen=True)
class Axis:
    """One varied parameter: its range, the value of the first point (a good guess, so that the smallest search is
    worth running), and the values of a grid."""

    range: FloatDistribution | IntDistribution
    first: Number
    grid: tuple[Number, ...]


_BOOSTING = {
    "learning_rate": Axis(FloatDistribution(0.02, 0.3, log=True), 0.1, (0.05, 0.1, 0.2)),
    "max_iter": Axis(IntDistribution(40, 200), 100, (60, 120)),
    "max_leaf_nodes": Axis(IntDistribution(7, 63, log=True), 31, (15, 31, 63)),
    "min_samples_leaf": Axis(IntDistribution(5, 200, log=True), 20, (20, 60)),
    "l2_regularization": Axis(FloatDistribution(1e-3, 10.0, log=True), 1e-3, (1e-3, 1.0)),
}
# Leaves are bounded, because the size of the served model grows with them.
_FOREST = {
    "max_leaf_nodes": Axis(IntDistribution(32, 512, log=True), 256, (64, 256, 512)),
    "min_samples_leaf": Axis(IntDistribution(1, 100, log=True), 5, (2, 10, 50)),
    "max_features": Axis(FloatDistribution(0.2, 1.0), 0.5, (0.33, 0.66, 1.0)),
}
# Below 0.1 the normal equations of one-hot columns are singular in single precision.
_RIDGE = {"alpha": Axis(FloatDistribution(0.1, 1e3, log=True), 1.0, (0.1, 1.0, 10.0, 100.0, 1000.0))}
_LOGISTIC = {"C": Axis(FloatDistribution(1e-3, 1e2, log=True), 1.0, (0.001, 0.01, 0.1, 1.0, 10.0, 100.0))}


def space(algorithm: Algorithm, task: Task) -> Mapping[str, Axis]:
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
    points = {
        name: iter(_points(search.sampler, space(name, task), turns.count(name), seed)) for name in set(turns)
    }
    drawn = [(algorithm, point) for algorithm in turns if (point := next(points[algorithm], None)) is not None]
    return tuple(Trial(number=n, algorithm=name, parameters=point) for n, (name, point) in enumerate(drawn))


def _points(sampler: str, axes: Mapping[str, Axis], count: int, seed: int) -> list[Point]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ranges: dict[str, BaseDistribution] = {name: axis.range for name, axis in axes.items()}
    if sampler == "grid":
        grid = {name: axis.grid for name, axis in axes.items()}
        study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid, seed=seed))
        size = math.prod(len(values) for values in grid.values())
        return [study.ask(ranges).params for _ in range(min(count, size))]
    first = {name: axis.first for name, axis in axes.items()}
    study = optuna.create_study(sampler=_sampler(sampler, seed))
    # The quasi-Monte Carlo sampler learns its space from a completed trial, and keeps to it.
    study.add_trial(optuna.trial.create_trial(params=first, distributions=ranges, value=0.0))
    return [first, *(study.ask(ranges).params for _ in range(count - 1))]


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(seed=seed, scramble=True)
