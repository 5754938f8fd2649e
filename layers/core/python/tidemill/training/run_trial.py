"""RunTrial: fit one point of the search on the training part, and measure it on the validation part.

Writes `trials/NNNN.json`, once: a trial that has its file is not run again. A trial that cannot be fitted is
recorded as failed, with the reason, and the run goes on.
"""

from typing import Any

import numpy as np

from tidemill.ports import ObjectStore
from tidemill.training import facts, metrics, pipeline, prepare
from tidemill.training.plan import Plan, Trial, read_plan

# What scikit-learn and numpy raise for data or parameters that a model cannot be fitted with.
_UNFIT = (ValueError, ArithmeticError, MemoryError, np.linalg.LinAlgError)


def run_trial(*, project: str, run_id: str, trial: int, objects: ObjectStore) -> dict[str, Any]:
    """The trial's number, its state (`complete` or `failed`) and its value (of the plan's metric; None if failed).

    Raises RecordNotFound (no such run or trial), ArtifactCorrupt (the prepared rows are not those of the plan).
    """
    key = facts.trial_key(project, run_id, trial)
    if objects.exists(key):
        return _outcome(facts.read(objects, key))
    plan = read_plan(objects, project, run_id)
    return _outcome(facts.keep(objects, key, _tried(plan, plan.trial(trial), objects)))


def record_failure(*, project: str, run_id: str, trial: int, reason: str, objects: ObjectStore) -> dict[str, Any]:
    """Record a trial whose function was killed (out of memory, out of time) and could not do so itself."""
    plan = read_plan(objects, project, run_id)
    key = facts.trial_key(project, run_id, trial)
    return _outcome(facts.keep(objects, key, _failed(plan.trial(trial), reason)))


def _tried(plan: Plan, trial: Trial, objects: ObjectStore) -> dict[str, Any]:
    project = plan.project
    train, validation = (part_of(plan, part, objects) for part in ("train", "validation"))
    try:
        model = pipeline.fit(trial.algorithm, trial.parameters, train, project=project, seed=plan.seed)
        predictions = pipeline.predict(model, validation, project.features)
    except _UNFIT as error:
        return _failed(trial, f"{type(error).__name__}: {error}")
    if not np.isfinite(predictions).all():
        return _failed(trial, "it predicts values that are not finite")
    measured = metrics.measure(project.task, validation[project.target], predictions, plan.threshold)
    return {**_described(trial), "state": "complete", "value": measured[plan.metric], "metrics": measured}


def part_of(plan: Plan, part: str, objects: ObjectStore) -> prepare.Arrays:
    """The prepared rows of a part, as the plan pinned them. Raises ArtifactCorrupt."""
    key = facts.part_key(plan.project.name, plan.run_id, part)
    return prepare.load(facts.verified(objects, key, plan.sha256[part]))


def _failed(trial: Trial, reason: str) -> dict[str, Any]:
    return {**_described(trial), "state": "failed", "value": None, "metrics": {}, "reason": reason[:1000]}


def _described(trial: Trial) -> dict[str, Any]:
    return {"trial": trial.number, "algorithm": trial.algorithm, "parameters": dict(trial.parameters)}


def _outcome(fact: dict[str, Any]) -> dict[str, Any]:
    return {name: fact[name] for name in ("trial", "state", "value")}
