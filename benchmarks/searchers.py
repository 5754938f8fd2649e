"""Who searches: an ask and a tell, of Tidemill's samplers, of Optuna's, and of peers in processes of their own."""

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.storages import BaseStorage

from benchmarks.search_peers import PEERS, PeerProcess, Task
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.training.samplers.choice import POPULATION
from tidemill.training.samplers.evolution import CmaEsSampler as ReplayedCmaEsSampler
from tidemill.training.samplers.gaussian_process import GaussianProcessSampler
from tidemill.training.samplers.policy_gradient import PolicyGradientSampler
from tidemill.training.studies.storage import StudyStorage

Array = NDArray[np.float64]
Values = tuple[float, ...]


class Searcher(Protocol):
    """Asks for points of the unit cube, and hears their values in any order. It looks for the least."""

    def ask(self) -> tuple[int, Array]:
        """A ticket, and the point [d] to try."""

    def tell(self, ticket: int, values: Values) -> None:
        """The values of the point with that ticket."""

    def close(self) -> None:
        """No more is asked."""


class Sampled:
    """A sampler of Optuna's interface, in a study in that storage."""

    def __init__(self, sampler: BaseSampler, task: Task, storage: BaseStorage | None = None) -> None:
        names = [f"x{number}" for number in range(task.dimensions)]
        self._space: dict[str, BaseDistribution] = dict.fromkeys(names, FloatDistribution(0, 1))
        directions = ["minimize"] * task.values
        self._study = optuna.create_study(sampler=sampler, storage=storage, directions=directions)
        self._running: dict[int, optuna.Trial] = {}

    def ask(self) -> tuple[int, Array]:
        trial = self._study.ask(self._space)
        self._running[trial.number] = trial
        return trial.number, np.array([trial.params[name] for name in self._space])

    def tell(self, ticket: int, values: Values) -> None:
        self._study.tell(self._running.pop(ticket), list(values))

    def close(self) -> None:
        pass


Maker = Callable[[Task], Searcher]


def roster(*, values: int) -> dict[str, Maker]:
    """The searchers for so many values, by their row's name."""
    return {**_of_several(), **_peers(several=True)} if values > 1 else {**_of_one(), **_peers(several=False)}


def _of_one() -> dict[str, Maker]:
    gaussian: dict[str, str] = {"EI": "ei", "PI": "pi", "UCB": "ucb", "Thompson": "thompson"}
    return {
        "grid": _sampled(lambda t: GridSampler(_grid(t.dimensions), seed=t.seed)),
        "random": _sampled(lambda t: RandomSampler(seed=t.seed)),
        "quasi-random (Sobol)": _sampled(lambda t: QMCSampler(scramble=True, seed=t.seed)),
        "TPE": _stored,
        **{f"Gaussian process, {title}": _gaussian(acquisition) for title, acquisition in gaussian.items()},
        "CMA-ES": _sampled(lambda t: ReplayedCmaEsSampler(seed=t.seed)),
        "NSGA-II": _sampled(lambda t: NSGAIISampler(population_size=POPULATION, seed=t.seed)),
        "policy gradient (REINFORCE)": _sampled(lambda t: PolicyGradientSampler(seed=t.seed)),
        "*Optuna*: TPE": _sampled(lambda t: TPESampler(seed=t.seed)),
        "*Optuna*: TPE, constant liar": _sampled(lambda t: TPESampler(seed=t.seed, constant_liar=True)),
        "*Optuna*: CMA-ES": _sampled(lambda t: CmaEsSampler(seed=t.seed)),
    }


def _of_several() -> dict[str, Maker]:
    return {
        "random": _sampled(lambda t: RandomSampler(seed=t.seed)),
        "quasi-random (Sobol)": _sampled(lambda t: QMCSampler(scramble=True, seed=t.seed)),
        "TPE": _stored,
        "NSGA-II": _sampled(lambda t: NSGAIISampler(population_size=POPULATION, seed=t.seed)),
        "NSGA-III": _sampled(lambda t: NSGAIIISampler(population_size=POPULATION, seed=t.seed)),
        "*Optuna*: TPE": _sampled(lambda t: TPESampler(seed=t.seed)),
        "*Optuna*: NSGA-II, population of 50": _sampled(lambda t: NSGAIISampler(seed=t.seed)),
        "*Optuna*: NSGA-III, population of 50": _sampled(lambda t: NSGAIIISampler(seed=t.seed)),
    }


def _gaussian(acquisition: str) -> Maker:
    return _sampled(lambda t: GaussianProcessSampler(seed=t.seed, acquisition=acquisition))


def _sampled(sampler: Callable[[Task], BaseSampler]) -> Maker:
    def make(task: Task) -> Searcher:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return Sampled(sampler(task), task)

    return make


def _stored(task: Task) -> Searcher:
    """TPE as a run has it: Optuna's sampler on Tidemill's storage."""
    index, objects = MemoryIndex(), MemoryObjects()
    storage = StudyStorage(lambda: (index, objects), "bench")
    return Sampled(TPESampler(seed=task.seed), task, storage)


def _grid(dimensions: int) -> dict[str, list[float]]:
    """More points than are tried: twelve values of each of two parameters, three of each of more."""
    count = 12 if dimensions <= 2 else 3
    return {f"x{n}": [(i + 0.5) / count for i in range(count)] for n in range(dimensions)}


def _peers(*, several: bool) -> dict[str, Maker]:
    def make(name: str) -> Maker:
        return lambda task: PeerProcess(name, task)

    return {title: make(peer.name) for title, peer in PEERS.items() if peer.several or not several}
