"""Optuna's own test case for storages, and many workers at once, over every adapter of table and bucket."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import optuna
import pytest
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState

from tidemill.ports import Index, ObjectStore
from tidemill.training.studies.storage import Ports, StudyStorage

OPEN: dict[str, Ports] = {}
WORKERS, EACH = 32, 10


@dataclass(frozen=True)
class Connect:
    """Gives the ports of a test again, also after it was pickled."""

    token: str

    def __call__(self) -> Ports:
        return OPEN[self.token]


@pytest.fixture
def storage(index: Index, objects: ObjectStore) -> Iterator[StudyStorage]:
    token = uuid.uuid4().hex
    OPEN[token] = (index, objects)
    yield StudyStorage(Connect(token), "tides")
    del OPEN[token]


class TestStudyStorage(StorageTestCase):
    """All tests of optuna.testing."""


@pytest.mark.usefixtures("one_call_at_a_time")
def test_many_workers_lose_nothing(index: Index, objects: ObjectStore) -> None:
    """Each worker opens the storage by itself, as a process of its own does."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def opened() -> StudyStorage:
        return StudyStorage(lambda: (index, objects), "tides")

    optuna.create_study(storage=opened(), study_name="storm")

    def work(number: int) -> list[int]:
        sampler = optuna.samplers.RandomSampler(seed=number)
        study = optuna.load_study(storage=opened(), study_name="storm", sampler=sampler)
        done = []
        for _ in range(EACH):
            trial = study.ask()
            trial.set_user_attr("worker", number)
            value = trial.suggest_float("x", -1, 1) ** 2 + trial.suggest_int("n", 1, 9, log=True)
            study.tell(trial, value)
            done.append(trial.number)
        return done

    with ThreadPoolExecutor(WORKERS) as pool:
        numbers = [number for done in pool.map(work, range(WORKERS)) for number in done]
    assert sorted(numbers) == list(range(WORKERS * EACH))
    trials = optuna.load_study(storage=opened(), study_name="storm").trials
    assert [trial.number for trial in trials] == list(range(WORKERS * EACH))
    assert all(trial.state == TrialState.COMPLETE and len(trial.params) == 2 for trial in trials)
    workers = [trial.user_attrs["worker"] for trial in trials]
    assert {number: workers.count(number) for number in range(WORKERS)} == dict.fromkeys(range(WORKERS), EACH)
