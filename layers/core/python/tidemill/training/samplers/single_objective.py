"""What samplers for one objective have in common."""

from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial


class SingleObjectiveSampler(BaseSampler):
    """Draws the parameters that all trials have together (`sample_relative`), and those that are new by chance.
    Studies of several objectives are refused (ValueError)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._independent = RandomSampler(seed=seed)
        self._space = IntersectionSearchSpace()

    def reseed_rng(self) -> None:
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002  (Optuna's signature)
    ) -> dict[str, BaseDistribution]:
        self._require_one_objective(study)
        space = self._space.calculate(study)
        return {name: each for name, each in sorted(space.items()) if not each.single()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        self._require_one_objective(study)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _require_one_objective(self, study: Study) -> None:
        if len(study.directions) > 1:
            name = type(self).__name__
            raise ValueError(
                f"{name} searches for one objective, not {len(study.directions)}; choose an NSGA sampler"
            )


def sign(study: Study) -> float:
    """What to multiply values by so that less is better."""
    return 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
