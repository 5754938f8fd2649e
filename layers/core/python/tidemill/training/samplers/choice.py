"""The sampler and the pruner that a project file asks for."""

import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from tidemill import canonical
from tidemill.projects import Search
from tidemill.training.pipeline import STEPS
from tidemill.training.samplers.evolution import CmaEsSampler
from tidemill.training.samplers.gaussian_process import GaussianProcessSampler
from tidemill.training.samplers.policy_gradient import PolicyGradientSampler

STARTUP = 4
"""Trials of its algorithm that are never pruned, and the median of whose values is compared with."""
POPULATION = 12


def sampler(search: Search, space: dict[str, BaseDistribution], seed: int, number: int) -> BaseSampler:
    """Who draws the parameters (`space`) of the trial with that number. A worker makes its own: what it must know
    of the others it reads in the study; what it draws by chance depends on run and trial alone."""
    name, own = search.sampler, _mixed(seed, number)
    if name == "gp":
        return GaussianProcessSampler(acquisition=search.acquisition, space=space, seed=seed)
    if name == "cmaes":
        return CmaEsSampler(space=space, seed=seed)
    if name == "reinforce":
        return PolicyGradientSampler(space=space, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=own)
        if name == "nsga3":
            return optuna.samplers.NSGAIIISampler(population_size=POPULATION, seed=own)
        if name == "tpe":
            return optuna.samplers.TPESampler(seed=own)
    return optuna.samplers.RandomSampler(seed=own)


def pruner(search: Search) -> BasePruner:
    """Who ends a trial early; each compares trials of one algorithm."""
    if search.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=1)
    if search.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    if search.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=STEPS, reduction_factor=3)
    return optuna.pruners.NopPruner()


def _mixed(seed: int, number: int) -> int:
    """A seed for one trial of a run, of 32 bits."""
    return int(canonical.identity([seed, number])[:8], 16)
