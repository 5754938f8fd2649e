"""RunTrial: one slot's next trial: claim it, fit its point on the training part, measure it on the validation
part.

Writes `trials/NNNN.json`, once, then tells the study. A slot that comes again goes on with the trial that it had
begun: what has its file is not run again. A trial that cannot be fitted is recorded as failed, with the reason,
and the run goes on.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from tidemill import names
from tidemill.ports import Clock, Index, ObjectStore
from tidemill.projects import Project
from tidemill.training import algorithms, facts, measures, metrics, pipeline, prepare
from tidemill.training.plan import Plan, Trial, read_plan
from tidemill.training.run_study import RunStudy, running
from tidemill.training.slices import OutOfTime, Slices
from tidemill.training.stopping import enough
from tidemill.training.studies.storage import StudyStorage
from tidemill.training.worker import Worker

# What scikit-learn and numpy raise for data or parameters that a model cannot be fitted with.
_UNFIT = (ValueError, ArithmeticError, MemoryError, np.linalg.LinAlgError)
Watch = Callable[[float], None]
MOST_LOSSES = 2
"""How often the worker of a trial may be killed before the trial counts as failed."""
MOST_SLOT_LOSSES = 5
"""How often a slot may be lost between two trials before it is given up."""


class _Pruned(Exception):
    """The pruner ended the trial."""


def run_trial(
    *,
    project: str,
    run_id: str,
    slot: int,
    worker: Worker,
    objects: ObjectStore,
    index: Index,
    studies: StudyStorage,
    clock: Clock,
) -> dict[str, Any]:
    """The trial's number, its state (`complete`, `pruned` or `failed`) and its value (of the plan's metric; None
    if failed), and whether the slot shall come again (`more`); if there was no trial left, `why`, and whether a
    person `stopped` the run.

    Raises RecordNotFound (no such run), ArtifactCorrupt (the prepared rows are not those of the plan).
    """
    plan = read_plan(objects, project, run_id)
    study = RunStudy(plan, studies)
    trials = study.trials()
    trial = running(trials, slot)
    again = trial is not None
    if trial is None:
        over = _over(plan, trials, index)
        if over is not None:
            return over
        trial = study.claim(slot, clock())
    if trial is None:
        return _ended(f"all {plan.limit} trials have begun")
    key = facts.trial_key(project, run_id, trial.number)
    if not objects.exists(key):
        try:
            fact = tried(plan, study, trial, worker, objects, clock, again=again)
        except OutOfTime:  # the slot comes again, and goes on with this trial
            return {"trial": trial.number, "state": "running", "value": None, "more": True, "stopped": False}
        facts.keep(objects, key, fact)
    return _told(study, trial, facts.read(objects, key))


def record_loss(
    *,
    project: str,
    run_id: str,
    slot: int,
    loss: str,
    reason: str,
    objects: ObjectStore,
    studies: StudyStorage,
) -> dict[str, Any]:
    """Record that the slot's function was killed (out of memory, out of time) and could not do so itself: its
    trial is begun again, or, after MOST_LOSSES, has failed. `loss` names the loss, so that telling it twice is
    telling it once."""
    plan = read_plan(objects, project, run_id)
    study = RunStudy(plan, studies)
    trial = running(study.trials(), slot)
    if trial is None:
        why = f"a slot was lost: {reason}"[:1000]
        return {**_ended(why), "more": study.lose_slot(slot, loss, why) < MOST_SLOT_LOSSES}
    key = facts.trial_key(project, run_id, trial.number)
    if not objects.exists(key):
        if study.lose(trial, loss) < MOST_LOSSES:
            return {"trial": trial.number, "state": "running", "value": None, "more": True, "stopped": False}
        facts.keep(objects, key, _failed(study.begun(trial), reason))
    return _told(study, trial, facts.read(objects, key))


def _over(plan: Plan, trials: Sequence[FrozenTrial], index: Index) -> dict[str, Any] | None:
    """Why no further trial is to begin; None if one may."""
    if by := stopped_by(plan, index):
        return {**_ended(f"stopped by {by}"), "stopped": True}
    why = enough(plan.project.search.stop, trials)
    return None if why is None else _ended(why)


def stopped_by(plan: Plan, index: Index) -> str | None:
    """Who asked the run to stop; None if nobody has."""
    row = index.get(names.pk(plan.project.name), names.sk_run(plan.run_id)) or {}
    by: str | None = (row.get("stop") or {}).get("by")
    return by


def _ended(why: str) -> dict[str, Any]:
    return {"trial": None, "state": None, "value": None, "more": False, "stopped": False, "why": why}


def _told(study: RunStudy, trial: FrozenTrial, fact: dict[str, Any]) -> dict[str, Any]:
    study.end(trial, fact)
    return {**{name: fact[name] for name in ("trial", "state", "value")}, "more": True, "stopped": False}


def tried(
    plan: Plan,
    study: RunStudy,
    trial: FrozenTrial,
    worker: Worker,
    objects: ObjectStore,
    clock: Clock,
    *,
    again: bool,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """The trial's fact. `again`: a worker has begun it before. `watch` hears what the model is worth after each
    part of its fit but the last. Raises OutOfTime when the worker's time ends before the fit."""
    begun = clock()
    live = study.live(trial)
    point = study.point(trial, live)
    slices = Slices(
        objects, facts.slices_key(plan.project.name, plan.run_id, f"{trial.number:04d}"), clock, worker.left, again
    )
    fact = _measured(plan, point, live, objects, slices, watch)
    return {**fact, **worker.spent(begun, slices.seconds(clock()))}


