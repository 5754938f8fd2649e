"""What the model relies on: permutation importance (Breiman 2001, "Random forests"; Fisher, Rudin & Dominici 2019,
"All models are wrong, but many are useful")."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tidemill.projects import Project
from tidemill.training.evidence.slices import mean_of
from tidemill.training.metrics import Array
from tidemill.training.prepare import Arrays

Ask = Callable[[Arrays], Array]
REPEATS = 5
MOST_ROWS, FEWEST_ROWS = 10_000, 500
MOST_ANSWERS = 5_000_000  # of the model, over all features and repeats


def sampled(rows: Arrays, most: int, seed: int) -> Arrays:
    """At most so many rows, drawn without replacement, in their order."""
    count = len(next(iter(rows.values())))
    if count <= most:
        return rows
    chosen = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return {name: array[chosen] for name, array in rows.items()}


def importance(project: Project, rows: Arrays, ask: Ask, seed: int) -> dict[str, Any]:
    """By how much the metric rises when a feature's values are shuffled among the rows: the mean over REPEATS
    shuffles and their standard deviation, the most important first. Correlated features stand in for each other,
    and share it. On a seeded sample of the rows where there are many."""
    inputs = project.inputs()
    most = max(FEWEST_ROWS, min(MOST_ROWS, MOST_ANSWERS // (len(inputs) * REPEATS)))
    sample, random = sampled(rows, most, seed), np.random.default_rng(seed)
    target = sample[project.target]
    reference = mean_of(project.task, target, ask(sample))
    repeated = {name: np.concatenate([sample[name]] * REPEATS) for name in inputs}
    features: list[dict[str, Any]] = []
    for name in inputs:
        shuffled = np.concatenate([random.permutation(sample[name]) for _ in range(REPEATS)])
        answers = np.split(ask({**repeated, name: shuffled}), REPEATS)
        rises = [mean_of(project.task, target, answer) - reference for answer in answers]
        features.append({"feature": name, "mean": float(np.mean(rises)), "sd": float(np.std(rises, ddof=1))})
    features.sort(key=lambda feature: (-feature["mean"], feature["feature"]))
    return {
        "method": "permutation",
        "metric": project.metric,
        "repeats": REPEATS,
        "rows": len(target),
        "of_rows": len(rows[project.target]),
        "seed": seed,
        "features": features,
    }
