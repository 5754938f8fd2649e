"""The points of a search that are known before the first trial: all of them, or those to begin with.

PlanTrials calls `draw`. Samplers that need no results (random, quasi-Monte Carlo, grid) draw all points in
advance, so that any number of workers can try them in any order, and a rerun draws the same. The others begin
with the points of an earlier run, if the project asks for that, and with a good guess for each algorithm.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import optuna
from optuna.distributions import BaseDistribution

from tidemill.projects import Project, Search
from tidemill.projects.search import DRAWN
from tidemill.training.algorithms import space
from tidemill.training.algorithms.family import Axis, Number
from tidemill.training.plan import Trial

Point = dict[str, Number]
MOST = 10_000
"""Trials that the names of their files can tell apart."""


def draw(project: Project, seed: int, earlier: Sequence[Trial] = ()) -> tuple[Trial, ...]:
    """The trials that are known in advance, numbered from 0: the `earlier` points, then the algorithms taking
    turns. The same arguments give the same trials.

    A grid that has fewer points than its share of the trials is tried once, so there may be fewer than
    `search.trials` of a sampler that draws them all.
    """
    search = project.search
    begun = [(trial.algorithm, dict(trial.parameters)) for trial in earlier][: search.trials]
    if search.sampler == "sagemaker":
        return ()  # its tuning jobs draw them all
    turns = list(islice(cycle(search.algorithms), search.trials - len(begun)))
    if search.sampler not in DRAWN:
        turns = turns[: len(search.algorithms)]
    points = {
        name: iter(_points(search.sampler, space(name, project), turns.count(name), seed)) for name in set(turns)
    }
    drawn = [(algorithm, point) for algorithm in turns if (point := next(points[algorithm], None)) is not None]
    return tuple(
        Trial(number=n, algorithm=name, parameters=point) for n, (name, point) in enumerate([*begun, *drawn])
    )


def limit(search: Search, drawn: Sequence[Trial]) -> int:
    """How many trials there will be at most. SageMaker's tuning jobs count for themselves."""
    if search.sampler == "sagemaker":
        return MOST
    return len(drawn) if search.sampler in DRAWN else search.trials


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
    if name != "qmc":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(seed=seed, scramble=True)
