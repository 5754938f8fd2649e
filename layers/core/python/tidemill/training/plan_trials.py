"""PlanTrials: pin everything that a run depends on, and open the study of its trials.

After PrepareData. Writes `plan.json` and creates the study, which has the run's id as its name. A rerun of the
same run id continues it: what is written stands.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tidemill.ports import Index, ObjectStore
from tidemill.projects import Project
from tidemill.training import facts, provenance, search
from tidemill.training.plan import Options, Plan, read_plan
from tidemill.training.run_study import RunStudy
from tidemill.training.studies.storage import StudyStorage
from tidemill.training.warm_start import best_points

PREPARED = ("dataset_version", "identity", "rows", "dropped", "cuts", "sha256")
INLINE = 40
"""The most slots that the state machine itself holds; more of them are executions of their own."""


def plan_trials(
    *,
    project_name: str,
    run_id: str,
    options: Options,
    objects: ObjectStore,
    index: Index,
    studies: StudyStorage,
    source: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """What each of the slots is called with that try points side by side, whether they are more than INLINE, and
    where the project file says that they run.
    `source` is what the deployed code was made from (`provenance.source_of`).
    Raises RecordNotFound if the run's rows were not prepared."""
    key = facts.plan_key(project_name, run_id)
    if not objects.exists(key):
        prepared = facts.read(objects, facts.prepared_key(project_name, run_id))
        decided = _decide(prepared, run_id, options, source, objects=objects, index=index)
        facts.keep(objects, key, decided.model_dump(mode="json"))
    plan = read_plan(objects, project_name, run_id)
    RunStudy.create(plan, studies)
    count = min(plan.concurrency, plan.limit)
    slots = [{"project": project_name, "run_id": run_id, "slot": slot} for slot in range(count)]
    return {"slots": slots, "wide": count > INLINE, "compute": plan.project.compute.kind}


def _decide(
    prepared: dict[str, Any],
    run_id: str,
    options: Options,
    source: Mapping[str, Any],
    *,
    objects: ObjectStore,
    index: Index,
) -> Plan:
    # The project file as PrepareData had it: a deployment in between changes nothing in this run.
    project = Project.model_validate(prepared["project"])
    seed = project.search.seed if options.seed is None else options.seed
    earlier = best_points(project, run_id, objects=objects, index=index)
    drawn = search.draw(project, seed, earlier)
    return Plan(
        project=project,
        run_id=run_id,
        seed=seed,
        metric=project.metric,
        threshold=project.threshold,
        concurrency=project.search.concurrency,
        options=options,
        trials=drawn,
        limit=search.limit(project.search, drawn),
        **provenance.record(source),
        **{name: prepared[name] for name in PREPARED},
    )
