"""Two models on the same rows: how much better one is, and how sure that is."""

from typing import Any

import numpy as np
from scipy import stats

from tidemill.training import outputs
from tidemill.training.evidence.resampling import LEVEL, Resampling, limit, limits, replicated
from tidemill.training.metrics import Array


def improvement(
    task: str, candidate: Array, reference: Array, how: Resampling, confidence: float
) -> dict[str, Any] | None:
    """The relative improvement of the metric (log_loss or rmse), from both models' losses on the same rows (shape
    [n] each): the estimate, its one-sided `lower` and `upper` limits with `confidence` each, and the two-sided
    interval. By paired bootstrap: both models are measured on the same draws. None if the reference loses nothing:
    nothing can be lower than that."""
    if not reference.sum() > 0:
        return None
    estimate = float(_relative(task, candidate.sum(), reference.sum()))
    sums = replicated(np.column_stack([candidate, reference]), how)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = _relative(task, sums[:, 0], sums[:, 1])
    low, high = limits(values)
    return {
        "rows": len(candidate),
        "estimate": estimate,
        "lower": limit(values, 1 - confidence),
        "upper": limit(values, confidence),
        "confidence": confidence,
        "low": low,
        "high": high,
        "level": LEVEL,
    }


def _relative(task: str, candidate: Any, reference: Any) -> Any:
    """1 - the ratio of the metrics: losses are squared errors for regression, whose metric is the root."""
    ratio = candidate / reference
    return 1 - (np.sqrt(ratio) if task == "regression" else ratio)


def decisions(target: Array, candidate: Array, reference: Array, threshold: float | None) -> dict[str, Any]:
    """McNemar's comparison of two classifiers' decisions, at `threshold` or for the most probable class: on how
    many rows the one alone is right, and the other alone."""
    own, other = (outputs.right(target, said, threshold) for said in (candidate, reference))
    better, worse = int((own & ~other).sum()), int((~own & other).sum())
    return {"only_candidate_right": better, "only_reference_right": worse, **mcnemar(better, worse)}


def mcnemar(one: int, other: int) -> dict[str, float]:
    """Two-sided p-values of the hypothesis that discordant pairs fall to either side alike: exact conditional, and
    mid-p, which is less conservative (Fagerland, Lydersen & Laake 2013, "The McNemar test for binary matched-pairs
    data: mid-p and asymptotic are better than exact conditional")."""
    pairs, fewer = one + other, min(one, other)
    if not pairs:
        return {"exact_p": 1.0, "mid_p": 1.0}
    exact = min(1.0, 2 * float(stats.binom.cdf(fewer, pairs, 0.5)))
    point = float(stats.binom.pmf(fewer, pairs, 0.5))
    # With equal counts both tails have the middle, and 1 - P(X = middle) / 2 is half of each tail's overlap.
    mid = 1 - point / 2 if one == other else exact - point
    return {"exact_p": exact, "mid_p": mid}
