"""PlanTrials: pin everything that a run depends on, and say what is to be tried.

After PrepareData. Writes `plan.json`. A rerun of the same run id continues it: what is written stands.
"""

from typing import Any

from tidemill.ports import ObjectStore
from tidemill.projects import Project
from tidemill.training import facts, provenance, search
from tidemill.training.plan import Options, Plan, read_plan

THRESHOLD = 0.5
PREPARED = ("dataset_version", "identity", "rows", "dropped", "cuts", "sha256")


def plan_trials(*, project_name: str, run_id: str, options: Options, objects: ObjectStore) -> dict[str, Any]:
    """The numbers of the trials and how many may run at once. Raises RecordNotFound if the run's rows were not
    prepared."""
    key = facts.plan_key(project_name, run_id)
    if not objects.exists(key):
        prepared = facts.read(objects, facts.prepared_key(project_name, run_id))
        facts.keep(objects, key, _decide(prepared, run_id, options).model_dump(mode="json"))
    plan = read_plan(objects, project_name, run_id)
    return {"trials": [trial.number for trial in plan.trials], "concurrency": plan.concurrency}


def _decide(prepared: dict[str, Any], run_id: str, options: Options) -> Plan:
    # The project file as PrepareData had it: a deployment in between changes nothing in this run.
    project = Project.model_validate(prepared["project"])
    seed = project.search.seed if options.seed is None else options.seed
    return Plan(
        project=project,
        run_id=run_id,
        seed=seed,
        metric=project.metric,
        threshold=THRESHOLD if project.task == "classification" else None,
        concurrency=project.search.concurrency,
        options=options,
        trials=search.draw(project.search, project.task, seed),
        versions=provenance.versions(),
        code=provenance.code_digest(),
        **{name: prepared[name] for name in PREPARED},
    )
