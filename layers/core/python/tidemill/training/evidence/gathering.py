"""All that is measured of a candidate on the held-out rows, for its record."""

from collections.abc import Mapping
from typing import Any

from tidemill.training import class_metrics, metrics, outputs
from tidemill.training.evidence import class_intervals, paired, slices
from tidemill.training.evidence.calibration import calibration
from tidemill.training.evidence.decisions import decisions
from tidemill.training.evidence.explanation import Ask, importance
from tidemill.training.evidence.fairness import fairness
from tidemill.training.evidence.intervals import intervals
from tidemill.training.evidence.resampling import Resampling
from tidemill.training.evidence.robustness import robustness
from tidemill.training.metrics import Array
from tidemill.training.plan import Plan
from tidemill.training.prepare import Arrays


def gather(plan: Plan, holdout: Arrays, answers: Mapping[str, Array], ask: Ask) -> dict[str, Any]:
    """`intervals`, `comparisons`, `slices`, `calibration` (classification), `fairness`, `importance`,
    `robustness`; of 0 and 1 `decisions`, of named classes `confusion` too.

    `answers` has the predictions of the candidate, the baseline and, where it can be asked, the champion; shape
    [n], or [n, K], each. `ask` gives the candidate's predictions for other rows.
    """
    project, target = plan.project, holdout[plan.project.target]
    how = Resampling(plan.seed, project.gates.block)
    losses = {who: metrics.losses(project.task, target, said) for who, said in answers.items()}
    own = answers["candidate"]
    return {
        "resampling": how.described(len(target)),
        "intervals": _intervals(plan, target, own, how),
        "comparisons": {
            who: _compared(plan, target, answers, losses, who, how) for who in losses if who != "candidate"
        },
        "slices": slices.table(project, holdout, losses, how),
        "calibration": _calibration(plan, target, own),
        "decisions": None
        if plan.threshold is None
        else decisions(target, answers, project.recipe.costs, how, project.gates.confidence),
        **({"confusion": _confusion(plan, target, own)} if project.classes else {}),
        "fairness": fairness(project, holdout, own, plan.threshold),
        "importance": importance(project, holdout, ask, plan.seed),
        "robustness": robustness(project, holdout, ask, plan.seed),
    }


def _intervals(plan: Plan, target: Array, own: Array, how: Resampling) -> dict[str, dict[str, Any]]:
    if outputs.named(own):
        return class_intervals.intervals(target, own, how)
    return intervals(plan.project.task, target, own, plan.threshold, how)


def _calibration(plan: Plan, target: Array, own: Array) -> dict[str, Any] | None:
    if plan.project.task == "regression":
        return None
    found = calibration(*outputs.reliability(target, own))
    return {**found, "of": "the most probable class"} if outputs.named(own) else found


def _confusion(plan: Plan, target: Array, own: Array) -> dict[str, Any]:
    """How many rows of each class (a line each, in the order of `classes`) were taken for each class."""
    return {"classes": list(plan.project.classes), "rows": class_metrics.confusion(target, own).tolist()}


def _compared(
    plan: Plan, target: Array, answers: Mapping[str, Array], losses: Mapping[str, Array], who: str, how: Resampling
) -> dict[str, Any]:
    """The candidate beside another on the same rows: difference of the losses, relative improvement, decisions."""
    project = plan.project
    found = metrics.compare(losses["candidate"], losses[who])
    improved = paired.improvement(project.task, losses["candidate"], losses[who], how, project.gates.confidence)
    compared: dict[str, Any] = {**found, "improvement": improved}
    if project.task == "classification":
        compared["decisions"] = paired.decisions(target, answers["candidate"], answers[who], plan.threshold)
    return compared
