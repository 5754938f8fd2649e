"""The policy gradient sampler: Optuna's own test cases, what it learns, and that any worker learns the same."""

from collections.abc import Callable

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

from tidemill.training.samplers.policy_gradient import (
    BINS,
    Parts,
    PolicyGradientSampler,
    advantages,
    learnt,
    softmax,
)

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SPACE = {
    "x": FloatDistribution(0, 1),
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "depth": IntDistribution(1, 30),
    "kind": CategoricalDistribution(("a", "b", "c")),
}


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestPolicyGradientSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """All tests of optuna.testing that a sampler for one objective is to pass."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: PolicyGradientSampler(seed=3)


def loss(trial: optuna.Trial) -> float:
    far = abs(trial.params["x"] - 0.3) + abs(np.log10(trial.params["rate"]) + 2) / 4
    return float(far + abs(trial.params["depth"] - 20) / 30 + (trial.params["kind"] != "b"))


def searched(sampler: BaseSampler, trials: int = 150) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    for _ in range(trials):
        trial = study.ask(SPACE)
        study.tell(trial, loss(trial))
    return study


def test_it_learns_where_the_good_values_are() -> None:
    """Among the last trials, against those of random search, in each of five searches."""
    for seed in range(5):
        learnt_, blind = (
            np.mean([t.value for t in searched(make).trials[-50:]])
            for make in (PolicyGradientSampler(seed=seed), optuna.samplers.RandomSampler(seed=seed))
        )
        assert learnt_ < 0.6 * blind


def test_any_worker_comes_to_the_same_policy() -> None:
    study = searched(PolicyGradientSampler(seed=1), 30)
    asked = []
    for _ in range(2):
        other = optuna.create_study(sampler=PolicyGradientSampler(seed=1))
        other.add_trials(study.trials)
        asked.append(other.ask(SPACE).params)
    assert asked[0] == asked[1]


def test_the_gradient_is_that_of_the_logarithm_of_the_policy() -> None:
    """d log softmax(l)[a] / dl = onehot(a) - softmax(l), by differences."""
    logits, action = np.array([0.3, -1.0, 0.5]), 2
    for place in range(3):
        step = np.eye(3)[place] * 1e-6
        numeric = (np.log(softmax(logits + step)[action]) - np.log(softmax(logits - step)[action])) / 2e-6
        assert (np.eye(3)[action] - softmax(logits))[place] == pytest.approx(numeric, rel=1e-6)
    parts = Parts("kind", SPACE["kind"])
    policy = learnt(parts, [1, 1, 0], np.array([0.0, 1.0, -1.0]), rate=0.5)
    first = 0.125 * (np.eye(3)[1] - 1 / 3)
    second = first - 0.125 * (np.eye(3)[0] - softmax(first))
    np.testing.assert_allclose(policy, softmax(second))


def test_the_advantage_is_a_rank_among_those_before() -> None:
    # Better than all, than half of all, than none; and the eleventh than nine of ten: half of the best fifth.
    values = [5.0, 3.0, 4.0, 9.0, np.inf, -np.inf, 10.0, 11.0, 12.0, 13.0, 0.0]
    gains = [0, 1.8, -0.2, -0.2, -0.2, 1.8, -0.2, -0.2, -0.2, -0.2, 2 * 0.5 - 0.2]
    assert advantages(np.array(values)).tolist() == pytest.approx(gains)
    # What it is rewarded for and what it is not weigh up over all ranks.
    even = np.random.default_rng(0).permutation(4000).astype(float)
    assert abs(advantages(even)[1000:].mean()) < 0.03


@pytest.mark.parametrize("name", ["x", "rate", "depth"])
def test_a_range_is_divided_evenly_and_neighbours_learn_a_little(name: str) -> None:
    parts, generator = Parts(name, SPACE[name]), np.random.default_rng(1)
    for part in range(BINS):
        found = parts.of(parts.value(part, generator))
        assert found == part if name != "depth" else abs(found - part) <= 1
    smeared = parts.smeared(3)
    assert smeared.sum() == pytest.approx(1)
    assert smeared[3] > smeared[2] == smeared[4] > smeared[5] > 0


def test_what_is_maximised_is_learnt_the_other_way() -> None:
    def params(direction: str, sign: float) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=PolicyGradientSampler(seed=2), direction=direction)
        for _ in range(20):
            trial = study.ask(SPACE)
            study.tell(trial, sign * loss(trial))
        return [trial.params for trial in study.trials]

    assert params("minimize", 1) == params("maximize", -1)
