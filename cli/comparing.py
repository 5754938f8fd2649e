"""Two or more runs side by side: what differs between them, as plain JSON objects. `runs compare` shows it."""

from collections.abc import Sequence
from typing import Any

from cli import experiment
from cli.importance import importances
from tidemill.ports import Index, ObjectStore

Facts = dict[str, Any]
LESS_IS_BETTER = {"log_loss", "rmse", "mae", "brier"}
MORE_IS_BETTER = {"roc_auc", "accuracy", "precision", "recall", "f1", "r2"}
_RUN = ("run_id", "state", "reason", "dataset_version", "model_version", "rows", "at", "ended_at", "seconds")


def compare(index: Index, objects: ObjectStore, project: str, run_ids: Sequence[str]) -> Facts:
    """`{project, runs, parameters, metrics, gates, made_with, notes}`.

    Each row of `parameters`, `metrics`, `gates` and `made_with` is `{what, values, same}` with a value for each
    run; a metric's has also `differences` to the first run, and `better` (`less`, `more` or None). `notes` say
    what makes a comparison weak. Raises NotFound.
    """
    found = [experiment.of(index, objects, project, run_id) for run_id in run_ids]
    return {
        "project": project,
        "runs": [_run(each) for each in found],
        "parameters": _rows([{**(each["best"] or {}).get("parameters", {})} for each in found]),
        "metrics": [_metric(row) for row in _rows([each.get("metrics") or {} for each in found])],
        "gates": _rows([_verdicts(each) for each in found]),
        "made_with": _rows([each["made_with"] or {} for each in found]),
        "notes": _notes(found),
    }


def _run(found: Facts) -> Facts:
    best = found["best"] or {}
    return {
        **{name: found.get(name) for name in _RUN},
        "metric": found["metric"],
        "trial": best.get("trial"),
        "algorithm": best.get("algorithm"),
        "value": best.get("value"),
        "counts": found["counts"],
        "cost": found["cost"],
        "trials": found["trials_done"],
        "importance": importances(found["trials_done"]),
        "slices": ((found["evaluation"] or {}).get("slices") or {}).get("slices", []),
    }


def _rows(columns: list[Facts]) -> list[Facts]:
    """A row for each name that a column has, in the order in which they first come."""
    every = dict.fromkeys(name for column in columns for name in column)
    rows = []
    for name in every:
        values = [column.get(name) for column in columns]
        rows.append({"what": name, "values": values, "same": all(value == values[0] for value in values)})
    return rows


def _metric(row: Facts) -> Facts:
    first, *_ = row["values"]
    differences = [None if None in (value, first) else value - first for value in row["values"]]
    better = "less" if row["what"] in LESS_IS_BETTER else "more" if row["what"] in MORE_IS_BETTER else None
    return {**row, "differences": differences, "better": better}


def is_gain(row: Facts, run: int) -> bool | None:
    """Whether a metric of that run is better than the first run's; None where it is neither, or not known."""
    difference = row["differences"][run]
    if not difference or row["better"] is None:
        return None
    return bool((difference < 0) == (row["better"] == "less"))


def _verdicts(found: Facts) -> Facts:
    return {gate["gate"]: gate.get("verdict") for gate in (found["evaluation"] or {}).get("gates", [])}


def _notes(found: list[Facts]) -> list[str]:
    notes = []
    if len({each["holdout"] for each in found if each["holdout"]}) > 1:
        notes.append(
            "the runs were evaluated on different held-out rows: their metrics differ by that as well, and only"
            " the gates compare models on the same rows"
        )
    if len({each["metric"] for each in found if each["metric"]}) > 1:
        notes.append("the trials' values are not of the same metric")
    without = [each["run_id"] for each in found if not each["evaluation"]]
    if without:
        notes.append(f"not evaluated: {', '.join(without)}")
    return notes
