"""SelectBest: the completed trial with the lowest value; of equal ones the lowest number.

Writes `best.json`. Needs nothing but the core layer.
"""

from typing import Any

from tidemill.errors import RecordNotFound, RunFailed
from tidemill.ports import ObjectStore
from tidemill.training import facts
from tidemill.training.plan import Plan, read_plan


def select_best(*, project: str, run_id: str, objects: ObjectStore) -> dict[str, Any]:
    """The number and the value of the best trial. Raises RecordNotFound (no such run), RunFailed (no trial
    completed)."""
    key = facts.best_key(project, run_id)
    if not objects.exists(key):
        facts.keep(objects, key, _best(read_plan(objects, project, run_id), objects))
    best = facts.read(objects, key)
    return {"trial": best["trial"], "value": best["value"]}


def _best(plan: Plan, objects: ObjectStore) -> dict[str, Any]:
    trials = [_result(plan, trial.number, objects) for trial in plan.trials]
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if not complete:
        reasons = sorted({trial["reason"] for trial in trials})
        raise RunFailed(f"none of {len(trials)} trials completed: {'; '.join(reasons[:3])}")
    best = min(complete, key=lambda trial: (trial["value"], trial["trial"]))
    chosen = {name: best[name] for name in ("trial", "value", "algorithm", "parameters")}
    return {**chosen, "completed": len(complete), "failed": len(trials) - len(complete)}


def _result(plan: Plan, trial: int, objects: ObjectStore) -> dict[str, Any]:
    """The trial's file; if there is none, not even a crash could be recorded."""
    try:
        return facts.read(objects, facts.trial_key(plan.project.name, plan.run_id, trial))
    except RecordNotFound:
        return {"trial": trial, "state": "failed", "reason": "it left no result"}
