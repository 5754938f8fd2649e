"""Search by reinforcement learning: a policy that draws parameters, and learns from what they gave.

REINFORCE with a baseline (Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist
Reinforcement Learning", Machine Learning 8, 1992), as Zoph and Le used it to search architectures (2017). The
space is divided: a number into BINS ranges, a category into its choices. The policy draws each parameter by
itself, from a softmax over its parts, and within a range evenly. A finished trial moves the policy along the
gradient of the logarithm of its probability, times its advantage. The reward is a utility of its rank, so that
scale and outliers of the objective do not matter, and only the best fifth has one (fitness shaping: Wierstra et
al., "Natural Evolution Strategies", JMLR 2014, section 3.1); the baseline is what a trial of any rank has on
average.

The policy is not stored: it follows from the finished trials in their order, so that any worker comes to the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from tidemill.training.samplers.single_objective import SingleObjectiveSampler, sign

Array = NDArray[np.float64]

BINS = 32
RATE = 6.0
OF_CATEGORIES = 0.25
"""The part of the rate by which choices are learnt: in a range, an action shares what it teaches with others."""
WIDTH = 1.5
LEAST_SHARE = 0.1
REWARDED = 0.2
"""The share of the trials, the best ones, whose rank has a utility."""


class PolicyGradientSampler(SingleObjectiveSampler):
    """`rate` is how far one trial moves the policy, `least_share` the share of draws that stay even, so that no
    part of the space is given up."""

    def __init__(
        self,
        *,
        rate: float = RATE,
        least_share: float = LEAST_SHARE,
        space: dict[str, BaseDistribution] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(seed, space)
        self._rate, self._least_share = rate, least_share

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        generator = np.random.default_rng([self._seed, trial.number])
        trials = study._get_trials(deepcopy=False, states=(TrialState.COMPLETE,), use_cache=True)
        done = [each for each in trials if search_space.keys() <= each.params.keys()]
        gains = advantages(sign(study) * np.array([each.value for each in done], dtype=np.float64))
        return {name: self._drawn(name, each, done, gains, generator) for name, each in search_space.items()}

    def _drawn(
        self,
        name: str,
        distribution: BaseDistribution,
        done: Sequence[FrozenTrial],
        gains: Array,
        generator: np.random.Generator,
    ) -> Any:
        parts = Parts(name, distribution)
        actions = [parts.of(each.params[name]) for each in done]
        shares = learnt(parts, actions, gains, rate=self._rate)
        even = np.full(parts.count, 1 / parts.count)
        mixed = (1 - self._least_share) * shares + self._least_share * even
        return parts.value(int(generator.choice(parts.count, p=mixed)), generator)


class Parts:
    """The parts of a parameter's range that the policy draws from."""

    def __init__(self, name: str, distribution: BaseDistribution) -> None:
        self._name, self._distribution = name, distribution
        self.ordered = not isinstance(distribution, CategoricalDistribution)
        self._transform = _SearchSpaceTransform({name: distribution}, transform_0_1=self.ordered)
        self.count = BINS if self.ordered else len(self._transform.bounds)
        self.rate = 1.0 if self.ordered else OF_CATEGORIES

    def of(self, value: Any) -> int:
        """The part that a value is in; of one out of range, the nearest."""
        if not self.ordered:
            return int(self._distribution.to_internal_repr(value))
        place = float(self._transform.transform({self._name: value})[0])
        return min(max(int(place * BINS), 0), BINS - 1)

    def value(self, part: int, generator: np.random.Generator) -> Any:
        """A value from that part."""
        if not self.ordered:
            return self._distribution.to_external_repr(part)
        place = (part + generator.random()) / BINS
        return self._transform.untransform(np.array([place]))[self._name]

    def smeared(self, part: int) -> Array:
        """What an action teaches: itself and, in a range, its neighbours a little. Adds up to one."""
        if not self.ordered:
            alone: Array = np.eye(self.count)[part]
            return alone
        near: Array = np.exp(-0.5 * ((np.arange(self.count) - part) / WIDTH) ** 2)
        return near / near.sum()


def advantages(values: Array) -> Array:
    """What each trial gave beyond the mean, by its rank among those before it: from 2 - REWARDED (better than all)
    down to -REWARDED (not among the best fifth). The first one teaches nothing."""
    gains = np.zeros(len(values))
    for number in range(1, len(values)):
        before = values[:number]
        worse = np.count_nonzero(before > values[number]) + 0.5 * np.count_nonzero(before == values[number])
        utility = max(0.0, worse / number - 1 + REWARDED) / REWARDED
        gains[number] = 2 * utility - REWARDED
    return gains


def learnt(parts: Parts, actions: Sequence[int], gains: Array, *, rate: float) -> Array:
    """The policy [parts.count] after these actions, in their order."""
    logits = np.zeros(parts.count)
    for action, gain in zip(actions, gains, strict=True):
        logits += rate * parts.rate * gain * (parts.smeared(action) - softmax(logits))
    return softmax(logits)


def softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max())
    return powers / powers.sum()
