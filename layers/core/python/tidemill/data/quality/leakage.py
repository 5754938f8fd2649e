"""Target leakage: a feature that determines the target, and would not be known when a prediction is asked for.

An observer of the pass over an upload looks at the first rows. It suspects a feature

- whose equal values always come with equal targets, although chance would have made at least EXPECTED rows differ
  (a row whose feature value was seen before, with targets drawn independently of it, differs from the first with
  probability 1 - the sum of squared class shares: Simpson 1949, "Measurement of diversity");
- or, where the target has two classes, whose values of one class all lie below those of the other.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.formats.blocks import Block
from tidemill.data.quality.faults import Fault
from tidemill.data.sketches.dataset import row_hashes
from tidemill.projects import Kind, Project

ROWS = 200_000
"""Rows that are looked at: what determines the target in so many determines it."""
EXPECTED = 30.0
LEAST_ROWS = 100


class Leakage:
    """Gathers hashes of features and targets, and says in the end which features are suspect."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._begin()

    def _begin(self) -> None:
        self._rows = 0
        self._targets: list[NDArray[np.float64]] = []
        self._hashes: dict[str, list[NDArray[np.uint64]]] = {name: [] for name in self._project.features}
        self._numbers: dict[str, list[NDArray[np.float64]]] = {}

    def restart(self) -> None:
        self._begin()

    @property
    def full(self) -> bool:
        """Whether no further rows are looked at."""
        return self._rows >= ROWS

    def every(self, block: Block) -> None:
        """Rows that break rules teach nothing."""

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:  # noqa: ARG002  (the rules have them)
        """Take the first rows in."""
        if self.full or self._project.target not in rows.schema.names:
            return
        first = rows.slice(0, ROWS - self._rows)
        self._rows += first.num_rows
        self._targets.append(_numbers(first.column(self._project.target), self._project.classes))
        for name in self._hashes:
            if name in first.schema.names:
                self._hashes[name].append(row_hashes(first, [name]))
                if self._project.columns[name].type.numeric:
                    values = first.column(name).to_numpy(zero_copy_only=False)
                    self._numbers.setdefault(name, []).append(values)

    def faults(self) -> list[Fault]:
        """The suspects."""
        if self._rows < LEAST_ROWS:
            return []
        target = np.concatenate(self._targets)
        return [fault for name in self._hashes if (fault := self._suspect(name, target)) is not None]

    def _suspect(self, name: str, target: NDArray[np.float64]) -> Fault | None:
        if not self._hashes[name]:
            return None
        known = np.isfinite(target)
        classes = self._project.task == "classification" and name in self._numbers
        if determines(np.concatenate(self._hashes[name])[known], target[known]):
            why = "equal values always come with the same target"
        elif classes and separates(np.concatenate(self._numbers[name])[known], target[known]):
            why = "the values of one class all lie below those of the other"
        else:
            return None
        message = (
            f"feature {name!r} determines the target in {int(known.sum())} rows: {why}; leave it out if it is not"
            " known when a prediction is asked for"
        )
        return Fault("target_leak", name, message)


def _numbers(target: pa.Array, classes: Sequence[str]) -> NDArray[np.float64]:
    """The target as numbers, NaN where it is missing; named classes by their place."""
    if classes:
        target = pc.cast(pc.index_in(target, value_set=pa.array(classes, target.type)), pa.float64())
    numbers: NDArray[np.float64] = target.to_numpy(zero_copy_only=False)
    return numbers


def determines(feature: NDArray[np.uint64], target: NDArray[np.float64]) -> bool:
    """Whether equal features have equal targets, in more rows than chance explains. Both of shape [rows]."""
    classes, counts = np.unique(target, return_counts=True)
    if classes.size < 2:
        return False
    order = np.lexsort((target, feature))
    same = feature[order][1:] == feature[order][:-1]
    differ = same & (target[order][1:] != target[order][:-1])
    diversity = 1 - float(np.sum((counts / counts.sum()) ** 2))
    return bool(not differ.any() and same.sum() * diversity >= EXPECTED)


def separates(feature: NDArray[np.float64], target: NDArray[np.float64]) -> bool:
    """Whether a threshold of the feature tells two classes apart, both with enough rows. Both of shape [rows]."""
    classes = np.unique(target)
    if classes.size != 2:
        return False
    known = np.isfinite(feature)
    low, high = (feature[known & (target == value)] for value in classes)
    if min(low.size, high.size) < EXPECTED:
        return False
    return bool(low.max() < high.min() or high.max() < low.min())
