"""How good the searches are: the best value, or the dominated volume, after so many trials.

Each searches one trial at a time, and with ten workers that take turns: whoever is done tells its value and asks
for the next point, while nine others run.
"""

import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume

from benchmarks.objectives import OBJECTIVES, SEVERAL, Objective, Several
from benchmarks.search_peers import ALONE, Task
from benchmarks.searchers import Searcher, Values, roster

WORKERS = 10


@dataclass(frozen=True)
class Searched:
    """What one search found: the figure at each checkpoint, and the seconds of asking and telling per trial."""

    figures: dict[int, float]
    seconds: float


@dataclass(frozen=True)
class Row:
    """One searcher's medians over seeds: alone, and with ten workers (empty for one that cannot), the seconds of
    asking and telling per trial, and the figures of each search."""

    name: str
    alone: list[float]
    together: list[float]
    seconds: float
    runs: tuple[tuple[float, ...], ...]


def rows(objective: Objective | Several, seeds: int, processes: int, wanted: str = "") -> Iterator[Row]:
    """Each searcher's whose name matches the regular expression `wanted`, as it is done."""
    values = len(objective.reference) if isinstance(objective, Several) else 1
    everyone = OBJECTIVES + SEVERAL
    with ProcessPoolExecutor(processes) as pool:
        asked = {
            name: [
                [pool.submit(searched, everyone.index(objective), name, seed, workers) for seed in range(seeds)]
                for workers in ((1,) if name in ALONE else (1, WORKERS))
            ]
            for name in roster(values=values)
            if re.search(wanted, name)
        }
        for name, futures in asked.items():
            alone, *rest = ([future.result() for future in group] for group in futures)
            together = rest[0] if rest else []
            yield Row(
                name,
                [statistics.median(run.figures[n] for run in alone) for n in objective.checkpoints],
                [statistics.median(run.figures[n] for run in together) for n in objective.checkpoints if together],
                statistics.median(run.seconds for run in [*alone, *together]),
                tuple(tuple(run.figures.values()) for run in [*alone, *together]),
            )


def searched(number: int, name: str, seed: int, workers: int) -> Searched:
    """One search of one objective, by their names: it is run in a process of its own."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective = (OBJECTIVES + SEVERAL)[number]
    values = len(objective.reference) if isinstance(objective, Several) else 1
    budget = objective.checkpoints[-1]
    searcher = roster(values=values)[name](Task(objective.dimensions, values, seed, budget, workers))
    try:
        return _searched(searcher, objective, workers)
    finally:
        searcher.close()


def _searched(searcher: Searcher, objective: Objective | Several, workers: int) -> Searched:
    running: list[tuple[int, np.ndarray]] = []
    told: list[Values] = []
    figures: dict[int, float] = {}
    spent = 0.0
    for count in range(1, objective.checkpoints[-1] + 1):
        start = time.perf_counter()
        while len(running) < workers:
            running.append(searcher.ask())
        spent += time.perf_counter() - start
        ticket, point = running.pop(0)
        found = objective.of(point)
        told.append(found if isinstance(found, tuple) else (found,))
        start = time.perf_counter()
        searcher.tell(ticket, told[-1])
        spent += time.perf_counter() - start
        if count in objective.checkpoints:
            figures[count] = figure(objective, told)
    return Searched(figures, spent / objective.checkpoints[-1])


def figure(objective: Objective | Several, told: list[Values]) -> float:
    """The least value, or the share of the greatest volume that is dominated."""
    if isinstance(objective, Objective):
        return min(values[0] for values in told)
    reference = np.array(objective.reference)
    inside = np.array([values for values in told if (np.array(values) < reference).all()])
    return float(compute_hypervolume(inside, reference)) / objective.greatest if len(inside) else 0.0
