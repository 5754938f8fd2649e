"""Bayesian optimisation with a Gaussian process, many workers at a time, without torch.

The first trials are a scrambled Sobol sequence. Then each ask fits a process (`surrogate`) to the completed
trials, imagines what the trials that still run may give (fantasies), and takes the point with the best acquisition
over both, so that ten workers that ask at the same time look at ten different places. While others run, every
third trial looks away from the best point: for improvement over the best value elsewhere. Workers that know little
of each other would else all refine the first good place, which may be the second best.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState
from scipy.optimize import minimize
from scipy.stats import qmc

from tidemill.training.samplers.acquisition import ACQUISITIONS, Acquisition
from tidemill.training.samplers.single_objective import SingleObjectiveSampler, sign
from tidemill.training.samplers.surrogate import Surrogate, fit

Array = NDArray[np.float64]

STARTUP = 10
FANTASIES = 16
CANDIDATES = 1024
NEIGHBOURS = 256
STARTS = 6
STEP = 1e-5
THOMPSON = "thompson"
ELSEWHERE = 3
AWAY = 0.2
"""How far from the best point elsewhere begins, in some coordinate of the unit cube. Found on Hartmann-6, with ten
workers and 100 trials: of ten searches five reached the least value without such trials, six with them; of
twenty, 13."""


class GaussianProcessSampler(SingleObjectiveSampler):
    """`acquisition`: ei (default), pi, ucb or thompson. The first `startup` trials are drawn evenly. The same
    study, seed and number of a trial give the same point."""

    def __init__(
        self,
        *,
        acquisition: str = "ei",
        startup: int = STARTUP,
        space: dict[str, BaseDistribution] | None = None,
        seed: int = 0,
    ) -> None:
        if acquisition not in (*ACQUISITIONS, THOMPSON):
            raise ValueError(f"acquisition {acquisition!r}: choose one of {', '.join([*ACQUISITIONS, THOMPSON])}")
        super().__init__(seed, space)
        self._acquisition, self._startup = acquisition, startup

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        generator = np.random.default_rng([self._seed, trial.number])
        space = _Space(search_space)
        trials = study._get_trials(deepcopy=False, use_cache=True)
        done = [t for t in trials if t.state == TrialState.COMPLETE and space.has(t)]
        if len(done) < self._startup:
            return space.params(_sobol(space.dimensions, trial.number, self._seed))
        values = _standardised(sign(study) * np.array([t.value for t in done], dtype=np.float64))
        known = fit(space.points(done), values, seed=self._seed)
        others = (t for t in trials if t.state == TrialState.RUNNING and t.number != trial.number)
        running = [t for t in others if space.has(t)]
        process = known.with_fantasies(space.points(running), FANTASIES, generator) if running else known
        leader = known.points[int(np.argmin(known.values[:, 0]))]
        within = _Within(leader, AWAY if running and trial.number % ELSEWHERE == 0 else 0.0)
        return space.params(self._best(process, known, space, within, generator))

    def _best(
        self,
        process: Surrogate,
        known: Surrogate,
        space: "_Space",
        within: "_Within",
        generator: np.random.Generator,
    ) -> Array:
        tried = within.of(known.points)
        candidates = _candidates(known.points[tried], known.values[tried, 0], space, generator)
        candidates = candidates[within.of(candidates)]
        if self._acquisition == THOMPSON:
            drawn = process.draws(candidates[: CANDIDATES // 2], 1, generator)[:, 0]
            found: Array = candidates[int(np.argmin(drawn))]
            return found
        asked = ACQUISITIONS[self._acquisition]
        best = process.values[within.of(process.points)].min(axis=0)
        scores = _scores(asked, process, best, candidates)
        order = np.argsort(-scores)
        starts = candidates[_apart(order, candidates)]
        ends = [_climbed(asked, process, best, start, space) for start in starts]
        choice = space.snapped(np.vstack([candidates[order[:1]], *ends]))
        choice = choice[within.of(choice)]
        fresh = choice[~_taken(choice, process.points)]
        choice = fresh if len(fresh) else candidates[order]
        return np.asarray(choice[int(np.argmax(_scores(asked, process, best, choice)))])


class _Within:
    """The part of the unit cube that is further than `away` from a point, in some coordinate; all of it for 0."""

    def __init__(self, point: Array, away: float) -> None:
        self._point, self._away = point, away

    def of(self, points: Array) -> NDArray[np.bool_]:
        """Which of the points are in it; all, if none is."""
        far: NDArray[np.bool_] = np.abs(points - self._point).max(axis=1) > self._away
        return far if self._away and far.any() else np.ones(len(points), dtype=np.bool_)


class _Space:
    """A search space as a part of the unit cube: logarithms, steps and categories (one-hot) become coordinates."""

    def __init__(self, distributions: dict[str, BaseDistribution]) -> None:
        self.distributions = distributions
        self._transform = _SearchSpaceTransform(distributions, transform_0_1=True)
        self.dimensions = len(self._transform.bounds)
        self.smooth = all(
            not isinstance(each, CategoricalDistribution) and getattr(each, "step", None) is None
            for each in distributions.values()
        )

    def has(self, trial: FrozenTrial) -> bool:
        """Whether a trial has a value for all parameters, within their ranges."""
        return all(
            name in trial.params and each._contains(each.to_internal_repr(trial.params[name]))
            for name, each in self.distributions.items()
        )

    def points(self, trials: Sequence[FrozenTrial]) -> Array:
        """[n, d]"""
        return np.array(
            [self._transform.transform({name: t.params[name] for name in self.distributions}) for t in trials]
        )

    def params(self, point: Array) -> dict[str, Any]:
        return self._transform.untransform(np.clip(point, 0, 1))

    def snapped(self, points: Array) -> Array:
        """The points that are really tried for these."""
        return points if self.smooth else np.array([self._transform.transform(self.params(p)) for p in points])


def _sobol(dimensions: int, number: int, seed: int) -> Array:
    """The `number`-th point of a scrambled Sobol sequence."""
    sequence = qmc.Sobol(dimensions, rng=np.random.default_rng(seed))
    return np.asarray((sequence.fast_forward(number) if number else sequence).random(1)[0])


def _standardised(values: Array) -> Array:
    """To mean 0 and deviation 1; what is infinite or far worse than the rest counts as the worst of the rest."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros_like(values)
    middle, high = np.median(finite), np.quantile(finite, 0.75)
    limit = high + 5 * max(high - middle, 1e-12 + abs(middle) * 1e-9)
    clipped = np.clip(np.nan_to_num(values, nan=limit, posinf=limit, neginf=finite.min()), None, limit)
    deviation = clipped.std()
    return (clipped - clipped.mean()) / (deviation if deviation > 0 else 1.0)


