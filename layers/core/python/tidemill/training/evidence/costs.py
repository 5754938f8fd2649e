"""What the model costs to keep and to ask: bytes, and the time for one row."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tidemill.training.evidence.explanation import Ask
from tidemill.training.prepare import Arrays

CALLS, WARM_UP = 100, 3
MEASURED = (
    "the scikit-learn pipeline, one row a call, in the function that evaluates; the served ONNX form runs in"
    " onnxruntime, which does not fit into that function, and is as a rule faster"
)

Ticks = Callable[[], int]


def sizes(bodies: Mapping[str, bytes]) -> dict[str, int]:
    """The bytes of each form of the model, by its file."""
    return {name: len(body) for name, body in bodies.items()}


def latency(rows: Arrays, ask: Ask, ticks: Ticks) -> dict[str, Any]:
    """Milliseconds for one row: median and 95th percentile over CALLS calls, after WARM_UP. `ticks` gives
    nanoseconds. Times are measured, and differ from run to run: nothing else in the evaluation does."""
    count = len(next(iter(rows.values())))
    singles = [{name: array[i : i + 1] for name, array in rows.items()} for i in range(min(count, CALLS))]
    for single in singles[:WARM_UP]:
        ask(single)
    taken = []
    for call in range(CALLS):
        start = ticks()
        ask(singles[call % len(singles)])
        taken.append((ticks() - start) / 1e6)
    p50, p95 = np.quantile(taken, [0.5, 0.95])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "calls": CALLS, "measured": MEASURED}
