"""The rows of trials: what this process knows of them, and changes that no finished trial suffers."""

import threading

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from tidemill import names
from tidemill.again import PATIENT_ATTEMPTS, until_undisturbed
from tidemill.errors import ConflictError, RowTooLarge
from tidemill.ports import Index, Row, Update
from tidemill.training.studies import trial_rows
from tidemill.training.studies.texts import Texts
from tidemill.training.studies.trial_rows import NUMBER, PROOF, STATE, SYSTEM, USER


class TrialTable:
    """The trials of a project's studies, by id."""

    def __init__(self, index: Index, texts: Texts, project: str) -> None:
        self._index, self._texts, self._project = index, texts, project
        self._rows: dict[int, Row] = {}
        self._born: dict[int, Row] = {}
        self._lock = threading.RLock()

    def born(self, trial_id: int, row: Row) -> None:
        """Know the row of a trial that this process made."""
        with self._lock:
            self._rows[trial_id] = self._born[trial_id] = row

    def first_look(self, trial_id: int) -> Row:
        """The row as it is; of a trial that this process made, the first time and before any change, as it was
        made: Optuna reads each trial that it has just asked for. Raises KeyError."""
        with self._lock:
            made = self._born.pop(trial_id, None)
        return self.read(trial_id) if made is None else made

    def known(self, trial_id: int) -> Row:
        """The row as this process knows it."""
        with self._lock:
            known = self._rows.get(trial_id)
        return known if known is not None else self.read(trial_id)

    def read(self, trial_id: int) -> Row:
        """The row as it is. Raises KeyError."""
        study_id, number = trial_rows.place(trial_id)
        row = self._index.get(names.pk_study(self._project, study_id), trial_rows.sk(number))
        if row is None:
            raise KeyError(f"project {self._project!r} has no trial {trial_id}")
        with self._lock:
            self._rows[trial_id] = row
            self._born.pop(trial_id, None)
        return row

    def require_open(self, trial_id: int, row: Row) -> None:
        """Raises UpdateFinishedTrialError if the row is that of a finished trial."""
        if TrialState[row[STATE]].is_finished():
            raise UpdateFinishedTrialError(f"trial {row[NUMBER]} ({trial_id}) has finished and cannot be changed")

    def change(
        self, trial_id: int, change: Row, *, state: TrialState | None = None, beside: Update | None = None
    ) -> bool:
        """Change an unfinished trial, in the same write as what is `beside` it; with `state` only if it has that
        one: whether it had. Where its row has no room left, attributes go to the bucket. Raises KeyError,
        UpdateFinishedTrialError, RowTooLarge."""
        try:
            return self._changed(trial_id, change, state=state, beside=beside)
        except RowTooLarge:
            outside = {
                name: self._texts.text(self._texts.value(text), inline=0)
                if name.startswith((USER, SYSTEM))
                else text
                for name, text in change.items()
            }
            return self._changed(trial_id, outside, state=state, beside=beside)

    def _changed(
        self, trial_id: int, change: Row, *, state: TrialState | None = None, beside: Update | None = None
    ) -> bool:
        study_id, number = trial_rows.place(trial_id)
        pk, sk = names.pk_study(self._project, study_id), trial_rows.sk(number)
        proof = PROOF if STATE in change else None
        if proof is not None:
            change = {**change, PROOF: trial_rows.proof()}

        def attempt() -> bool:
            row = self.known(trial_id)
            self.require_open(trial_id, row)
            if state is not None and row[STATE] != state.name:
                row = self.read(trial_id)
                self.require_open(trial_id, row)
                if row[STATE] != state.name:
                    return False
            also = () if beside is None else (beside,)
            try:
                self._index.transact([Update(pk, sk, change, {STATE: row[STATE]}, proof), *also])
            except ConflictError:
                self.read(trial_id)
                raise
            with self._lock:
                self._rows[trial_id] = {**self._rows.get(trial_id, row), **change}
                self._born.pop(trial_id, None)
            return True

        return until_undisturbed(attempt, attempts=PATIENT_ATTEMPTS)
