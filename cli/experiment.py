"""What is recorded of a run, gathered for people: how it ended, how long it took, what it cost, what it was made
with. Called by `runs show` and `runs compare`. Nothing here prints.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cli import reading
from tidemill import names
from tidemill.ports import Index, ObjectStore
from tidemill.training import cost

Facts = dict[str, Any]
STATES = ("complete", "pruned", "failed")
NAMES = {"lambda": "Lambda", "sagemaker": "SageMaker"}


def of(index: Index, objects: ObjectStore, project: str, run_id: str) -> Facts:
    """The run's row with `trials_done` and `evaluation`, and: `counts` of the trials by state, `best` (the best
    trial), `final` (`final.json`), `seconds` from start to end, `cost`, `made_with`, and `compute` (where search
    and fit ran, and why, where that was chosen). What does not exist yet is None. Raises NotFound."""
    facts = reading.run(index, objects, project, run_id)
    folder = names.run(project, run_id)
    plan, best, final = (
        reading.document(objects, folder + path) for path in ("plan.json", "best.json", "final/final.json")
    )
    trials = facts["trials_done"]
    return {
        **facts,
        "metric": plan["metric"] if plan else None,
        "counts": {state: sum(trial["state"] == state for trial in trials) for state in STATES},
        "best": best,
        "final": final,
        "seconds": _seconds(facts.get("at"), facts.get("ended_at")),
        "cost": _cost(plan, trials, final),
        "made_with": made_with(plan, final) if plan else None,
        "compute": _compute(plan, objects, folder),
        "rows": plan["rows"] if plan else None,
        "holdout": plan["sha256"]["holdout"] if plan else None,
    }


def _compute(plan: Facts | None, objects: ObjectStore, folder: str) -> dict[str, Facts | None]:
    """What was chosen for each step, of a run that had a choice."""
    if plan is None or plan["project"].get("compute", {}).get("kind", "lambda") == "lambda":
        return {}
    return {step: reading.document(objects, f"{folder}compute/{step}.json") for step in ("search", "fit")}


def made_with(plan: Mapping[str, Any], final: Mapping[str, Any] | None) -> Facts:
    """Seeds, digests, commit, processor and library versions, one name each. The versions of the function that
    fitted the final model go before those of the one that planned the run."""
    final, git = final or {}, plan.get("git") or {}
    return {
        "seed": plan["seed"],
        "split seed": plan["project"]["search"]["seed"],
        "code": plan["code"],
        "lock": plan.get("lock"),
        "commit": git.get("commit"),
        "uncommitted changes": git.get("changes"),
        **{name: (final.get("machine") or {}).get(name) for name in ("processor", "blas", "simd")},
        "threads": final.get("threads"),
        **{**plan["versions"], **final.get("versions", {})},
    }


def _cost(
    plan: Mapping[str, Any] | None, trials: Iterable[Mapping[str, Any]], final: Mapping[str, Any] | None
) -> Facts | None:
    if plan is None:
        return None
    return cost.of_run(trials, final, slots=min(plan["concurrency"], plan["limit"])).as_json()


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def duration(seconds: float | None) -> str | None:
    """Seconds as people read them: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds is None:
        return None
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def price(found: Mapping[str, Any] | None) -> str | None:
    """A cost in one line: `$0.0123 (410 GB-seconds, list prices us-east-1, 2026-11)`."""
    if found is None:
        return None
    work = [f"{found['gb_seconds']:,.0f} GB-seconds"]
    if found["instance_seconds"]:
        work.append(f"{found['instance_seconds']:,.0f} s on SageMaker")
    if found["unpriced"]:
        work.append(f"without {', '.join(found['unpriced'])}, whose price is not known here")
    return f"${found['dollars']:.4f} ({', '.join(work)}, list prices {found['prices']})"


def where(compute: Mapping[str, Mapping[str, Any] | None]) -> str | None:
    """Where the run computed, and why, in a line for each step; None if nothing was chosen."""
    lines = [f"{step} on {NAMES[made['kind']]}: {made['why']}" for step, made in compute.items() if made]
    return "\n".join(lines) or None


def short(value: Any) -> Any:
    """A digest's or a commit's first digits; any other value as it is."""
    is_digest = isinstance(value, str) and len(value) in (40, 64) and set(value) <= set("0123456789abcdef")
    return value[:12] if is_digest else value
