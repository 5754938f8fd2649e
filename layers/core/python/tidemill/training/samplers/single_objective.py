"""What samplers for one objective have in common."""

import zlib
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial


class SingleObjectiveSampler(BaseSampler):
    """Draws the parameters of `space` together (`sample_relative`); without one, those that all trials have in
    common. Others are drawn by chance, which depends on the seed, the trial and the parameter alone: no two
    workers draw the same, and one that does a trial again does. Studies of several objectives are refused
    (ValueError)."""

    def __init__(self, seed: int, space: dict[str, BaseDistribution] | None = None) -> None:
        self._seed = seed
        self._given = space
        self._space = IntersectionSearchSpace()

    def reseed_rng(self) -> None:
        """Nothing: what is drawn depends on the trial's number, which no two workers have."""

    def infer_relative_search_space(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002  (Optuna's signature)
    ) -> dict[str, BaseDistribution]:
        self._require_one_objective(study)
        space = self._space.calculate(study) if self._given is None else self._given
        return {name: each for name, each in sorted(space.items()) if not each.single()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        self._require_one_objective(study)
        mixed = np.random.default_rng([self._seed, trial.number, zlib.crc32(param_name.encode())])
        sampler = RandomSampler(seed=int(mixed.integers(2**32)))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _require_one_objective(self, study: Study) -> None:
        if len(study.directions) > 1:
            name = type(self).__name__
            raise ValueError(
                f"{name} searches for one objective, not {len(study.directions)}; choose an NSGA sampler"
            )


def sign(study: Study) -> float:
    """What to multiply values by so that less is better."""
    return 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
