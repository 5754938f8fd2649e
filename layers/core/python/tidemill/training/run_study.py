"""The study of a run: which trials there are, whose turn it is, and what they came to.

RunTrial and SelectBest work through it. A slot is one place where trials run, one after the other; a trial belongs
to the slot that claimed it, and a slot that comes again after it was killed finds the trial that it had begun.
"""

import contextlib
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tidemill.projects.search import Algorithm
from tidemill.training.algorithms import space
from tidemill.training.plan import Plan, Trial
from tidemill.training.samplers import choice
from tidemill.training.studies.branches import BRANCH, BranchStorage
from tidemill.training.studies.storage import StudyStorage

SLOT, LOST = "slot", "lost"
Slot = int | str
"""The number of a slot, or the name of the one job that a trial is."""
Point = tuple[Algorithm, Mapping[str, int | float]]
_FIXED = "fixed_params"  # Optuna's own name for what an enqueued trial is to have
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class RunStudy:
    """The study of `plan`'s run in `studies`. Raises KeyError if it was not created."""

    def __init__(self, plan: Plan, studies: StudyStorage) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan, self._studies = plan, studies
        self._id = studies.get_study_id_from_name(plan.run_id)
        self._live: dict[int, optuna.Trial] = {}

    @classmethod
    def create(cls, plan: Plan, studies: StudyStorage) -> None:
        """Create the study, unless there is one."""
        directions = [StudyDirection.MINIMIZE] * len(plan.project.search.objectives)
        with contextlib.suppress(DuplicatedStudyError):
            studies.create_new_study(directions, plan.run_id)

    def trials(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return self._studies.get_all_trials(self._id, deepcopy=False)

    def claim(self, slot: Slot, now: datetime, point: Point | None = None) -> FrozenTrial | None:
        """The next trial, for that slot, at `point` if it is given; None if the run has as many as it may have."""
        trial_id = self._studies.claim(
            self._id, lambda number: self._template(number, slot, now, point), limit=self._plan.limit
        )
        return None if trial_id is None else self._studies.get_trial(trial_id)

    def _template(self, number: int, slot: Slot, now: datetime, point: Point | None) -> FrozenTrial:
        """A trial as it begins. A point that is known in advance is noted as Optuna notes an enqueued one."""
        known, algorithm = self._plan.trials, self._plan.algorithm(number)
        if point is None and number < len(known):
            point = algorithm, known[number].parameters
        fixed = {}
        if point is not None:
            algorithm, parameters = point
            fixed = {_FIXED: {_full(algorithm, name): value for name, value in parameters.items()}}
        return FrozenTrial(
            number=number,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=now.astimezone().replace(tzinfo=None),
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={BRANCH: algorithm, SLOT: slot},
            system_attrs=fixed,
            intermediate_values={},
            trial_id=0,
        )

    def live(self, trial: FrozenTrial) -> optuna.Trial:
        """The trial as a sampler and a pruner see it, who are shown the trials of its algorithm alone."""
        if trial._trial_id not in self._live:
            self._live[trial._trial_id] = optuna.Trial(self._branch(trial), trial._trial_id)
        return self._live[trial._trial_id]

    def _branch(self, trial: FrozenTrial) -> optuna.Study:
        plan = self._plan
        drawn_by = choice.sampler(plan.project.search, self._space(trial), plan.seed, trial.number)
        return optuna.Study(
            study_name=plan.run_id,
            storage=BranchStorage(self._studies, trial.user_attrs[BRANCH]),
            sampler=drawn_by,
            pruner=choice.pruner(plan.project.search),
        )

    def _space(self, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        algorithm = trial.user_attrs[BRANCH]
        axes = space(algorithm, self._plan.project)
        return {_full(algorithm, name): axis.range for name, axis in axes.items()}

    def point(self, trial: FrozenTrial, live: optuna.Trial) -> Trial:
        """The trial's parameters, which its sampler draws unless it has them."""
        drawn = {name: _suggested(live, name, each) for name, each in self._space(trial).items()}
        return _point(trial, drawn)

    def begun(self, trial: FrozenTrial) -> Trial:
        """The trial with the parameters that it has so far."""
        return _point(trial, trial.params)

    def lose(self, trial: FrozenTrial, loss: str) -> int:
        """Note that the trial's worker was killed, and how often that has happened. One loss counts once, however
        often it is told."""
        losses = sorted({*trial.user_attrs.get(LOST, ()), loss})
        with contextlib.suppress(UpdateFinishedTrialError):
            self._studies.set_trial_user_attr(trial._trial_id, LOST, losses)
        return len(losses)

    def lose_slot(self, slot: int, loss: str, reason: str) -> int:
        """Note that the slot was lost without a trial, and why; how often that has happened."""
        name = f"{LOST}:{slot}"
        losses = {**self._studies.get_study_user_attrs(self._id).get(name, {}), loss: reason}
        self._studies.set_study_user_attr(self._id, name, losses)
        return len(losses)

    def lost_slots(self) -> list[str]:
        """Why slots were lost without a trial, each reason once."""
        noted = self._studies.get_study_user_attrs(self._id)
        return sorted(
            {why for name, each in noted.items() if name.startswith(f"{LOST}:") for why in each.values()}
        )

    def end(self, trial: FrozenTrial, fact: Mapping[str, Any]) -> None:
        """Tell the study what the trial's file says, unless it knows."""
        if self._studies.get_trial(trial._trial_id).state.is_finished():
            return
        live, state = self.live(trial), _STATES[fact["state"]]
        with contextlib.suppress(UpdateFinishedTrialError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a constraint that is set already, by a worker that then was killed
            for name, value in fact.get("constraints", {}).items():
                live.set_constraint(name, value)
            for name in ("seconds", "gb_seconds", "instance"):  # which the rules to end a search add up
                if name in fact:
                    self._studies.set_trial_user_attr(trial._trial_id, name, fact[name])
            live.study.tell(live, fact["values"] if state == TrialState.COMPLETE else None, state)


def begun_by(slot: Slot, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that the slot has begun."""
    return [each for each in trials if each.user_attrs.get(SLOT) == slot]


def running(trials: Iterable[FrozenTrial], slot: Slot) -> FrozenTrial | None:
    """The trial that the slot has begun and not ended."""
    return next((each for each in begun_by(slot, trials) if each.state == TrialState.RUNNING), None)


def _point(trial: FrozenTrial, parameters: Mapping[str, Any]) -> Trial:
    algorithm = trial.user_attrs[BRANCH]
    own = {name.removeprefix(f"{algorithm}."): value for name, value in parameters.items()}
    return Trial(number=trial.number, algorithm=algorithm, parameters=own)


def _full(algorithm: str, name: str) -> str:
    """What a parameter is called in the study: algorithms have parameters of the same name."""
    return f"{algorithm}.{name}"


def _suggested(live: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, FloatDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        return live.suggest_float(name, low, high, step=step, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        return live.suggest_int(name, low, high, step=step, log=distribution.log)
    assert isinstance(distribution, CategoricalDistribution), distribution
    return live.suggest_categorical(name, distribution.choices)
