"""What a trial is measured by beside its metric: how fast and how large its model is.

Only what the search asks for is measured. Times are of the pipeline in this process, not of the served form, and
differ from run to run.
"""

import time
from collections.abc import Collection

from sklearn.pipeline import Pipeline

from tidemill.projects import Project
from tidemill.training import artifacts, pipeline
from tidemill.training.evidence.costs import latency
from tidemill.training.evidence.fairness import fairness
from tidemill.training.metrics import Array
from tidemill.training.prepare import Arrays


def measure(
    wanted: Collection[str], model: Pipeline, rows: Arrays, predictions: Array, project: Project
) -> dict[str, float]:
    """`latency_ms`: 95th percentile of the time for one row, in milliseconds; `size_bytes`: of the training-side
    file; `fairness_gap`: of `predictions` for `rows`."""
    found = {}
    if "latency_ms" in wanted:
        inputs, classes = project.inputs(), project.classes

        def ask(row: Arrays) -> Array:
            return pipeline.predict(model, row, inputs, classes)

        taken = latency(rows, ask, time.perf_counter_ns)
        found["latency_ms"] = float(taken["p95_ms"])
    if "size_bytes" in wanted:
        found["size_bytes"] = float(len(artifacts.save(model)))
    if "fairness_gap" in wanted:
        found["fairness_gap"] = fairness_gap(project, rows, predictions)
    return found


def fairness_gap(project: Project, rows: Arrays, predictions: Array) -> float:
    """The largest difference between two groups of a sensitive column in the rate of true or of false positives
    (equalised odds; `evidence.fairness` has the source); 0 if no two groups can be compared."""
    gaps = [
        column.get(f"{rate}_positive_difference") or 0.0
        for column in fairness(project, rows, predictions, project.threshold)
        for rate in ("true", "false")
    ]
    return float(max(gaps, default=0.0))
