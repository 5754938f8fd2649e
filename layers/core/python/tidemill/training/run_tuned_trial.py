"""A training job of SageMaker's tuning: one trial at the point that the tuning job has drawn.

Called by `tidemill.jobs.train`. Claims the next number in the run's study and writes `trials/NNNN.json` with the
job's name, so that the run's record is the same whoever draws the points. A job that starts again (after its
capacity was taken back) goes on with its trial.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.errors import RunFailed
from tidemill.ports import Clock, Index, ObjectStore
from tidemill.projects.search import Algorithm
from tidemill.training import facts
from tidemill.training.plan import read_plan
from tidemill.training.run_study import RunStudy, begun_by
from tidemill.training.run_trial import stopped_by, tried
from tidemill.training.sagemaker.ranges import point
from tidemill.training.sagemaker.requests import METRIC_LINE
from tidemill.training.studies.storage import StudyStorage
from tidemill.training.worker import Worker


def run_tuned_trial(
    *,
    project: str,
    run_id: str,
    job: str,
    algorithm: Algorithm,
    hyperparameters: Mapping[str, str],
    worker: Worker,
    objects: ObjectStore,
    studies: StudyStorage,
    index: Index,
    clock: Clock,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The trial's fact. `say` takes the lines in which the tuning job finds the objective.

    Raises RecordNotFound (no such run), RunFailed (a person stopped the run, or it has as many trials as there may
    be), ArtifactCorrupt.
    """
    plan = read_plan(objects, project, run_id)
    study = RunStudy(plan, studies)
    begun = begun_by(job, study.trials())
    drawn = point(algorithm, plan.project, hyperparameters)
    if not begun and (by := stopped_by(plan, index)):
        raise RunFailed(f"run {run_id!r} was stopped by {by}")
    trial = begun[0] if begun else study.claim(job, clock(), (algorithm, drawn))
    if trial is None:
        raise RunFailed(f"run {run_id!r} has {plan.limit} trials, as many as there may be; start another run")
    key = facts.trial_key(project, run_id, trial.number)
    if not objects.exists(key):
        growing = plan.project.compute.strategy == "hyperband"
        watch = (lambda value: say(METRIC_LINE.format(value))) if growing else None
        fact = tried(plan, study, trial, worker, objects, clock, again=bool(begun), watch=watch)
        facts.keep(objects, key, {**fact, "job": job})
    fact = facts.read(objects, key)
    study.end(trial, fact)
    if fact["state"] == "complete":
        say(METRIC_LINE.format(fact["value"]))
    return fact