def _candidates(points: Array, values: Array, space: _Space, generator: np.random.Generator) -> Array:
    """Points all over, and around the best of the points tried."""
    everywhere = qmc.Sobol(space.dimensions, rng=generator).random(CANDIDATES)
    leaders = points[np.argsort(values)[:4]]
    spread = 10.0 ** generator.uniform(-3, -0.7, (NEIGHBOURS, 1))
    around = leaders[generator.integers(len(leaders), size=NEIGHBOURS)]
    moved = generator.random((NEIGHBOURS, space.dimensions)) < max(0.3, 2 / space.dimensions)
    near = np.clip(around + moved * spread * generator.standard_normal((NEIGHBOURS, space.dimensions)), 0, 1)
    return space.snapped(np.vstack([near, everywhere]))


def _scores(asked: Acquisition, process: Surrogate, best: Array, points: Array) -> Array:
    mean, deviation = process.posterior(points)
    return asked(mean, deviation, best)


def _apart(order: NDArray[np.intp], candidates: Array) -> list[int]:
    """The best candidates, none close to a better one."""
    chosen: list[int] = []
    for place in order[:200]:
        gaps = [float(np.abs(candidates[place] - candidates[other]).max()) for other in chosen]
        if not gaps or min(gaps) > 0.02:
            chosen.append(int(place))
        if len(chosen) == STARTS:
            break
    return chosen


def _climbed(asked: Acquisition, process: Surrogate, best: Array, start: Array, space: _Space) -> Array:
    """The local maximum of the acquisition uphill of a point."""
    steps = STEP * np.eye(space.dimensions)

    def downhill(point: Array) -> tuple[float, Array]:
        inward = np.where(point + STEP > 1, -1.0, 1.0)
        scores = _scores(asked, process, best, np.vstack([point, point + steps * inward]))
        return -float(scores[0]), -(scores[1:] - scores[0]) / (STEP * inward)

    bounds = [(0.0, 1.0)] * space.dimensions
    found = minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(found.x)


def _taken(points: Array, others: Array) -> NDArray[np.bool_]:
    """Which of the points have been tried, or are being tried."""
    near = np.abs(points[:, None] - others[None]).max(axis=2).min(axis=1) < 1e-9
    return np.asarray(near)
