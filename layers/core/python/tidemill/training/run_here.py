"""A run in this process, without a deployment: the states of `training`, one after the other, on any ports.

Called by `tidemill train --local` and by notebooks. It writes what a run writes, so whatever reads a run reads
this one. Resumes like one: what has its file is not done again.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.ports import Clock, Index, ObjectStore
from tidemill.projects import Project
from tidemill.training.close_run import close_run
from tidemill.training.evaluate_candidate import evaluate_candidate
from tidemill.training.fit_final import fit_final
from tidemill.training.plan import Options
from tidemill.training.plan_trials import plan_trials
from tidemill.training.prepare_data import prepare_data
from tidemill.training.run_trial import run_trial
from tidemill.training.select_best import select_best
from tidemill.training.studies.storage import StudyStorage
from tidemill.training.threads import limited
from tidemill.training.worker import Worker, memory_mb

REASON = "a run on this machine"


@dataclass(frozen=True)
class Here:
    """Where a run is kept, and who hears of it: `watch` of each state's answer. `source` is what the code was made
    from (`provenance.source_of`)."""

    objects: ObjectStore
    index: Index
    clock: Clock
    source: Mapping[str, Any]
    watch: Callable[[str, dict[str, Any]], None]


def run_here(
    *, project: Project, dataset_version: int, run_id: str, options: Options, here: Here
) -> dict[str, Any]:
    """How the run ended (`state`: `passed` or `refused`). Raises what the states raise, after the run's row has
    been closed as `failed` with the reason."""
    ports: dict[str, Any] = {"objects": here.objects, "index": here.index, "clock": here.clock}
    ids: dict[str, Any] = {"project": project.name, "run_id": run_id}
    asked: dict[str, Any] = {
        "dataset_version": dataset_version,
        "reason": REASON,
        "trigger": "manual",
        "options": options,
    }
    try:
        with limited(os.environ):
            prepared = prepare_data(project=project, run_id=run_id, rehearsal=True, **asked, **ports)
            here.watch("PrepareData", prepared)
            passed = _searched_and_judged(ids, options, here)
    except Exception as error:
        close_run(**ids, **ports, state="failed", error={"Error": type(error).__name__, "Cause": str(error)})
        raise
    return close_run(**ids, **ports, state="passed" if passed else "refused", error=None)


def _searched_and_judged(ids: dict[str, Any], options: Options, here: Here) -> bool:
    """The states from PlanTrials to EvaluateCandidate. Whether the candidate passed."""
    objects, index, clock = here.objects, here.index, here.clock
    worker = Worker(memory_mb())
    ports: dict[str, Any] = {
        "objects": objects,
        "studies": StudyStorage(lambda: (index, objects), ids["project"]),
    }
    named = {"project_name": ids["project"], "run_id": ids["run_id"]}
    here.watch("PlanTrials", plan_trials(**named, options=options, index=index, source=here.source, **ports))
    while True:
        trial = run_trial(**ids, slot=0, worker=worker, index=index, clock=clock, **ports)
        if not trial["more"]:
            break
        here.watch("RunTrial", trial)
    here.watch("SelectBest", select_best(**ids, **ports))
    here.watch("FitFinal", fit_final(**ids, worker=worker, objects=objects, clock=clock, of=1))
    judged = evaluate_candidate(**ids, objects=objects, index=index)
    here.watch("EvaluateCandidate", judged)
    return bool(judged["passed"])
