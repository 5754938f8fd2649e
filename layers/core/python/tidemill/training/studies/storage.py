"""An Optuna storage over the project's table and bucket: what any worker, notebook or dashboard opens.

    study = optuna.load_study(study_name="…", storage=tidemill.Client().studies("flights"))

Each trial is a row in the partition of its study. Numbers are dense: a trial takes the first free one, and the
table lets one writer have it. A change asks within the same write that the trial is not finished, so that no
finished trial ever changes. What is finished is read once; others are read anew with every look.
"""

import contextlib
import copy
import threading
from collections.abc import Callable, Container, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tidemill import names
from tidemill.again import PATIENT_ATTEMPTS, Patient, until_undisturbed
from tidemill.errors import ConflictError
from tidemill.ports import Index, ObjectStore, Put, Row, Update
from tidemill.training.studies import trial_rows
from tidemill.training.studies.registry import Registry, directions_of
from tidemill.training.studies.texts import Texts
from tidemill.training.studies.trial_rows import BEAT, MORE_STEPS, NUMBER, PARAMETER, STATE, STEP, SYSTEM, USER
from tidemill.training.studies.trial_table import TrialTable

Ports = tuple[Index, ObjectStore]
DeadTrial = Callable[[Study, FrozenTrial], None]


class _Full(Exception):
    """The study has as many trials as it may have."""


def _now() -> datetime:
    return datetime.now(UTC)


