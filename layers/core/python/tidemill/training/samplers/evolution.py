"""CMA-ES whose state is nowhere but in the finished trials.

Covariance matrix adaptation (Hansen and Ostermeier 2001) by the package `cmaes`. Optuna's own sampler for it keeps
the optimizer, pickled, in the trials' attributes; here every worker replays the finished trials, in the order in
which they ended and a population at a time, so that nothing is unpickled and a worker that dies takes nothing with
it. A search that has converged starts again at another place with twice the population (IPOP: Auger and Hansen
2005).
"""

import math
from typing import Any

import cmaes
import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from tidemill.training.samplers.single_objective import SingleObjectiveSampler, sign

SIGMA = 1 / 6


class CmaEsSampler(SingleObjectiveSampler):
    """For numbers; categories are drawn by chance. `population`: default 4 + ⌊3 ln d⌋ for d parameters, of which
    one counts as two."""

    def __init__(
        self, *, population: int | None = None, space: dict[str, BaseDistribution] | None = None, seed: int = 0
    ) -> None:
        super().__init__(seed, space)
        self._population = population

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        space = super().infer_relative_search_space(study, trial)
        return {name: each for name, each in space.items() if not isinstance(each, CategoricalDistribution)}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        transform = _SearchSpaceTransform(search_space, transform_0_1=True)
        trials = study._get_trials(deepcopy=False, states=(TrialState.COMPLETE,), use_cache=True)
        done = [each for each in trials if search_space.keys() <= each.params.keys()]
        done.sort(key=lambda each: (each.datetime_complete, each.number))
        told = [
            (
                np.clip(transform.transform({name: each.params[name] for name in search_space}), 0.0, 1.0),
                _finite(sign(study) * float(each.value or 0.0)),
            )
            for each in done
        ]
        optimizer = self._replayed(len(transform.bounds), told)
        optimizer.reseed_rng(int(np.random.default_rng([self._seed, trial.number]).integers(2**32)))
        return transform.untransform(optimizer.ask())

    def _replayed(self, dimensions: int, told: list[tuple[NDArray[np.float64], float]]) -> cmaes.CMA:
        """The optimizer after these trials, of which a last part of a population waits for the rest."""
        population = self._population or 4 + math.floor(3 * math.log(max(dimensions, 2)))
        begun, optimizer = 0, self._started(dimensions, population, restart=0)
        restart = 0
        while len(told) - begun >= optimizer.population_size:
            optimizer.tell(told[begun : begun + optimizer.population_size])
            begun += optimizer.population_size
            if optimizer.should_stop():
                restart += 1
                optimizer = self._started(dimensions, population * 2**restart, restart=restart)
        return optimizer

    def _started(self, dimensions: int, population: int, *, restart: int) -> cmaes.CMA:
        mean = np.full(dimensions, 0.5)
        if restart:
            mean = np.random.default_rng([self._seed, restart]).random(dimensions)
        bounds = np.tile([0.0, 1.0], (dimensions, 1))
        return cmaes.CMA(mean, SIGMA, bounds=bounds, seed=self._seed, population_size=population)


def _finite(value: float) -> float:
    return float(np.nan_to_num(value, nan=1e300, posinf=1e300, neginf=-1e300))
