"""All that is measured of a candidate on the held-out rows, for its record."""

from collections.abc import Mapping
from typing import Any

from tidemill.training import metrics
from tidemill.training.evidence import paired, slices
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
    """`intervals`, `comparisons`, `slices`, `calibration` and `decisions` (classification), `fairness`,
    `importance`, `robustness`.

    `answers` has the predictions of the candidate, the baseline and, where it can be asked, the champion; shape
    [n] each. `ask` gives the candidate's predictions for other rows.
    """
    project, target = plan.project, holdout[plan.project.target]
    how = Resampling(plan.seed, project.gates.block)
    losses = {who: metrics.losses(project.task, target, said) for who, said in answers.items()}
    own = answers["candidate"]
    return {
        "resampling": how.described(len(target)),
        "intervals": intervals(project.task, target, own, plan.threshold, how),
        "comparisons": {
            who: _compared(plan, target, answers, losses, who, how) for who in losses if who != "candidate"
        },
        "slices": slices.table(project, holdout, losses, how),
        "calibration": calibration(target, own) if project.task == "classification" else None,
        "decisions": decisions(target, answers, project.recipe.costs, how, project.gates.confidence)
        if project.task == "classification"
        else None,
        "fairness": fairness(project, holdout, own, plan.threshold),
        "importance": importance(project, holdout, ask, plan.seed),
        "robustness": robustness(project, holdout, ask, plan.seed),
    }


def _compared(
    plan: Plan, target: Array, answers: Mapping[str, Array], losses: Mapping[str, Array], who: str, how: Resampling
) -> dict[str, Any]:
    """The candidate beside another on the same rows: difference of the losses, relative improvement, decisions."""
    project = plan.project
    found = metrics.compare(losses["candidate"], losses[who])
    improved = paired.improvement(project.task, losses["candidate"], losses[who], how, project.gates.confidence)
    compared: dict[str, Any] = {**found, "improvement": improved}
    if plan.threshold is not None:
        compared["decisions"] = paired.decisions(target, answers["candidate"], answers[who], plan.threshold)
    return compared
