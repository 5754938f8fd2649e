"""The Optuna storage beyond Optuna's own test case: many workers, dead trials, kills, large values, pickles."""

import itertools
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tidemill import Client, again, names
from tidemill.adapters.memory import MemoryIndex, MemoryObjects
from tidemill.errors import RowTooLarge, StoreBusy
from tidemill.training.studies import trial_rows
from tidemill.training.studies.storage import StudyStorage
from tidemill.training.studies.texts import INLINE

MINIMIZE = [StudyDirection.MINIMIZE]
WORKERS, EACH = 32, 10


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "LONGEST_SECONDS", 0.001)
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def ports() -> tuple[MemoryIndex, MemoryObjects]:
    return MemoryIndex(), MemoryObjects()


@pytest.fixture
def opened(ports: Any) -> Callable[..., StudyStorage]:
    """Opens the storage as one more process does."""
    return lambda **how: StudyStorage(lambda: ports, "tides", **how)


def objective(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", -1, 1) ** 2 + trial.suggest_int("n", 1, 9, log=True)


def test_writers_of_one_trial_lose_nothing_of_each_other(opened: Any) -> None:
    storage = opened()
    trial = storage.create_new_trial(storage.create_new_study(MINIMIZE))

    def write(number: int) -> None:
        mine = opened()
        mine.set_trial_user_attr(trial, f"u{number}", number)
        mine.set_trial_intermediate_value(trial, number, number / 2)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(write, range(WORKERS)))
    found = opened().get_trial(trial)
    assert found.user_attrs == {f"u{number}": number for number in range(WORKERS)}
    assert found.intermediate_values == {number: number / 2 for number in range(WORKERS)}


def test_one_worker_gets_a_waiting_trial(opened: Any) -> None:
    study = optuna.create_study(storage=opened())
    study.enqueue_trial({"x": 0.5})
    (waiting,) = study.get_trials(states=(TrialState.WAITING,))

    def take(_: int) -> bool:
        return bool(opened().set_trial_state_values(waiting._trial_id, TrialState.RUNNING))

    with ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(take, range(WORKERS))) == 1


def test_what_others_finish_is_seen_and_read_once(
    opened: Any, ports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = opened(), opened()
    study = mine.create_new_study(MINIMIZE)
    trials = [other.create_new_trial(study) for _ in range(4)]
    assert [t.state for t in mine.get_all_trials(study)] == [TrialState.RUNNING] * 4
    for trial in (trials[0], trials[1], trials[3]):
        other.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
    states = [t.state.name for t in mine.get_all_trials(study)]
    assert states == ["COMPLETE", "COMPLETE", "RUNNING", "COMPLETE"]
    asked: list[str] = []
    query = MemoryIndex.query
    monkeypatch.setattr(
        ports[0],
        "query",
        lambda pk, prefix, **how: asked.append(how.get("start", "")) or query(ports[0], pk, prefix, **how),
    )
    mine.get_all_trials(study)
    assert asked == [trial_rows.sk(2)]


def test_a_parameter_keeps_its_kind_whoever_draws_it_first(opened: Any) -> None:
    one, two = opened(), opened()
    study = one.create_new_study(MINIMIZE)
    first, second = one.create_new_trial(study), two.create_new_trial(study)
    one.set_trial_param(first, "x", 1, CategoricalDistribution(("a", "b")))
    with pytest.raises(ValueError, match="distribution"):
        two.set_trial_param(second, "x", 1.0, FloatDistribution(0, 2))
    two.set_trial_param(second, "y", 1.0, FloatDistribution(0, 2))
    two.set_trial_param(first, "y", 1.0, FloatDistribution(0, 9))
    assert list(one.get_trial(first).params) == ["x", "y"]


# --- heartbeats


class Clock:
    now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_trial_that_falls_silent_is_marked_and_tried_again(opened: Any) -> None:
    clock = Clock()
    how = {"heartbeat_seconds": 10, "grace_seconds": 30, "clock": clock}
    retry = optuna.storages.RetryFailedTrialCallback(max_retry=1)
    storage = opened(**how, on_dead_trial=retry)
    study = optuna.create_study(storage=storage)
    dead, alive = study.ask(), study.ask()
    dead.suggest_float("x", 0, 1)
    clock.now += timedelta(seconds=31)
    opened(**how).record_heartbeat(alive._trial_id)
    optuna.storages.fail_stale_trials(study)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "RUNNING", "WAITING"]
    again_ = study.ask()
    assert (again_.number, again_.params) == (2, dead.params)
    optuna.storages.fail_stale_trials(study)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "RUNNING", "RUNNING"]


