"""EvaluateCandidate: the final model on rows that are later than all it has seen, beside a constant and the
champion.

Writes `evaluation.json`: metrics, what `evidence` gathers, parity of the served form, costs, and the gates with
their verdicts. A candidate that is refused is a result, not a fault.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.ports import Index, ObjectStore
from tidemill.serving.forms import SKOPS
from tidemill.training import artifacts, facts, fallback, gates, metrics, outputs, pipeline, served_form
from tidemill.training.champion import Champion, ask_champion
from tidemill.training.evidence import costs as measured_costs
from tidemill.training.evidence.gathering import gather
from tidemill.training.judgement import judge
from tidemill.training.plan import Plan, read_plan
from tidemill.training.prepare import Arrays
from tidemill.training.run_trial import part_of

PARITY_ROWS = 500
Predictions = NDArray[np.float64]


def evaluate_candidate(
    *,
    project: str,
    run_id: str,
    objects: ObjectStore,
    index: Index,
    ticks: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, Any]:
    """Whether the candidate passed, and the key of the evaluation. `ticks` gives nanoseconds.

    Raises RecordNotFound (no such run, or no final model yet), ArtifactCorrupt (a file is not the recorded one).
    """
    key = facts.evaluation_key(project, run_id)
    if not objects.exists(key):
        plan = read_plan(objects, project, run_id)
        facts.keep(objects, key, _evaluate(plan, objects, index, ticks))
    return {"passed": facts.read(objects, key)["passed"], "evaluation_key": key}


def _evaluate(plan: Plan, objects: ObjectStore, index: Index, ticks: Callable[[], int]) -> dict[str, Any]:
    holdout = part_of(plan, "holdout", objects)
    final = facts.read(objects, facts.final_key(plan.project.name, plan.run_id))
    digests = final["sha256"]
    bodies = _bodies(plan, digests, objects)
    model = artifacts.load(bodies["model.skops"], digests["model.skops"], final.get("types", ()))
    candidate, parities = _ask_candidate(plan, model, final, bodies, holdout)
    parity = parities["parity"]
    baseline = _ask_baseline(plan, objects)
    champion = ask_champion(plan, holdout, objects=objects, index=index)
    answers = {"candidate": candidate, "baseline": outputs.repeated(baseline, len(candidate))}
    if champion is not None and champion.predictions is not None:
        answers["champion"] = champion.predictions
    task, target = plan.project.task, holdout[plan.project.target]
    measured = {who: metrics.measure(task, target, said, plan.threshold) for who, said in answers.items()}

    inputs, classes = plan.project.inputs(), plan.project.classes

    def ask(rows: Arrays) -> Predictions:
        return pipeline.predict(model, rows, inputs, classes)

    known = gather(plan, holdout, answers, ask)
    costs = {"bytes": measured_costs.sizes(bodies), "latency": measured_costs.latency(holdout, ask, ticks)}
    verdicts = gates.waive(judge(plan, measured, parity, champion, known, costs), plan.options.waive_gates)
    return {
        "project": plan.project.name,
        "run_id": plan.run_id,
        "dataset_version": plan.dataset_version,
        "metric": plan.metric,
        "threshold": plan.threshold,
        "rows": dict(plan.rows),
        "metrics": measured["candidate"],
        "baseline": {"constant": baseline.tolist(), "metrics": measured["baseline"]},
        "champion": _described(champion, measured),
        **parities,
        **known,
        "costs": costs,
        "gates": verdicts,
        "passed": gates.passed(verdicts),
        "reason": gates.summary(verdicts),
    }


def _bodies(plan: Plan, digests: dict[str, str], objects: ObjectStore) -> dict[str, bytes]:
    """The candidate's files, as they were recorded. Raises ArtifactCorrupt."""
    return {
        file: facts.verified(objects, facts.final_key(plan.project.name, plan.run_id, file), digests[file])
        for file in ("model.skops", "model.onnx")
    }


def _ask_candidate(
    plan: Plan, model: Any, final: Mapping[str, Any], bodies: Mapping[str, bytes], holdout: Arrays
) -> tuple[Predictions, dict[str, Any]]:
    """The candidate's predictions on the holdout, and how far its served form agrees on a sample of it: `parity`,
    and of a model that is not served as ONNX its `form`, and why, `parity_of_onnx`."""
    trained = pipeline.predict(model, holdout, plan.project.inputs(), plan.project.classes)
    sample = np.random.default_rng(plan.seed).permutation(len(trained))[:PARITY_ROWS]
    rows = {name: array[sample] for name, array in holdout.items()}
    spread = float(holdout[plan.project.target].std())

    def agreement(served: Predictions) -> dict[str, Any]:
        return served_form.parity(served, trained[sample], threshold=plan.threshold, scale=spread)

    parity = agreement(served_form.predict(bodies["model.onnx"], rows, plan.project))
    if not fallback.wanted(plan.project, parity):
        return trained, {"parity": parity}
    served = agreement(fallback.predict(bodies["model.skops"], rows, plan.project, final))
    form = {"form": SKOPS}
    return trained, {"parity": {**served, **form}, "parity_of_onnx": parity, **form}


def _ask_baseline(plan: Plan, objects: ObjectStore) -> Predictions:
    """The best constant for the rows that the candidate was fitted on, shape [], or [K] of named classes."""
    fitted_on = [part_of(plan, part, objects)[plan.project.target] for part in ("train", "validation")]
    return metrics.best_constant(np.concatenate(fitted_on), plan.project.classes)


def _described(champion: Champion | None, measured: dict[str, metrics.Metrics]) -> dict[str, Any] | None:
    if champion is None:
        return None
    return {
        "model": champion.model,
        "function_version": champion.function_version,
        "metrics": measured.get("champion", {}),
    }
