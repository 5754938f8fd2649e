"""One study, several algorithms: each algorithm's trials, seen as a study of their own.

The parameters of a run depend on its algorithm. Samplers that look at the parameters which all trials have in
common (CMA-ES, Gaussian processes, genetic ones) would find none. So sampler and pruner of a trial are shown the
trials of its branch alone, while the study that people load has all of them.
"""

from collections.abc import Container, Sequence
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection
from optuna.trial import FrozenTrial, TrialState

BRANCH = "algorithm"
"""The user attribute of a trial that says whose it is."""


class BranchStorage(BaseStorage):
    """The trials of `branch` in the studies of `whole`. Trials are created in the whole."""

    def __init__(self, whole: BaseStorage, branch: str) -> None:
        self._whole, self._branch = whole, branch

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        found = self._whole.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [trial for trial in found if trial.user_attrs.get(BRANCH) == self._branch]

    # What a sampler notes with the study (a genetic one its populations) is of the branch.
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        noted, own = self._whole.get_study_system_attrs(study_id), f"{self._branch}:"
        return {name.removeprefix(own): value for name, value in noted.items() if name.startswith(own)}

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._whole.set_study_system_attr(study_id, f"{self._branch}:{key}", value)

    # --- the rest is the whole's

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> NoReturn:
        raise NotImplementedError("a branch is of a study that exists; create it in the whole")

    def delete_study(self, study_id: int) -> NoReturn:
        raise NotImplementedError("a branch cannot be deleted by itself; delete the whole study")

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> NoReturn:
        raise NotImplementedError("create the trial in the whole study, with its branch as a user attribute")

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._whole.set_study_user_attr(study_id, key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._whole.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._whole.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._whole.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._whole.get_study_user_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._whole.get_all_studies()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        self._whole.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        return self._whole.set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self._whole.set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._whole.set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._whole.set_trial_system_attr(trial_id, key, value)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._whole.get_trial(trial_id)
