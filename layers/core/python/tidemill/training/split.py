"""Which rows a model is fitted on, chosen on and judged on: train | validation | holdout, the latest last.

Pure functions of numpy arrays; PlanTrials calls them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import RunFailed
from tidemill.training.facts import PARTS

Array = NDArray[Any]


def split(keys: Array, *, validation: float, holdout: float) -> dict[str, Array]:
    """Row numbers of each part, in ascending order of `keys` (one sortable value per row, shape [n]).

    Every row is in exactly one part; no key of a part is in a later one, so that rows of equal key stay
    together. A cut that would part them moves back to the first of them, or, where that would leave nothing
    before it, behind the last. `validation` and `holdout` are shares of all rows. Raises RunFailed if there are
    fewer than three keys.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    rows = len(ordered)
    if len(np.unique(ordered)) < len(PARTS):
        raise RunFailed(
            f"{rows} rows with {len(np.unique(ordered))} different times (or contents) cannot be split into"
            f" {len(PARTS)} parts; upload more data"
        )
    # Two keys must stay before the holdout, or there would be nothing to cut between train and validation.
    second_key = int(np.searchsorted(ordered, ordered[0], side="right"))
    last = _cut(ordered, rows - round(rows * holdout), at_least=second_key + 1)
    first = _cut(ordered[:last], last - round(rows * validation), at_least=1)
    return dict(zip(PARTS, (order[:first], order[first:last], order[last:]), strict=True))


def mixed(hashes: Array, seed: int) -> Array:
    """Keys for rows that have no time: 64-bit content hashes, mixed with the seed (shape [n], uint64).

    A row's place then depends on its content and the seed alone, not on its neighbours: in the next dataset
    version it is (but for a few rows at the cuts) in the same part again, and equal rows are never on two sides.
    The mixing is the finalizer of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
    generators").
    """
    with np.errstate(over="ignore"):
        z = hashes.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _cut(ordered: Array, wanted: int, *, at_least: int) -> int:
    """The place nearest to `wanted`, going back, that parts no equal keys and leaves `at_least` rows before it
    and one behind."""
    wanted = min(max(wanted, at_least), len(ordered) - 1)
    back = int(np.searchsorted(ordered, ordered[wanted], side="left"))
    return back if back >= at_least else int(np.searchsorted(ordered, ordered[wanted], side="right"))
