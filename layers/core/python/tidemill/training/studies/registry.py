"""The studies of a project: their numbers, names, directions and attributes.

A study is the row `STUDY#<id>` of its project, and `STUDYNAME#<digest>` holds who has a name. Nothing is ever
removed from the table: a deleted study is marked, its name is free again, its id is not.
"""

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.exceptions import DuplicatedStudyError
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection

from tidemill import canonical, names
from tidemill.again import PATIENT_ATTEMPTS, until_undisturbed
from tidemill.errors import ConflictError
from tidemill.ports import Index, Put, Row, Update
from tidemill.training.studies import trial_rows
from tidemill.training.studies.texts import Texts
from tidemill.training.studies.trial_rows import SYSTEM, USER

_DISTRIBUTION = "d:"


class Registry:
    """The studies of a project. Everything but `create` raises KeyError if there is no such study."""

    def __init__(self, index: Index, texts: Texts, project: str) -> None:
        self._index, self._texts, self._project = index, texts, project
        self._pk = names.pk(project)
        self._distributions: dict[tuple[int, str], BaseDistribution] = {}

    def create(self, directions: Sequence[StudyDirection], name: str | None) -> int:
        """The id of a new study. Raises DuplicatedStudyError."""
        named = name if name is not None else f"{DEFAULT_STUDY_NAME_PREFIX}{secrets.token_hex(16)}"

        def attempt() -> int:
            holder = self._index.get(self._pk, _sk_name(named)) or {}
            if holder.get("study_id"):
                raise DuplicatedStudyError(f"project {self._project!r} has a study {named!r} already; load it")
            counter = self._index.get(self._pk, names.COUNTER_STUDIES) or {}
            number = int(counter.get("value", 0)) + 1
            row = {"name": named, "directions": [direction.name for direction in directions], "deleted": False}
            self._index.transact(
                [
                    Put(self._pk, names.COUNTER_STUDIES, {"value": number, "epoch": number}, if_epoch=number - 1),
                    self._holds(named, number, holder),
                    Put(self._pk, names.sk_study(number), {"study_id": number, **row}, if_absent=True),
                ]
            )
            return number

        return until_undisturbed(attempt, attempts=PATIENT_ATTEMPTS)

    def delete(self, study_id: int) -> None:
        """Mark a study as deleted, and free its name."""

        def attempt() -> None:
            row = self.row(study_id)
            holder = self._index.get(self._pk, _sk_name(row["name"])) or {}
            gone = Update(self._pk, names.sk_study(study_id), {"deleted": True}, {"deleted": False})
            self._index.transact([gone, self._holds(row["name"], 0, holder)])

        until_undisturbed(attempt, attempts=PATIENT_ATTEMPTS)

    def row(self, study_id: int) -> Row:
        """The row of a study."""
        row = self._index.get(self._pk, names.sk_study(study_id)) if study_id > 0 else None
        if row is None or row["deleted"]:
            raise KeyError(f"project {self._project!r} has no study {study_id}")
        return row

    def id_of(self, name: str) -> int:
        """The id of the study of that name."""
        holder = self._index.get(self._pk, _sk_name(name)) or {}
        if not holder.get("study_id"):
            raise KeyError(f"project {self._project!r} has no study {name!r}")
        return int(holder["study_id"])

    def all(self) -> list[FrozenStudy]:
        """All studies, by id."""
        rows = self._index.query(self._pk, names.STUDIES)
        return [self._frozen(row) for row in rows if not row["deleted"]]

    def set(self, study_id: int, name: str, value: Any) -> None:
        """Set an attribute; its name begins with its kind."""
        self._update(study_id, {name: self._texts.text(value)})

    def attributes(self, study_id: int, kind: str) -> dict[str, Any]:
        """The attributes of that kind."""
        return trial_rows.attributes(self.row(study_id), kind, self._texts)

    def require_compatible(self, study_id: int, name: str, distribution: BaseDistribution) -> None:
        """Raises ValueError if a parameter was drawn from another kind of distribution in this study. The first
        one is noted in the study's row, so that all workers hold theirs against the same."""
        known = self._distributions.get((study_id, name)) or self._noted(study_id, name)
        if known is None:
            note = {_DISTRIBUTION + name: distribution_to_json(distribution)}
            with contextlib.suppress(ConflictError):  # somebody else was first
                self._update(study_id, note, dict.fromkeys(note))
            known = self._noted(study_id, name) or distribution
        self._distributions[study_id, name] = known
        check_distribution_compatibility(known, distribution)

    def _noted(self, study_id: int, name: str) -> BaseDistribution | None:
        text = self.row(study_id).get(_DISTRIBUTION + name)
        return None if text is None else json_to_distribution(text)

    def _update(self, study_id: int, change: Mapping[str, Any], expected: Mapping[str, Any] | None = None) -> None:
        only = {"deleted": False, **(expected or {})}
        try:
            self._index.transact([Update(self._pk, names.sk_study(study_id), change, only)])
        except ConflictError:
            self.row(study_id)
            raise

    def _holds(self, name: str, study_id: int, holder: Mapping[str, Any]) -> Put:
        epoch = int(holder.get("epoch", 0))
        row = {"name": name, "study_id": study_id, "epoch": epoch + 1}
        return Put(self._pk, _sk_name(name), row, if_epoch=epoch)

    def _frozen(self, row: Row) -> FrozenStudy:
        return FrozenStudy(
            study_name=row["name"],
            direction=None,
            directions=directions_of(row),
            user_attrs=trial_rows.attributes(row, USER, self._texts),
            system_attrs=trial_rows.attributes(row, SYSTEM, self._texts),
            study_id=int(row["study_id"]),
        )


def directions_of(row: Row) -> list[StudyDirection]:
    """Whether each objective of a study is minimised or maximised."""
    return [StudyDirection[name] for name in row["directions"]]


def _sk_name(name: str) -> str:
    """A name may be longer than a key."""
    return names.sk_study_name(canonical.sha256(name.encode()))
