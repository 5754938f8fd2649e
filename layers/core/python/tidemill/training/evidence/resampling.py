"""The bootstrap: how far a figure would move if other rows of the same kind had been held out.

Rows are resampled with replacement (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", ch. 6), limits
are percentiles (ch. 13). Only sums over rows are resampled, as a matrix product, so that all metrics of all
models come from the same draws: comparisons are paired.

Neighbouring rows may be resampled together, in blocks that do not overlap (Carlstein 1986, "The use of subseries
values for estimating the variance of a general statistic from a stationary sequence"): rows of one storm are not
as many proofs. Blocks also bound the work: there are at most MOST_BLOCKS, whatever the number of rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.training.metrics import Array

MOST_BLOCKS = 10_000
FEWEST_BLOCKS = 20  # with fewer, blocks are made smaller: one block alone would never vary
LEVEL = 0.95  # of two-sided intervals
_AT_ONCE = 2_000_000  # draws in memory


@dataclass(frozen=True)
class Resampling:
    """How to resample: `block` neighbouring rows at a time, `replicates` times, from `seed`."""

    seed: int
    block: int = 1
    replicates: int = 1000

    def size(self, rows: int) -> int:
        """The rows of a block, for so many rows."""
        wanted = max(self.block, -(-rows // MOST_BLOCKS))
        return max(1, min(wanted, rows // FEWEST_BLOCKS))

    def described(self, rows: int) -> dict[str, Any]:
        return {
            "method": "percentile bootstrap",
            "seed": self.seed,
            "replicates": self.replicates,
            "block_rows": self.size(rows),
        }


def replicated(columns: Array, how: Resampling) -> NDArray[np.float64]:
    """The sums of the columns (shape [n, k], in the order of time) over each replicate's rows; shape
    [replicates, k]. The last column may be ones, to count the rows."""
    rows = len(columns)
    starts = np.arange(0, rows, how.size(rows))
    sums = np.add.reduceat(np.asarray(columns, dtype=np.float64), starts, axis=0)
    blocks, random = len(sums), np.random.default_rng(how.seed)
    chunk = max(1, _AT_ONCE // blocks)
    found = np.empty((how.replicates, sums.shape[1]))
    for first in range(0, how.replicates, chunk):
        count = min(chunk, how.replicates - first)
        draws = random.integers(0, blocks, (count, blocks)) + blocks * np.arange(count)[:, None]
        weights = np.bincount(draws.ravel(), minlength=count * blocks).reshape(count, blocks)
        found[first : first + count] = weights.astype(np.float64) @ sums
    return found


def limits(values: Array, level: float = LEVEL) -> tuple[float | None, float | None]:
    """The two-sided percentile interval of a statistic's replicates (shape [replicates]); None where the statistic
    is not defined in more than a tenth of them."""
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * len(values):
        return None, None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def limit(values: Array, probability: float) -> float | None:
    """One percentile, the one-sided confidence limit; None as in `limits`."""
    defined = values[np.isfinite(values)]
    return float(np.quantile(defined, probability)) if len(defined) >= 0.9 * len(values) else None
