"""A run in this process, without a deployment: the states of `training`, one after the other, on any ports.

Called by `tidemill train --local` and by notebooks. It writes what a run writes, so whatever reads a run reads
this one. Resumes like one: what has its file is not done again.
"""

import os
from collections.abc import Callable, Mapping
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
from tidemill.training.worker import Worker

Watch = Callable[[str, dict[str, Any]], None]
REASON = "a run on this machine"


def run_here(
    *,
    project: Project,
    dataset_version: int,
    run_id: str,
    options: Options,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
    source: Mapping[str, Any],
    watch: Watch,
) -> dict[str, Any]:
    """How the run ended (`state`: `passed` or `refused`). `watch` hears of each state's answer. `source` is what
    the code was made from (`provenance.source_of`).

    Raises what the states raise, after the run's row has been closed as `failed` with the reason.
    """
    ids: dict[str, Any] = {"project": project.name, "run_id": run_id}
    closing: dict[str, Any] = {**ids, "objects": objects, "index": index, "clock": clock}
    try:
        passed = _through(
            project, dataset_version, run_id, options, objects, index, clock, source=source, watch=watch
        )
    except Exception as error:
        close_run(**closing, state="failed", error={"Error": type(error).__name__, "Cause": str(error)})
        raise
    return close_run(**closing, state="passed" if passed else "refused", error=None)


def _through(
    project: Project,
    dataset_version: int,
    run_id: str,
    options: Options,
    objects: ObjectStore,
    index: Index,
    clock: Clock,
    *,
    source: Mapping[str, Any],
    watch: Watch,
) -> bool:
    """All states but the last. Whether the candidate passed its gates."""
    ids: dict[str, Any] = {"project": project.name, "run_id": run_id}
    studies = StudyStorage(lambda: (index, objects), project.name)
    worker = Worker(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
    ports: dict[str, Any] = {"objects": objects, "studies": studies}
    opening: dict[str, Any] = {"reason": REASON, "trigger": "manual", "options": options, "rehearsal": True}
    with limited(os.environ):
        watch(
            "PrepareData",
            prepare_data(
                project=project,
                dataset_version=dataset_version,
                run_id=run_id,
                **opening,
                objects=objects,
                index=index,
                clock=clock,
            ),
        )
        planned = plan_trials(
            project_name=project.name, run_id=run_id, options=options, index=index, source=source, **ports
        )
        watch("PlanTrials", planned)
        while True:
            trial = run_trial(**ids, slot=0, worker=worker, index=index, clock=clock, **ports)
            if not trial["more"]:
                break
            watch("RunTrial", trial)
        watch("SelectBest", select_best(**ids, **ports))
        watch("FitFinal", fit_final(**ids, worker=worker, objects=objects, clock=clock))
        judged = evaluate_candidate(**ids, objects=objects, index=index)
        watch("EvaluateCandidate", judged)
    return bool(judged["passed"])
