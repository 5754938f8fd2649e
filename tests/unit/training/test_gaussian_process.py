"""The Gaussian process sampler: Optuna's own test cases, the formulas against references, many workers at once."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)
from scipy import integrate, stats
from sklearn.gaussian_process import GaussianProcessRegressor

from tidemill.training.samplers import surrogate
from tidemill.training.samplers.acquisition import (
    confidence_bound,
    log_expected_improvement,
    log_h,
    log_probability_of_improvement,
)
from tidemill.training.samplers.gaussian_process import GaussianProcessSampler

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SQUARE = {name: FloatDistribution(0, 1) for name in "xy"}


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestGaussianProcessSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """All tests of optuna.testing that a sampler for one objective is to pass."""

    @pytest.fixture(params=["ei", "thompson"])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: GaussianProcessSampler(acquisition=request.param, startup=2, seed=3)


def branin(x: float, y: float) -> float:
    """Branin's function on the unit square; its least value is 0.397887 (Dixon and Szegő 1978)."""
    a, b = 15 * x - 5, 15 * y
    return (
        (b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2
        + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a)
        + 10
    )


def searched(
    trials: int, *, at_once: int = 1, sign: float = 1, sampler: BaseSampler | None = None
) -> optuna.Study:
    direction = "minimize" if sign > 0 else "maximize"
    study = optuna.create_study(sampler=sampler or GaussianProcessSampler(seed=1), direction=direction)
    running: list[optuna.Trial] = []
    for _ in range(trials):
        while len(running) < at_once:
            running.append(study.ask(SQUARE))
        trial = running.pop(0)
        study.tell(trial, sign * branin(**trial.params))
    return study


@pytest.mark.parametrize("acquisition", ["ei", "pi", "ucb", "thompson"])
def test_it_finds_the_least_of_branins_function(acquisition: str) -> None:
    study = searched(40, sampler=GaussianProcessSampler(acquisition=acquisition, seed=1))
    assert study.best_value < (0.41 if acquisition == "ei" else 0.6)
    assert searched(40, sampler=optuna.samplers.RandomSampler(seed=1)).best_value > 0.6


def test_ten_workers_at_a_time_find_it_too_and_look_at_different_places() -> None:
    study = searched(50, at_once=10)
    assert study.best_value < 0.45
    points = np.array([[t.params["x"], t.params["y"]] for t in study.trials if t.params])
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(len(points), 1)]
    assert gaps.min() > 1e-6


def test_what_is_maximised_is_searched_as_what_is_minimised() -> None:
    down, up = searched(16), searched(16, sign=-1)
    assert [t.params for t in down.trials] == [t.params for t in up.trials]


def test_the_same_study_gives_the_same_point_to_any_worker() -> None:
    study = searched(14)
    asked = []
    for _ in range(2):
        other = optuna.create_study(sampler=GaussianProcessSampler(seed=1))
        other.add_trials(study.trials)
        asked.append(other.ask(SQUARE).params)
    assert asked[0] == asked[1]


def test_failures_and_infinities_do_not_stop_it() -> None:
    study = optuna.create_study(sampler=GaussianProcessSampler(startup=3, seed=2))
    for number in range(15):
        trial = study.ask(SQUARE)
        value = [branin(**trial.params), math.inf, None, -math.inf][number % 4 if number < 12 else 0]
        study.tell(trial, value, state=None if value is not None else optuna.trial.TrialState.FAIL)
    assert len(study.trials) == 15
    equal = optuna.create_study(sampler=GaussianProcessSampler(startup=2, seed=2))
    equal.optimize(lambda trial: 0.0 * trial.suggest_float("x", 0, 1), n_trials=6)
    assert len({trial.params["x"] for trial in equal.trials}) == 6


def test_steps_logarithms_and_categories_are_kept() -> None:
    space = {
        "depth": IntDistribution(1, 9, step=2),
        "rate": FloatDistribution(1e-4, 1.0, log=True),
        "kind": CategoricalDistribution(("a", "b", None)),
        "one": FloatDistribution(2, 2),
    }
    study = optuna.create_study(sampler=GaussianProcessSampler(startup=4, seed=5))
    for _ in range(20):
        trial = study.ask(space)
        depth, rate, kind = trial.params["depth"], trial.params["rate"], trial.params["kind"]
        study.tell(trial, (depth - 7) ** 2 + math.log10(rate) ** 2 + (kind != "b"))
    assert all(trial.params["depth"] in (1, 3, 5, 7, 9) and trial.params["one"] == 2 for trial in study.trials)
    assert (study.best_params["depth"], study.best_params["kind"]) == (7, "b")