def test_a_heartbeat_after_the_end_changes_nothing(opened: Any) -> None:
    storage = opened(heartbeat_seconds=1)
    trial = storage.create_new_trial(storage.create_new_study(MINIMIZE))
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
    before = storage.get_trial(trial)
    storage.record_heartbeat(trial)
    assert opened().get_trial(trial) == before


def test_without_heartbeats_no_trial_is_dead(opened: Any) -> None:
    study = optuna.create_study(storage=opened())
    study.ask()
    optuna.storages.fail_stale_trials(study)
    assert opened(heartbeat_seconds=1)._get_stale_trial_ids(study._study_id) == []


# --- large values


def test_large_values_lie_in_the_bucket_once(opened: Any, ports: Any) -> None:
    storage, large = opened(), {"population": ["x" * 100] * 5_000}
    study = storage.create_new_study(MINIMIZE)
    trial = storage.create_new_trial(study)
    for name in ("a", "b"):
        storage.set_trial_system_attr(trial, name, large)
    storage.set_study_system_attr(study, "a", large)
    assert opened().get_trial(trial).system_attrs == {"a": large, "b": large}
    assert opened().get_study_system_attrs(study) == {"a": large}
    assert len(list(ports[1].keys("studies/tides/"))) == 1
    assert max(len(str(row)) for row in ports[0].rows.values()) < INLINE


def test_what_a_worker_reads_of_a_large_value_is_its_own(opened: Any) -> None:
    storage = opened()
    study = storage.create_new_study(MINIMIZE)
    storage.set_study_user_attr(study, "a", ["x" * INLINE])
    storage.get_study_user_attrs(study)["a"].append("y")
    assert storage.get_study_user_attrs(study) == {"a": ["x" * INLINE]}


def test_a_row_without_room_keeps_further_values_in_the_bucket(opened: Any, ports: Any) -> None:
    index = ports[0]
    transact = index.transact

    def with_little_room(changes: Any) -> None:
        for change in changes:
            row = getattr(change, "row", None) or {**(index.get(change.pk, change.sk) or {}), **change.set}
            if len(str(row)) > 1_000:
                raise RowTooLarge("full")
        transact(changes)

    index.transact = with_little_room
    storage = opened()
    trial = storage.create_new_trial(storage.create_new_study(MINIMIZE))
    values = {f"n{number}": "x" * 200 for number in range(5)}
    for name, value in values.items():
        storage.set_trial_user_attr(trial, name, value)
    assert opened().get_trial(trial).user_attrs == values
    with pytest.raises(RowTooLarge):
        for step in range(100):
            storage.set_trial_intermediate_value(trial, step, 0.5)


def test_late_steps_have_rows_of_their_own(opened: Any, ports: Any) -> None:
    storage = opened()
    study = storage.create_new_study(MINIMIZE)
    trial = storage.create_new_trial(study)
    steps = [-1, -5_000, 0, 999, 1_000, 1_001, 12_345_678]
    for step in steps:
        storage.set_trial_intermediate_value(trial, step, step / 2)
    other = storage.create_new_trial(study)
    storage.set_trial_intermediate_value(other, 5_000, 1.0)
    storage.set_trial_intermediate_value(trial, 1_000, 7.0)
    expected = {step: step / 2 for step in sorted(steps)} | {1_000: 7.0}
    assert opened().get_trial(trial).intermediate_values == expected
    assert [t.intermediate_values for t in opened().get_all_trials(study)] == [expected, {5_000: 1.0}]
    copied = storage.create_new_trial(study, opened().get_trial(trial))
    assert (copied, opened().get_trial(copied).intermediate_values) == (other + 1, expected)
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_intermediate_value(trial, 5_001, 1.0)
    assert opened().get_trial(trial).intermediate_values == expected


# --- faults


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", range(1, 40))
def test_a_worker_killed_between_any_two_calls_leaves_a_study_that_goes_on(ports: Any, at: int) -> None:
    """Whatever it was doing: numbers stay dense, no finished trial changes, and the next worker completes more."""
    index, objects = ports
    calls = 0

    class Mortal:
        def __getattr__(self, name: str) -> Any:
            def call(*arguments: Any, **how: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == at:
                    raise Killed
                return getattr(index, name)(*arguments, **how)

            return call

    try:
        worker = optuna.create_study(
            storage=StudyStorage(lambda: (Mortal(), objects), "tides"), study_name="s", load_if_exists=True,  # type: ignore[arg-type, return-value]
            sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=1),
        )  # fmt: skip
        worker.optimize(objective, n_trials=2)
    except (Killed, UnboundLocalError):  # the latter: how Optuna's `tell` takes the former
        pass
    before = {
        t.number: t for s in [StudyStorage(lambda: ports, "tides")] for t in _trials(s) if t.state.is_finished()
    }
    study = optuna.create_study(
        storage=StudyStorage(lambda: ports, "tides"), study_name="s", load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=2, n_startup_trials=1),
    )  # fmt: skip
    study.optimize(objective, n_trials=2)
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    assert all(study.trials[number] == trial for number, trial in before.items())
    assert sum(trial.state == TrialState.COMPLETE for trial in study.trials) == len(before) + 2


