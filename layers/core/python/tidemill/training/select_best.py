"""SelectBest: of the completed trials that keep the constraints, the one with the least first objective; of equal
ones the lowest number.

Writes `best.json`, and closes the study: what still runs in it was lost.
"""

from typing import Any

from tidemill.errors import RecordNotFound, RunFailed
from tidemill.ports import ObjectStore
from tidemill.training import algorithms, facts
from tidemill.training.plan import Plan, read_plan
from tidemill.training.run_study import RunStudy
from tidemill.training.studies.storage import StudyStorage

LOST = "it left no result"


def select_best(*, project: str, run_id: str, objects: ObjectStore, studies: StudyStorage) -> dict[str, Any]:
    """The number and the value of the best trial, where the project file says that it is fitted, and what each of
    the `shards` is called with that fit it (none unless it is a forest). Raises
    RecordNotFound (no such run), RunFailed (no trial completed, or none keeps the constraints)."""
    key = facts.best_key(project, run_id)
    plan = read_plan(objects, project, run_id)
    if not objects.exists(key):
        study = RunStudy(plan, studies)
        facts.keep(objects, key, _best(plan, _closed(plan, study, objects), study.lost_slots()))
    best = facts.read(objects, key)
    count = plan.project.compute.shards if algorithms.of(best["algorithm"], plan.project).sharded else 1
    ids = {"project": project, "run_id": run_id}
    shards = [{**ids, "shard": shard, "of": count} for shard in range(count)] if count > 1 else []
    told = {name: best[name] for name in ("trial", "value")}
    return {**told, "compute": plan.project.compute.kind, "shards": shards}


def _closed(plan: Plan, study: RunStudy, objects: ObjectStore) -> list[dict[str, Any]]:
    """What each trial came to, told to the study."""
    found = []
    for trial in study.trials():
        try:
            fact = facts.read(objects, facts.trial_key(plan.project.name, plan.run_id, trial.number))
        except RecordNotFound:
            fact = {"trial": trial.number, "state": "failed", "reason": LOST}
        study.end(trial, fact)
        found.append(fact)
    return found


def _best(plan: Plan, trials: list[dict[str, Any]], lost_slots: list[str]) -> dict[str, Any]:
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if not complete:
        reasons = sorted({trial["reason"] for trial in trials}) + lost_slots
        raise RunFailed(f"none of {len(trials)} trials completed: {'; '.join(reasons[:3])}")
    allowed = [trial for trial in complete if all(over <= 0 for over in trial["constraints"].values())]
    if not allowed:
        raise RunFailed(
            f"none of {len(complete)} completed trials keeps the constraints: {_least(plan, complete)}"
        )
    best = min(allowed, key=lambda trial: (trial["values"], trial["trial"]))
    chosen = {name: best[name] for name in ("trial", "value", "algorithm", "parameters", "measures")}
    if "seconds" in best:
        chosen["seconds"] = best["seconds"]
    counted = {
        "completed": len(complete),
        "pruned": sum(trial["state"] == "pruned" for trial in trials),
        "failed": sum(trial["state"] == "failed" for trial in trials),
    }
    return {**chosen, "front": front(allowed), **counted}


def front(trials: list[dict[str, Any]]) -> list[int]:
    """The numbers of the trials that no other one is better than in one objective and as good in the rest."""
    points = {trial["trial"]: trial["values"] for trial in trials}
    return sorted(
        number
        for number, own in points.items()
        if not any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in points.values()
        )
    )


def _least(plan: Plan, complete: list[dict[str, Any]]) -> str:
    """The least that was reached of each constraint, beside the most that it may be."""
    limits = plan.project.search.constraints
    least = {name: min(trial["measures"][name] for trial in complete) for name in limits}
    return "; ".join(f"{name} was {least[name]:.4g} at least (at most {most:g})" for name, most in limits.items())
