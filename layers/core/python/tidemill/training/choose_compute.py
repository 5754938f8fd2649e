"""ChooseCompute: whether the search, or the final fit, runs on Lambda or on SageMaker, and what is asked of it.

Called before the search, after SageMaker's part of it, and before the final fit, where the project file does not
say `compute: lambda`. Writes the choice, with its reason, into `compute/<step>.json` of the run: the first one
stands.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from tidemill import names
from tidemill.errors import ComputeUnavailable, RecordNotFound
from tidemill.ports import Index, ObjectStore
from tidemill.training import facts
from tidemill.training.plan import Plan, read_plan
from tidemill.training.sagemaker import requests
from tidemill.training.sagemaker.requests import Place
from tidemill.training.worker import SHARE

Step = Literal["search", "searched", "fit"]
Kind = Literal["lambda", "sagemaker", "try"]

LAMBDA_MB, LAMBDA_SECONDS = 3008, 900
"""Memory and time of the functions that fit models."""
COPIES = 8
"""How often a model's fit holds its data in memory, at most: parts, their sum, the encoded columns, bins."""


@dataclass(frozen=True)
class Choice:
    """Where to compute, and why; `try`: one trial is to be tried by a function first."""

    kind: Kind
    why: str


def choose_compute(
    *,
    project: str,
    run_id: str,
    step: Step,
    execution: str,
    tried: bool,
    place: Place | None,
    objects: ObjectStore,
    index: Index,
) -> dict[str, Any]:
    """`kind` is `lambda`, `try`, `jobs` (with `jobs`, or `job` for the fit) or `tuning` (with `tunings`), and
    `why`. `tried`: a function has tried the first trial, or was killed by it. After the search: whether a person
    `stopped` it.

    Raises RecordNotFound (no such run, or, for the fit, no best trial), ComputeUnavailable (no image for jobs).
    """
    if step == "searched":
        row = index.get(names.pk(project), names.sk_run(run_id)) or {}
        return {"stopped": bool(row.get("stop"))}
    plan = read_plan(objects, project, run_id)
    key = facts.compute_key(project, run_id, step)
    if not objects.exists(key):
        chosen = _for_fit(plan, objects) if step == "fit" else _for_search(plan, objects, tried=tried)
        if chosen.kind == "try":
            return asdict(chosen)
        facts.keep(objects, key, asdict(chosen))
    stands = facts.read(objects, key)
    if stands["kind"] == "lambda":
        return stands
    told = {"why": stands["why"]}
    if place is None:
        raise ComputeUnavailable(
            f"run {run_id!r} is to compute on SageMaker ({stands['why']}), but this stage has no image for its "
            "jobs: deploy with `-c training_image=<ECR image>` (see docs/sagemaker.md), or set `compute: lambda`"
        )
    if step == "fit":
        return {
            "kind": "jobs",
            **told,
            "job": requests.fit_job(plan, place, execution, _best(plan, objects)["algorithm"]),
        }
    if plan.project.search.sampler == "sagemaker":
        done = requests.completed(plan, objects)
        return {"kind": "tuning", **told, "tunings": requests.tuning_jobs(plan, place, execution, done)}
    return {"kind": "jobs", **told, "jobs": requests.slot_jobs(plan, place, execution)}


def _for_search(plan: Plan, objects: ObjectStore, *, tried: bool) -> Choice:
    kind = plan.project.compute.kind
    if kind != "auto":
        return Choice(kind, f"the project file says `compute: {kind}`")
    if large := _too_large(plan):
        return Choice("sagemaker", large)
    try:
        first = facts.read(objects, facts.trial_key(plan.project.name, plan.run_id, 0))
    except RecordNotFound:
        first = {}
    if "seconds" not in first:  # no function, or none that was not killed, has tried it
        if tried or first:
            return Choice("sagemaker", "a function did not come to the end of the first trial")
        return Choice("try", "what a trial takes is not known yet")
    return _by_time(f"trial 0 ({first['algorithm']})", first["seconds"])


def _for_fit(plan: Plan, objects: ObjectStore) -> Choice:
    kind = plan.project.compute.kind
    if kind != "auto":
        return Choice(kind, f"the project file says `compute: {kind}`")
    if large := _too_large(plan):
        return Choice("sagemaker", large)
    best = _best(plan, objects)
    trial = facts.read(objects, facts.trial_key(plan.project.name, plan.run_id, best["trial"]))
    if "instance" in trial:
        return Choice("sagemaker", f"trial {best['trial']} was fitted there ({trial['instance']})")
    return _by_time(f"all rows, by the time of trial {best['trial']}", plan.on_all_rows(trial["seconds"]))


def _best(plan: Plan, objects: ObjectStore) -> facts.JsonObject:
    return facts.read(objects, facts.best_key(plan.project.name, plan.run_id))


def _too_large(plan: Plan) -> str | None:
    """Why a function's memory is not enough; None if it is."""
    rows, columns = plan.rows["train"] + plan.rows["validation"], len(plan.project.inputs()) + 1
    size = rows * columns * 8 * COPIES
    if size <= LAMBDA_MB << 20:
        return None
    needed = f"to fit {rows:,} rows of {columns} columns takes about {size >> 20:,} MB"
    return f"{needed}; a function has {LAMBDA_MB:,}"


def _by_time(what: str, seconds: float) -> Choice:
    most = SHARE * LAMBDA_SECONDS
    if seconds > most:
        return Choice("sagemaker", f"{what}: {seconds:.0f} s; a function should take {most:.0f} at most")
    return Choice("lambda", f"{what}: {seconds:.1f} s; a function may take {most:.0f}")