class StudyStorage(BaseStorage, BaseHeartbeat):
    """The studies of `project`. `connect` gives table and bucket, and is called again in another process.

    With `heartbeat_seconds`, a running trial tells as often that it is alive, and counts as dead once it has not
    for `grace_seconds` (default: twice that); `on_dead_trial` is then called with it, once, after it was marked as
    failed (`optuna.storages.RetryFailedTrialCallback` tries it again)."""

    def __init__(
        self,
        connect: Callable[[], Ports],
        project: str,
        *,
        heartbeat_seconds: int | None = None,
        grace_seconds: int | None = None,
        on_dead_trial: DeadTrial | None = None,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._how = (connect, project, heartbeat_seconds, grace_seconds, on_dead_trial, clock)
        self._open()

    def _open(self) -> None:
        connect, self._project, self._heartbeat, self._grace, self._on_dead_trial, self._clock = self._how
        index, objects = connect()
        self._index = Patient(index)
        self._texts = Texts(objects, self._project)
        self._studies = Registry(self._index, self._texts, self._project)
        self._trials = TrialTable(self._index, self._texts, self._project)
        self._finished: dict[int, dict[int, FrozenTrial]] = {}
        self._unfinished: dict[int, int] = {}  # study → the first number that may still change
        self._next: dict[int, int] = {}  # study → the number that is probably free
        self._seen: set[int] = set()  # studies that were there
        self._lock = threading.RLock()

    def __getstate__(self) -> Any:
        return self._how

    def __setstate__(self, how: Any) -> None:
        self._how = how
        self._open()

    # --- studies

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._studies.create(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        self._studies.delete(study_id)
        with self._lock:
            self._seen.discard(study_id)
            self._finished.pop(study_id, None)
            self._unfinished.pop(study_id, None)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._studies.set(study_id, USER + key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._studies.set(study_id, SYSTEM + key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._studies.id_of(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return str(self._studies.row(study_id)["name"])

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return directions_of(self._studies.row(study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._studies.attributes(study_id, USER)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._studies.attributes(study_id, SYSTEM)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._studies.all()

    # --- trials

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        return self._created(study_id, lambda number: self._new(number, template_trial))

    def claim(self, study_id: int, template: Callable[[int], FrozenTrial], *, limit: int) -> int | None:
        """A new trial that is as the template for its number; None once there are `limit` trials, of however many
        workers. Raises KeyError."""

        def new(number: int) -> tuple[Row, dict[str, Row]]:
            if number >= limit:
                raise _Full
            return self._new(number, template(number))

        try:
            return self._created(study_id, new)
        except _Full:
            return None

    def _created(self, study_id: int, new: Callable[[int], tuple[Row, dict[str, Row]]]) -> int:
        pk = names.pk_study(self._project, study_id)
        self._require_study(study_id)

        def attempt() -> int:
            number = self._next.get(study_id)
            if number is None:
                number = self._next_number(study_id)
            row, later = new(number)
            row[trial_rows.PROOF] = trial_rows.proof()
            changes = [Put(pk, trial_rows.sk(number), row, if_absent=True, proof=trial_rows.PROOF)]
            identifier = trial_rows.trial_id(study_id, number)
            self._next.pop(study_id, None)  # known again once this one is taken
            self._index.transact([*changes, *(Put(pk, sk, steps) for sk, steps in later.items())])
            self._next[study_id] = number + 1
            self._trials.born(identifier, dict(row))
            return identifier

        return until_undisturbed(attempt, attempts=PATIENT_ATTEMPTS)

    def _new(self, number: int, template: FrozenTrial | None) -> tuple[Row, dict[str, Row]]:
        if template is None:
            row, later = trial_rows.opened(number, TrialState.RUNNING, self._clock()), dict[str, Row]()
        else:
            row, later = trial_rows.of(number, template, self._texts)
        if self._heartbeat and row[STATE] == TrialState.RUNNING.name:
            row[BEAT] = self._clock().timestamp()
        return row, later

    def _next_number(self, study_id: int) -> int:
        last = self._index.query(names.pk_study(self._project, study_id), names.TRIALS, newest_first=True, limit=1)
        return int(last[0][NUMBER]) + 1 if last else 0

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        row, (study_id, _) = self._trials.known(trial_id), trial_rows.place(trial_id)
        self._trials.require_open(trial_id, row)
        try:
            self._studies.require_compatible(study_id, param_name, distribution)
        except ValueError:
            self._trials.require_open(trial_id, self._trials.read(trial_id))  # that it is finished is told first
            raise
        order = sum(name.startswith(PARAMETER) for name in row)
        text = trial_rows.parameter(order, param_value_internal, distribution, self._texts)
        self._trials.change(trial_id, {PARAMETER + param_name: text})

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        now = self._clock().isoformat()
        change: Row = {STATE: state.name}
        if values is not None:
            change["values"] = trial_rows.values_text(values, self._texts)
        if state == TrialState.RUNNING:
            beat = {BEAT: self._clock().timestamp()} if self._heartbeat else {}
            return self._trials.change(trial_id, {**change, "start": now, **beat}, state=TrialState.WAITING)
        if state.is_finished():
            change["complete"] = now
        return self._trials.change(trial_id, change)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        change = {f"{STEP}{step}": self._texts.text(float(intermediate_value))}
        if trial_rows.is_in_row(step):
            self._trials.change(trial_id, change)
            return
        study_id, number = trial_rows.place(trial_id)
        pk, sk = names.pk_study(self._project, study_id), trial_rows.sk_steps(number, step)
        if self._index.get(pk, sk) is None:
            with contextlib.suppress(ConflictError):  # somebody else was first
                self._index.transact([Put(pk, sk, {NUMBER: number}, if_absent=True)])
        self._trials.change(trial_id, {MORE_STEPS: True}, beside=Update(pk, sk, change))

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._trials.change(trial_id, {USER + key: self._texts.text(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._trials.change(trial_id, {SYSTEM + key: self._texts.text(value)})

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        self._studies.row(study_id)
        identifier = trial_rows.trial_id(study_id, trial_number)
        self._trials.read(identifier)
        return identifier

    def get_trial_number_from_id(self, trial_id: int) -> int:
        return int(self._trials.known(trial_id)[NUMBER])

    def get_trial(self, trial_id: int) -> FrozenTrial:
        study_id, number = trial_rows.place(trial_id)
        with self._lock:
            known = self._finished.get(study_id, {}).get(number)
        if known is not None:
            return known
        row = self._trials.first_look(trial_id)
        later = []
        if row.get(MORE_STEPS):
            later = self._index.query(names.pk_study(self._project, study_id), trial_rows.sk(number) + "#")
        return trial_rows.frozen(study_id, row, later, self._texts)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._lock:
            trials = self._refreshed(study_id)
        wanted = [trial for trial in trials if states is None or trial.state in states]
        return copy.deepcopy(wanted) if deepcopy else wanted

    def _require_study(self, study_id: int) -> None:
        """Raises KeyError. Asked once: a study that another process deletes stays open here."""
        if study_id not in self._seen:
            self._studies.row(study_id)
            self._seen.add(study_id)

    def _refreshed(self, study_id: int) -> list[FrozenTrial]:
        """All trials by number; only those are read that may have changed since the last time."""
        self._require_study(study_id)
        finished, first = self._finished.setdefault(study_id, {}), self._unfinished.get(study_id, 0)
        pk = names.pk_study(self._project, study_id)
        rows: dict[int, list[Row]] = {}
        for row in self._index.query(pk, names.TRIALS, start=trial_rows.sk(first)):
            rows.setdefault(int(row[NUMBER]), []).append(row)
        found = {
            number: finished.get(number) or trial_rows.frozen(study_id, own, later, self._texts)
            for number, (own, *later) in rows.items()
        }
        trials = [finished[number] for number in range(first)] + list(found.values())
        finished |= {number: trial for number, trial in found.items() if trial.state.is_finished()}
        open_ones = (number for number in range(first, len(trials)) if number not in finished)
        self._unfinished[study_id] = next(open_ones, len(trials))
        return trials

    # --- heartbeats

    def record_heartbeat(self, trial_id: int) -> None:
        try:
            self._trials.change(trial_id, {BEAT: self._clock().timestamp()})
        except UpdateFinishedTrialError:
            return  # the last beat came after the end

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        if self._heartbeat is None:
            return []
        self._studies.row(study_id)
        with self._lock:
            first = self._unfinished.get(study_id, 0)
        rows = self._index.query(names.pk_study(self._project, study_id), names.TRIALS, start=trial_rows.sk(first))
        latest = self._clock().timestamp() - (self._grace or 2 * self._heartbeat)
        running = [row for row in rows if row.get(STATE) == TrialState.RUNNING.name]
        silent = [row for row in running if row.get(BEAT, latest) < latest]
        return [trial_rows.trial_id(study_id, int(row[NUMBER])) for row in silent]

    def get_heartbeat_interval(self) -> int | None:
        return self._heartbeat

    def get_heartbeat_stale_trial_callback(self) -> DeadTrial | None:
        return self._on_dead_trial
