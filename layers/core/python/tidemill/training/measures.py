"""What a trial is measured by beside its metric: how fast and how large its model is.

Only what the search asks for is measured. Times are of the pipeline in this process, not of the served form, and
differ from run to run.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from tidemill.training import artifacts, pipeline
from tidemill.training.prepare import Arrays

ROWS, WARM_UP = 60, 5


def measure(wanted: Iterable[str], model: Pipeline, rows: Arrays, features: tuple[str, ...]) -> dict[str, float]:
    """`latency_ms`: 95th percentile of the time for one row, in milliseconds, over ROWS rows; `size_bytes`: of the
    training-side file."""
    found: dict[str, Callable[[], float]] = {
        "latency_ms": lambda: _latency(model, rows, features),
        "size_bytes": lambda: float(len(artifacts.save(model))),
    }
    return {name: found[name]() for name in sorted(set(wanted) & found.keys())}


def _latency(model: Pipeline, rows: Arrays, features: tuple[str, ...]) -> float:
    count = len(next(iter(rows.values())))
    taken: list[float] = []
    for number in range(ROWS + WARM_UP):
        row: dict[str, Any] = {name: array[number % count : number % count + 1] for name, array in rows.items()}
        begun = time.perf_counter()
        pipeline.predict(model, row, features)
        taken.append(time.perf_counter() - begun)
    return float(np.percentile(taken[WARM_UP:], 95) * 1000)
