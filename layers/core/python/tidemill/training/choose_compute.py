"""ChooseCompute: whether the search, or the final fit, runs on Lambda or on SageMaker, and what is asked of it.

Called before the search, after SageMaker's part of it, and before the final fit. Writes nothing.
"""

from typing import Any, Literal

from tidemill import names
from tidemill.errors import ComputeUnavailable
from tidemill.ports import Index, ObjectStore
from tidemill.training import facts
from tidemill.training.plan import Plan, read_plan
from tidemill.training.sagemaker import requests
from tidemill.training.sagemaker.requests import Place

Step = Literal["search", "searched", "fit"]

LAMBDA_BYTES = 3008 << 20
"""Memory of the functions that fit models."""
COPIES = 8
"""How often a model's fit holds its data in memory, at most: parts, their sum, the encoded columns, bins."""
LAMBDA_SECONDS = 900
SHARE = 0.6
"""The part of a function's time that a fit is planned to take at most."""


def choose_compute(
    *,
    project: str,
    run_id: str,
    step: Step,
    execution: str,
    place: Place | None,
    objects: ObjectStore,
    index: Index,
) -> dict[str, Any]:
    """`kind` is `lambda`, `jobs` (with `jobs`, or `job` for the fit) or `tuning` (with `tunings`), and `why`.
    After the search: whether a person `stopped` it.

    Raises RecordNotFound (no such run, or, for the fit, no best trial), ComputeUnavailable (no image for jobs).
    """
    if step == "searched":
        row = index.get(names.pk(project), names.sk_run(run_id)) or {}
        return {"stopped": bool(row.get("stop"))}
    plan = read_plan(objects, project, run_id)
    why = _why_sagemaker(plan, _seconds(plan, objects) if step == "fit" else None)
    if why is None:
        return {"kind": "lambda", "why": "it is within what a function can do"}
    if place is None:
        raise ComputeUnavailable(
            f"run {run_id!r} is to compute on SageMaker ({why}), but this stage has no image for its jobs: deploy "
            "with `-c training_image=<ECR image>` (see docs/sagemaker.md), or set `compute: lambda`"
        )
    if step == "fit":
        return {"kind": "jobs", "why": why, "job": requests.fit_job(plan, place, execution)}
    if plan.project.search.sampler == "sagemaker":
        return {"kind": "tuning", "why": why, "tunings": requests.tuning_jobs(plan, place, execution)}
    return {"kind": "jobs", "why": why, "jobs": requests.slot_jobs(plan, place, execution)}


def _why_sagemaker(plan: Plan, seconds: float | None) -> str | None:
    """Why SageMaker; None for Lambda. `seconds`: what the best trial took."""
    kind = plan.project.compute.kind
    if kind == "sagemaker":
        return "the project file says so"
    if kind == "lambda":
        return None
    rows, columns = plan.rows["train"] + plan.rows["validation"], len(plan.project.features) + 1
    size = rows * columns * 8 * COPIES
    if size > LAMBDA_BYTES:
        return (
            f"to fit {rows} rows of {columns} columns takes {size >> 20} MB; a function has {LAMBDA_BYTES >> 20}"
        )
    if seconds is None:
        return None
    expected = seconds * rows / plan.rows["train"]
    if expected > SHARE * LAMBDA_SECONDS:
        return (
            f"a trial took {seconds:.0f} s, so all {rows} rows take {expected:.0f} s; a function should take "
            f"{SHARE * LAMBDA_SECONDS:.0f} at most"
        )
    return None


def _seconds(plan: Plan, objects: ObjectStore) -> float | None:
    """How long the best trial took."""
    best = facts.read(objects, facts.best_key(plan.project.name, plan.run_id))
    trial = facts.read(objects, facts.trial_key(plan.project.name, plan.run_id, best["trial"]))
    seconds: float | None = trial.get("seconds")
    return seconds