def _measured(
    plan: Plan, point: Trial, live: optuna.Trial, objects: ObjectStore, slices: Slices, watch: Watch | None
) -> dict[str, Any]:
    project, search = plan.project, plan.project.search
    train, validation = (part_of(plan, part, objects) for part in ("train", "validation"))
    watched = search.pruner != "none" or watch is not None
    report = _reporter(plan, live, validation, watch) if watched else None

    def after(step: int, of: int, model: Any) -> None:
        if report is not None:
            report(step, of, model)
        slices.after(step, of, model)

    own = algorithms.of(point.algorithm, project).own
    try:
        model = pipeline.fit(
            point.algorithm,
            point.parameters,
            train,
            project=project,
            seed=plan.seed,
            on_step=after if report or slices.cut() else None,
            begun=slices.begun() if slices.cut() else None,
        )
        predictions = _asked(model, validation, project, own=own)
    except _Pruned:
        return _pruned(plan, point, live)
    except OutOfTime:
        raise
    except Exception as error:
        # An estimator that we do not know may raise anything; whatever else does is a fault of ours.
        if own or isinstance(error, _UNFIT):
            return _failed(point, f"{type(error).__name__}: {error}")
        raise
    if not np.isfinite(predictions).all():
        return _failed(point, "it predicts values that are not finite")
    found = metrics.measure(project.task, validation[project.target], predictions, plan.threshold)
    value = cast(float, found[plan.metric])
    wanted = {*search.objectives, *search.constraints}
    measured = {"metric": value, **measures.measure(wanted, model, validation, predictions, project)}
    return {
        **_described(point),
        "state": "complete",
        "value": value,
        "values": [measured[name] for name in search.objectives],
        "measures": {name: measured[name] for name in sorted(wanted)},
        "constraints": {name: measured[name] - most for name, most in search.constraints.items()},
        "metrics": found,
    }


def _asked(model: Any, rows: prepare.Arrays, project: Project, *, own: bool) -> NDArray[np.float64]:
    """The model's answers; of a project's own recipe, once it was seen to be servable."""
    if own:
        from tidemill.training import own_model  # brings the converters to ONNX, a second for all others

        own_model.check(model, rows, project)
    return pipeline.predict(model, rows, project.inputs(), project.classes)


def _reporter(
    plan: Plan, live: optuna.Trial, validation: prepare.Arrays, watch: Watch | None
) -> Callable[[int, int, Any], None]:
    """Tells the study what the model so far is worth, and ends the fit if the pruner says so."""
    project = plan.project

    def report(step: int, of: int, model: Any) -> None:
        if step == of:
            return
        predictions = pipeline.predict(model, validation, project.inputs(), project.classes)
        found = metrics.measure(project.task, validation[project.target], predictions, plan.threshold)
        value = cast(float, found[plan.metric])
        if watch is not None:
            watch(value)
        live.report(value, step)
        if live.should_prune():
            raise _Pruned

    return report


def part_of(plan: Plan, part: str, objects: ObjectStore) -> prepare.Arrays:
    """The prepared rows of a part, as the plan pinned them. Raises ArtifactCorrupt."""
    key = facts.part_key(plan.project.name, plan.run_id, part)
    return prepare.load(facts.verified(objects, key, plan.sha256[part]))


def _pruned(plan: Plan, point: Trial, live: optuna.Trial) -> dict[str, Any]:
    steps = live.study._storage.get_trial(live._trial_id).intermediate_values
    step, value = max(steps.items())
    words = f"{plan.project.search.pruner} pruner: {plan.metric} {value:.5g} after step {step}"
    return {**_described(point), "state": "pruned", "value": value, "metrics": {}, "reason": words, "step": step}


def _failed(point: Trial, reason: str) -> dict[str, Any]:
    return {**_described(point), "state": "failed", "value": None, "metrics": {}, "reason": reason[:1000]}


def _described(point: Trial) -> dict[str, Any]:
    return {"trial": point.number, "algorithm": point.algorithm, "parameters": dict(point.parameters)}
