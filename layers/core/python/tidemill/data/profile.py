"""The profile of a set of rows: a compact, JSON-able summary that stands for them in comparisons.

Training writes it beside the model (`profile.json`), the data stage compares dataset versions by it, monitoring
compares captured predictions with it. A few kilobytes per column replace the rows, and are still fine enough for
the population stability index and the Kolmogorov-Smirnov statistic (`tidemill.monitoring.drift`).

The form is `{"columns": {name: …}}`, and per column:

- number, integer: `count` (rows with a value), `missing`, `mean`, `std` (population), `min`, `max`, `edges`
  (values that occur, ascending), `at` (rows equal to each edge), `below` (rows strictly between the edge before
  and this one). So the empirical distribution function is known on both sides of every edge. A column of at most
  EDGES distinct values is kept whole (`below` is all zero); else the edges are its quantiles, and no gap between
  two edges holds more than 1/(EDGES - 1) of the rows.
- category: `count`, `missing`, `distinct`, `values` (rows of each of the VALUES most frequent), `tail` (the rest).
- timestamp: `count`, `missing`, `min`, `max`, as they come (ISO 8601 text orders itself).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.projects import Kind

EDGES = 256
VALUES = 200
PREDICTION = "@prediction"
"""The column of a model's profile that holds its predictions on rows it was not fitted to: the probability of
class 1 (classification) or the predicted value (regression), of kind `number`; or the predicted class, of kind
`category`, where classes have names."""

Array = NDArray[Any]
Profile = dict[str, Any]


def build_profile(columns: Mapping[str, Array], kinds: Mapping[str, Kind]) -> Profile:
    """The profile of `columns` (one array per column, of any length), as a JSON object.

    Numeric columns are float arrays with NaN for missing (infinities count as missing, too); others are text
    arrays with "" or None for missing. A column of which `kinds` does not say the kind is left out.
    """
    return {"columns": {name: _column(values, kinds[name]) for name, values in columns.items() if name in kinds}}


def numeric_profile(values: Array, kind: Kind = Kind.NUMBER, *, edges: int | None = EDGES) -> Profile:
    """The profile of one numeric column; with `edges=None` every distinct value is an edge, however many."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    present = np.sort(numbers[np.isfinite(numbers)])
    profile: Profile = {
        "kind": kind.value,
        "count": int(present.size),
        "missing": int(numbers.size - present.size),
    }
    if present.size == 0:
        return {**profile, "mean": None, "std": None, "min": None, "max": None, "edges": [], "at": [], "below": []}
    marks = _edges(present, edges)
    before = np.searchsorted(present, marks, side="left")
    through = np.searchsorted(present, marks, side="right")
    return {
        **profile,
        "mean": float(present.mean()),
        "std": float(present.std()),
        "min": float(present[0]),
        "max": float(present[-1]),
        "edges": marks.tolist(),
        "at": (through - before).tolist(),
        "below": (before - np.concatenate(([0], through[:-1]))).tolist(),
    }


def category_profile(values: Array, *, top: int | None = VALUES) -> Profile:
    """The profile of one category column; with `top=None` every value is named, however many."""
    text = _text(np.asarray(values).ravel())
    names, counts = np.unique(text[text != ""], return_counts=True)
    order = np.lexsort((names, -counts))
    named = order[:top]
    return {
        "kind": Kind.CATEGORY.value,
        "count": int(counts.sum()),
        "missing": int(np.count_nonzero(text == "")),
        "distinct": int(names.size),
        "values": {str(names[i]): int(counts[i]) for i in named},
        "tail": int(counts.sum() - counts[named].sum()),
    }


def _column(values: Array, kind: Kind) -> Profile:
    if kind.numeric:
        return numeric_profile(values, kind)
    return category_profile(values) if kind is Kind.CATEGORY else _timestamp_profile(values)


def _timestamp_profile(values: Array) -> Profile:
    present = [
        str(value) for value in np.asarray(values).ravel() if value is not None and str(value) not in _NO_TIME
    ]
    return {
        "kind": Kind.TIMESTAMP.value,
        "count": len(present),
        "missing": int(np.size(values)) - len(present),
        "min": min(present, default=None),
        "max": max(present, default=None),
    }


_NO_TIME = {"", "NaT", "nan"}


def _text(values: Array) -> Array:
    if values.dtype.kind == "U":
        return values
    return np.asarray(["" if value is None or value != value else str(value) for value in values], dtype=np.str_)


def _edges(present: Array, limit: int | None) -> Array:
    """Ascending distinct values of the sorted `present`: all of them, or its `limit` evenly spaced quantiles
    (the inverse of the empirical distribution function: definition 1 of Hyndman & Fan 1996)."""
    distinct: Array = np.unique(present)
    if limit is None or distinct.size <= limit:
        return distinct
    ranks = np.ceil(np.linspace(0, 1, limit) * present.size).astype(int) - 1
    return np.unique(present[np.maximum(ranks, 0)])
