"""What a trial is measured by beside its metric: how fast and how large its model is.

Only what the search asks for is measured. Times are of the pipeline in this process, not of the served form, and
differ from run to run.
"""

import time
from collections.abc import Collection

from sklearn.pipeline import Pipeline

from tidemill.training import artifacts, pipeline
from tidemill.training.evidence.costs import latency
from tidemill.training.prepare import Arrays


def measure(wanted: Collection[str], model: Pipeline, rows: Arrays, features: tuple[str, ...]) -> dict[str, float]:
    """`latency_ms`: 95th percentile of the time for one row, in milliseconds; `size_bytes`: of the training-side
    file."""
    found = {}
    if "latency_ms" in wanted:
        taken = latency(rows, lambda row: pipeline.predict(model, row, features), time.perf_counter_ns)
        found["latency_ms"] = float(taken["p95_ms"])
    if "size_bytes" in wanted:
        found["size_bytes"] = float(len(artifacts.save(model)))
    return found
