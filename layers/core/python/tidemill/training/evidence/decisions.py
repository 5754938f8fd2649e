"""What the decisions cost: the probabilities cut at the recipe's threshold, a wrong one at its price."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tidemill.projects.recipe import Costs
from tidemill.training.evidence import paired
from tidemill.training.evidence.resampling import Resampling, limits, replicated
from tidemill.training.metrics import Array

CUTS = np.linspace(0, 1, 101)


def decisions(
    target: Array, answers: Mapping[str, Array], costs: Costs, how: Resampling, confidence: float
) -> dict[str, Any]:
    """The mean cost of a row's decision: of the candidate (95 % interval) and of the others, of always and never
    deciding for class 1, and by how much the candidate's is lower than each (paired bootstrap, as
    `paired.improvement`). `least` is the threshold that would have cost the candidate least on these very rows:
    far from the recipe's, its probabilities are not calibrated (Elkan 2001). Shapes [n]."""
    paid = {who: _paid(target, said >= costs.threshold, costs) for who, said in answers.items()}
    paid["always"], paid["never"] = (_paid(target, np.full(len(target), said), costs) for said in (True, False))
    own = paid["candidate"]
    sums = replicated(np.column_stack([own, np.ones(len(own))]), how)
    low, high = limits(sums[:, 0] / sums[:, 1])
    found = {
        who: {
            "cost": float(each.mean()),
            "improvement": paired.improvement("classification", own, each, how, confidence),
        }
        for who, each in paid.items()
        if who != "candidate"
    }
    return {
        **costs.model_dump(),
        "threshold": costs.threshold,
        "cost": float(own.mean()),
        "low": low,
        "high": high,
        "least": _least(target, answers["candidate"], costs),
        "others": found,
    }


def _paid(target: Array, said: Array, costs: Costs) -> Array:
    """The cost of each row's decision, shape [n]."""
    positive = target == 1
    paid: Array = costs.false_positive * (said & ~positive) + costs.false_negative * (~said & positive)
    return paid


def _least(target: Array, chance: Array, costs: Costs) -> dict[str, float]:
    """Of a hundred thresholds, the cheapest, and what it costs; of equal ones, the middle."""
    found = np.array([_paid(target, chance >= cut, costs).mean() for cut in CUTS])
    cheapest = np.flatnonzero(found <= found.min() * (1 + 1e-12))
    best = int(cheapest[len(cheapest) // 2])
    return {"threshold": float(CUTS[best]), "cost": float(found[best])}
