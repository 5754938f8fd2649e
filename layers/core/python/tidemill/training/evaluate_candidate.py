"""EvaluateCandidate: the final model on rows that are later than all it has seen, beside a constant and the
champion.

Writes `evaluation.json`: metrics, paired comparisons, parity of the served form, and the gates with their
verdicts. A candidate that is refused is a result, not a fault.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tidemill.ports import Index, ObjectStore
from tidemill.training import artifacts, facts, gates, metrics, pipeline, served_form
from tidemill.training.champion import Champion, ask_champion
from tidemill.training.plan import Plan, read_plan
from tidemill.training.prepare import Arrays
from tidemill.training.run_trial import part_of

PARITY_ROWS = 500
Predictions = NDArray[np.float64]


def evaluate_candidate(*, project: str, run_id: str, objects: ObjectStore, index: Index) -> dict[str, Any]:
    """Whether the candidate passed, and the key of the evaluation.

    Raises RecordNotFound (no such run, or no final model yet), ArtifactCorrupt (a file is not the recorded one).
    """
    key = facts.evaluation_key(project, run_id)
    if not objects.exists(key):
        plan = read_plan(objects, project, run_id)
        facts.keep(objects, key, _evaluate(plan, objects, index))
    return {"passed": facts.read(objects, key)["passed"], "evaluation_key": key}


def _evaluate(plan: Plan, objects: ObjectStore, index: Index) -> dict[str, Any]:
    holdout = part_of(plan, "holdout", objects)
    digests = facts.read(objects, facts.final_key(plan.project.name, plan.run_id))["sha256"]
    candidate, parity = _ask_candidate(plan, digests, holdout, objects)
    baseline = _ask_baseline(plan, objects)
    champion = ask_champion(plan, holdout, objects=objects, index=index)
    answers = {"candidate": candidate, "baseline": np.full(len(candidate), baseline)}
    if champion is not None and champion.predictions is not None:
        answers["champion"] = champion.predictions
    task, target = plan.project.task, holdout[plan.project.target]
    measured = {who: metrics.measure(task, target, said, plan.threshold) for who, said in answers.items()}
    losses = {who: metrics.losses(task, target, said) for who, said in answers.items()}
    verdicts = gates.waive(_gates(plan, measured, parity, champion), plan.options.waive_gates)
    return {
        "project": plan.project.name,
        "run_id": plan.run_id,
        "dataset_version": plan.dataset_version,
        "metric": plan.metric,
        "threshold": plan.threshold,
        "rows": dict(plan.rows),
        "metrics": measured["candidate"],
        "baseline": {"constant": baseline, "metrics": measured["baseline"]},
        "champion": _described(champion, measured),
        "comparisons": {
            who: metrics.compare(losses["candidate"], losses[who]) for who in losses if who != "candidate"
        },
        "parity": parity,
        "gates": verdicts,
        "passed": gates.passed(verdicts),
        "reason": gates.summary(verdicts),
    }


def _ask_candidate(
    plan: Plan, digests: dict[str, str], holdout: Arrays, objects: ObjectStore
) -> tuple[Predictions, dict[str, Any]]:
    """The candidate's predictions on the holdout, and how far its served form agrees on a sample of it."""
    bodies = {
        file: facts.verified(objects, facts.final_key(plan.project.name, plan.run_id, file), digests[file])
        for file in ("model.skops", "model.onnx")
    }
    model = artifacts.load(bodies["model.skops"], digests["model.skops"])
    trained = pipeline.predict(model, holdout, plan.project.features)
    sample = np.random.default_rng(plan.seed).permutation(len(trained))[:PARITY_ROWS]
    served = served_form.predict(
        bodies["model.onnx"], {name: array[sample] for name, array in holdout.items()}, plan.project
    )
    spread = float(holdout[plan.project.target].std())
    return trained, served_form.parity(served, trained[sample], threshold=plan.threshold, scale=spread)


def _ask_baseline(plan: Plan, objects: ObjectStore) -> float:
    """The best constant for the rows that the candidate was fitted on."""
    fitted_on = [part_of(plan, part, objects)[plan.project.target] for part in ("train", "validation")]
    return metrics.best_constant(np.concatenate(fitted_on))


def _gates(
    plan: Plan, measured: dict[str, metrics.Metrics], parity: dict[str, Any], champion: Champion | None
) -> list[gates.Gate]:
    rules, rows = plan.project.gates, plan.rows["holdout"]
    values = {who: cast(float, found[plan.metric]) for who, found in measured.items()}
    least = {"baseline": rules.over_baseline, "champion": rules.over_champion}
    judged = {
        who: gates.better_than(who, plan.metric, values["candidate"], values[who], least=least[who], rows=rows)
        for who in least
        if who in values
    }
    if champion is None:
        judged["champion"] = gates.no_champion()
    elif champion.predictions is None:
        judged["champion"] = gates.incomparable(champion.obstacle)
    return [
        judged["baseline"],
        judged["champion"],
        gates.agreement(parity["rows"], parity["disagreeing"], most=rules.parity),
        gates.enough_rows(rows, least=rules.holdout_rows),
    ]


def _described(champion: Champion | None, measured: dict[str, metrics.Metrics]) -> dict[str, Any] | None:
    if champion is None:
        return None
    return {
        "model": champion.model,
        "function_version": champion.function_version,
        "metrics": measured.get("champion", {}),
    }
