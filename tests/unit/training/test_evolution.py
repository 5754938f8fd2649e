"""The CMA-ES sampler: Optuna's own test cases, what it finds, and that any worker goes on where another was."""

import pickle
from collections.abc import Callable

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from tidemill.training.samplers.evolution import CmaEsSampler

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SPACE = {"x": FloatDistribution(-5, 5), "y": FloatDistribution(1e-3, 1e3, log=True), "n": IntDistribution(0, 100)}


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestCmaEsSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    """All tests of optuna.testing that a sampler for one objective is to pass."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: CmaEsSampler(seed=3)


def loss(trial: optuna.Trial) -> float:
    x, y, n = trial.params["x"], trial.params["y"], trial.params["n"]
    return float((x - 2) ** 2 + abs(y - 10) / 10 + abs(n - 70) / 20)


def searched(sampler: Callable[[int], BaseSampler], trials: int, **options: bool) -> optuna.Study:
    """A study each of whose trials has a worker, with a sampler, of its own."""
    study = optuna.create_study(**options)
    for number in range(trials):
        study.sampler = sampler(number)
        trial = study.ask(SPACE)
        study.tell(trial, loss(trial) if not options else -loss(trial))
    return study


def test_it_finds_what_chance_does_not() -> None:
    ours = [searched(lambda _, s=s: CmaEsSampler(seed=s), 100).best_value for s in range(5)]
    chance = [searched(lambda n, s=s: RandomSampler(seed=1000 * s + n), 100).best_value for s in range(5)]
    assert sorted(ours)[2] < sorted(chance)[2] / 3


def test_workers_that_begin_afresh_draw_what_one_alone_would() -> None:
    one = CmaEsSampler(seed=5)
    alone = searched(lambda _: one, 40)
    afresh = searched(lambda _: CmaEsSampler(seed=5), 40)
    assert [t.params for t in alone.trials] == [t.params for t in afresh.trials]
    assert len({str(t.params) for t in alone.trials}) == 40


def test_maximising_is_minimising_the_opposite() -> None:
    down = searched(lambda _: CmaEsSampler(seed=5), 30)
    up = searched(lambda _: CmaEsSampler(seed=5), 30, direction="maximize")
    assert [t.params for t in down.trials] == [t.params for t in up.trials]


def test_nothing_of_the_optimizer_is_stored() -> None:
    study = searched(lambda _: CmaEsSampler(seed=5), 20)
    assert not any(trial.system_attrs for trial in study.trials)
    assert not study._storage.get_study_system_attrs(study._study_id)
    assert pickle.loads(pickle.dumps(CmaEsSampler(seed=5)))  # a sampler travels, its state does not


def test_the_order_that_counts_is_the_one_in_which_trials_ended() -> None:
    space = {"x": FloatDistribution(0, 1)}

    def drawn_after(order: list[int]) -> float:
        study = optuna.create_study(sampler=CmaEsSampler(seed=1, population=4, space=space))
        trials = [study.ask(space) for _ in range(6)]
        for number in order:
            study.tell(trials[number], trials[number].params["x"])
        return float(study.ask(space).params["x"])

    # The first four to end are a population; the other two wait for two more.
    assert drawn_after([0, 1, 2, 3, 4, 5]) == drawn_after([3, 2, 1, 0, 5, 4])
    assert drawn_after([0, 1, 2, 3, 4, 5]) != drawn_after([5, 4, 3, 2, 1, 0])


def test_categories_are_drawn_by_chance_and_a_converged_search_starts_again() -> None:
    study = optuna.create_study(sampler=CmaEsSampler(seed=2, population=4))
    for _ in range(300):
        trial = study.ask({"x": FloatDistribution(0, 1), "kind": CategoricalDistribution(("a", "b", "c"))})
        study.tell(trial, abs(trial.params["x"] - 0.25))
    assert {trial.params["kind"] for trial in study.trials} == {"a", "b", "c"}
    late = [trial.params["x"] for trial in study.trials[150:]]
    assert max(late) - min(late) > 0.3, "after it has converged it looks elsewhere"
    assert study.best_value < 1e-3