def test_an_unknown_acquisition_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="choose one of ei, pi, ucb, thompson"):
        GaussianProcessSampler(acquisition="nope")


# --- the formulas


@pytest.fixture
def process() -> surrogate.Surrogate:
    generator = np.random.default_rng(1)
    points = generator.random((12, 3))
    values = np.sin(4 * points[:, 0]) + points[:, 1]
    return surrogate.fit(points, (values - values.mean()) / values.std(), seed=1)


def test_the_posterior_is_scikit_learns(process: surrogate.Surrogate) -> None:
    reference = GaussianProcessRegressor(process.kernel, alpha=process.noise + surrogate.JITTER, optimizer=None)
    reference.fit(process.points, process.values[:, 0])
    asked = np.random.default_rng(2).random((50, 3))
    mean, deviation = process.posterior(asked)
    expected, spread = reference.predict(asked, return_std=True)
    np.testing.assert_allclose(mean[:, 0], expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(deviation, spread, rtol=1e-5, atol=1e-7)


def test_fantasies_average_to_what_is_known_and_leave_no_doubt_where_they_are(
    process: surrogate.Surrogate,
) -> None:
    generator = np.random.default_rng(3)
    pending, asked = generator.random((3, 3)), generator.random((20, 3))
    imagined = process.with_fantasies(pending, 20_000, generator)
    mean, deviation = process.posterior(asked)
    imagined_mean, imagined_deviation = imagined.posterior(asked)
    np.testing.assert_allclose(imagined_mean.mean(axis=1), mean[:, 0], atol=0.02)
    assert (imagined_deviation <= deviation + 1e-9).all()
    assert imagined.posterior(pending)[1].max() < process.posterior(pending)[1].min()


def test_the_prior_is_part_of_what_is_maximised(process: surrogate.Surrogate) -> None:
    theta = np.append(process.kernel.theta, -9.0)
    full = surrogate._Probable(process.kernel + surrogate.WhiteKernel(1e-4), optimizer=None)
    full.fit(process.points, process.values[:, 0])
    value, gradient = full.log_marginal_likelihood(theta, eval_gradient=True)
    location, spread = surrogate._priors(3)
    prior = stats.norm(location, spread).logpdf(theta) - stats.norm(location, spread).logpdf(location)
    plain = GaussianProcessRegressor(full.kernel, optimizer=None).fit(process.points, process.values[:, 0])
    assert value == pytest.approx(plain.log_marginal_likelihood(theta) + prior.sum(), rel=1e-9)
    for place in range(len(theta)):
        step = np.eye(len(theta))[place] * 1e-5
        numeric = (full.log_marginal_likelihood(theta + step) - full.log_marginal_likelihood(theta - step)) / 2e-5
        assert gradient[place] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("z", [-1e8, -1e5, -50.0, -10.0, -3.0, -1.0, -0.5, 0.0, 1.0, 5.0])
def test_log_h_is_exact_far_below_zero(z: float) -> None:
    """Against mpmath at 60 digits; h(z) = phi(z) + z Phi(z)."""
    import mpmath

    mpmath.mp.dps = 60
    exact = mpmath.log(mpmath.npdf(z) + mpmath.mpf(z) * mpmath.ncdf(z)) if z > -40 else None
    if exact is None:  # its asymptotic series, whose terms fall by z^-2
        phi = -(mpmath.mpf(z) ** 2) / 2 - mpmath.log(2 * mpmath.pi) / 2
        exact = phi - 2 * mpmath.log(-mpmath.mpf(z)) + mpmath.log(1 - 3 / mpmath.mpf(z) ** 2)
    assert log_h(np.array([z]))[0] == pytest.approx(float(exact), rel=1e-6, abs=1e-9)


def test_the_acquisitions_are_their_integrals() -> None:
    mean, deviation, best = np.array([[0.3, -0.2]]), np.array([0.7]), np.array([0.1, 0.4])

    def expected(gain: Callable[[float, float], float]) -> float:
        each: list[Any] = [
            integrate.quad(lambda y, m=m, b=b: gain(y, b) * stats.norm(m, 0.7).pdf(y), -6, b, limit=200)[0]
            for m, b in zip(mean[0], best, strict=True)
        ]
        return float(np.mean(each))

    improvement = math.exp(log_expected_improvement(mean, deviation, best)[0])
    assert improvement == pytest.approx(expected(lambda y, b: b - y), rel=1e-6)
    chance = math.exp(log_probability_of_improvement(mean, deviation, best + 0.01)[0])
    assert chance == pytest.approx(expected(lambda _, __: 1.0), rel=1e-6)
    assert confidence_bound(mean, deviation, best)[0] == pytest.approx(2 * 0.7 - 0.05)