def _trials(storage: StudyStorage) -> list[optuna.trial.FrozenTrial]:
    return [trial for study in storage.get_all_studies() for trial in storage.get_all_trials(study._study_id)]


def test_a_busy_table_is_asked_again(opened: Any, ports: Any) -> None:
    index, busy = ports[0], itertools.cycle([True, True, False])

    def busy_at_times(do: Any) -> Any:
        def sometimes(*arguments: Any, **how: Any) -> Any:
            if next(busy):
                raise StoreBusy("later")
            return do(*arguments, **how)

        return sometimes

    for name in ("get", "query", "transact"):
        setattr(index, name, busy_at_times(getattr(index, name)))
    study = optuna.create_study(storage=opened(), study_name="s")
    study.optimize(objective, n_trials=3)
    assert len(opened().get_all_trials(study._study_id)) == 3


def test_a_table_that_stays_busy_ends_in_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(again, "LONGEST_SECONDS", 0.25)
    monkeypatch.setattr(again.time, "sleep", waited.append)
    index = MemoryIndex()

    def never(*_: Any) -> Any:
        raise StoreBusy("later")

    monkeypatch.setattr(index, "get", never)
    with pytest.raises(StoreBusy):
        again.Patient(index).get("pk", "sk")
    assert len(waited) == again.PATIENT_ATTEMPTS - 1
    assert max(waited) <= 0.25


def test_a_deleted_study_frees_its_name_and_nothing_else(opened: Any) -> None:
    storage = opened()
    first = storage.create_new_study(MINIMIZE, "s")
    storage.create_new_trial(first)
    storage.delete_study(first)
    second = storage.create_new_study(MINIMIZE, "s")
    assert (second, storage.get_all_trials(second), opened().get_study_id_from_name("s")) == (
        first + 1,
        [],
        second,
    )
    with pytest.raises(KeyError):
        opened().get_all_trials(first)


def test_projects_do_not_see_each_other(ports: Any) -> None:
    tides, river = (StudyStorage(lambda: ports, name) for name in ("tides", "river"))
    tides.create_new_study(MINIMIZE, "s")
    assert river.get_all_studies() == []
    river.create_new_study(MINIMIZE, "s")
    assert len(river.get_all_studies()) == len(tides.get_all_studies()) == 1


def test_a_seeded_sampler_draws_the_same_as_in_memory(opened: Any) -> None:
    def drawn(storage: Any) -> list[Any]:
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.TPESampler(seed=7))
        study.optimize(objective, n_trials=25)
        return [(trial.params, trial.value) for trial in study.trials]

    assert drawn(opened()) == drawn(None)


def test_the_client_opens_it_by_stage(opened: Any, ports: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client("dev", index=ports[0], objects=ports[1])
    study = optuna.create_study(storage=opened(), study_name="run-1")
    study.optimize(objective, n_trials=2)
    assert len(optuna.load_study(storage=client.studies("tides"), study_name="run-1").trials) == 2
    monkeypatch.setattr(Client, "_parameter", lambda _, thing: f"the {thing}")
    client = Client("local", endpoint="http://127.0.0.1:9")
    assert client.index.table == "the table"  # it has a session of its own by now
    here = client.studies("tides", heartbeat_seconds=5)
    there = pickle.loads(pickle.dumps(here))
    assert there._index._index.table == "the table"
    assert there.get_heartbeat_interval() == 5


def test_keys_sort_as_numbers(ports: Any) -> None:
    assert trial_rows.sk(9) < trial_rows.sk(10) < trial_rows.sk_steps(10, 1_000) < trial_rows.sk(11)
    assert trial_rows.place(trial_rows.trial_id(3, 12)) == (3, 12)
    with pytest.raises(OverflowError, match="begin another one"):
        trial_rows.trial_id(1, trial_rows.TRIALS_OF_A_STUDY)
    assert names.pk_study("tides", 3) == "STUDY#tides#0000003"
