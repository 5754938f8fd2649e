"""A trial as a row, and back.

Parameters, attributes and steps are attributes of their own (`p:depth`, `u:note`, `s:cma:1`, `i:3`), so that two
writers of one trial lose nothing of each other. Steps from STEPS_IN_ROW on lie in rows beside the trial's, so
that no row outgrows what the table takes. Times are UTC; Optuna's are local and without a zone.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from tidemill import names
from tidemill.ports import Row
from tidemill.training.studies.texts import Texts

TRIALS_OF_A_STUDY = 1 << 20
STEPS_IN_ROW = 1000
PARAMETER, USER, SYSTEM, STEP = "p:", "u:", "s:", "i:"
STATE, BEAT, NUMBER, MORE_STEPS = "state", "beat", "number", "more_steps"
PROOF = "proof"
"""The attribute that tells who took a trial's number, or was the last to change its state."""


def trial_id(study_id: int, number: int) -> int:
    """The id of a trial, which tells its study and number. Raises OverflowError."""
    if not 0 <= number < TRIALS_OF_A_STUDY:
        raise OverflowError(f"a study has room for {TRIALS_OF_A_STUDY:,} trials; begin another one")
    return study_id * TRIALS_OF_A_STUDY + number


def place(identifier: int) -> tuple[int, int]:
    """Study and number of a trial. Raises KeyError."""
    study_id, number = divmod(identifier, TRIALS_OF_A_STUDY)
    if study_id < 1:
        raise KeyError(f"there is no trial {identifier}")
    return study_id, number


def opened(number: int, state: TrialState, now: datetime) -> Row:
    """The row of a new trial."""
    begun = _written(now) if state == TrialState.RUNNING else None
    return {NUMBER: number, STATE: state.name, "start": begun, "complete": None, "values": None}


def of(number: int, trial: FrozenTrial, texts: Texts) -> tuple[Row, dict[str, Row]]:
    """The row of a trial that is as the template, and the rows of its later steps by sort key."""
    row: Row = {
        NUMBER: number,
        STATE: trial.state.name,
        "start": _written(trial.datetime_start),
        "complete": _written(trial.datetime_complete),
        "values": values_text(trial.values, texts),
    }
    for order, (name, value) in enumerate(trial.params.items()):
        distribution = trial.distributions[name]
        row[PARAMETER + name] = parameter(order, distribution.to_internal_repr(value), distribution, texts)
    row |= {USER + name: texts.text(value) for name, value in trial.user_attrs.items()}
    row |= {SYSTEM + name: texts.text(value) for name, value in trial.system_attrs.items()}
    later: dict[str, Row] = {}
    for step, value in trial.intermediate_values.items():
        where = row if is_in_row(step) else later.setdefault(sk_steps(number, step), {NUMBER: number})
        where[f"{STEP}{step}"] = texts.text(value)
    return ({**row, MORE_STEPS: True} if later else row), later


def is_in_row(step: int) -> bool:
    """Whether a step lies in the trial's own row."""
    return 0 <= step < STEPS_IN_ROW


def proof() -> str:
    """A value of PROOF: whoever repeats a write, because its answer was lost, knows its own by it."""
    return secrets.token_hex(8)


def parameter(order: int, internal: float, distribution: BaseDistribution, texts: Texts) -> str:
    """What a row holds of a parameter; `order`: how many were set before it."""
    return texts.text([order, float(internal), distribution_to_json(distribution)])


def values_text(values: Sequence[float] | None, texts: Texts) -> str | None:
    """What a row holds of objective values."""
    return None if values is None else texts.text([float(value) for value in values])


def frozen(study_id: int, row: Row, later: Iterable[Row], texts: Texts) -> FrozenTrial:
    """The trial of a row and of the rows of its later steps."""
    number = int(row[NUMBER])
    found = sorted((texts.value(text), name) for name, text in _named(row, PARAMETER))
    distributions = {name: json_to_distribution(form) for (_, _, form), name in found}
    steps = {int(step): texts.value(text) for each in (row, *later) for step, text in _named(each, STEP)}
    return FrozenTrial(
        number=number,
        trial_id=trial_id(study_id, number),
        state=TrialState[row[STATE]],
        value=None,
        values=None if row["values"] is None else texts.value(row["values"]),
        datetime_start=_read(row["start"]),
        datetime_complete=_read(row["complete"]),
        params={name: distributions[name].to_external_repr(internal) for (_, internal, _), name in found},
        distributions=distributions,
        user_attrs={name: texts.value(text) for name, text in _named(row, USER)},
        system_attrs={name: texts.value(text) for name, text in _named(row, SYSTEM)},
        intermediate_values=dict(sorted(steps.items())),
    )


def attributes(row: Mapping[str, Any], prefix: str, texts: Texts) -> dict[str, Any]:
    """The attributes of that kind in a row, by name."""
    return {name: texts.value(text) for name, text in sorted(_named(row, prefix))}


def sk(number: int) -> str:
    """Sort key of a trial in the partition of its study."""
    return f"{names.TRIALS}{number:07d}"


def sk_steps(number: int, step: int) -> str:
    """Sort key of the row of a later step: it follows the trial's. Negative steps have a row of their own."""
    return f"{sk(number)}#{max(step // STEPS_IN_ROW, -1) + 1:09d}"


def _named(row: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    return [(name[len(prefix) :], value) for name, value in row.items() if name.startswith(prefix)]


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone().replace(tzinfo=None)
