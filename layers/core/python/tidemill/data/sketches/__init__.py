"""The mergeable profile of a data set: what stands for rows in comparisons, built while they stream by.

Each sketch is a deterministic function of the multiset of its values. Batches in any size and parts merged in any
order or tree give equal `to_json`, and canonical JSON that is equal to the byte:

- `NumericSketch`, `TimestampSketch`: an adaptive histogram (`histogram`), exact sums (`moments`), extremes;
- `CategorySketch`: rows of each value, of a sample by hash once there are too many;
- `DistinctSketch`: distinct and duplicate rows or keys, by hash;
- `DatasetSketch`: all columns and the rows.

JSON forms carry `form: 1`. Arrays in them are packed text (`packed`). `to_profile` gives what
`tidemill.monitoring` compares.
"""

from tidemill.data.sketches.categories import CategorySketch
from tidemill.data.sketches.dataset import DatasetSketch, Sketch, empty_sketch, row_hashes
from tidemill.data.sketches.distinct import DistinctSketch
from tidemill.data.sketches.numeric import NumericSketch
from tidemill.data.sketches.packed import SketchInvalid
from tidemill.data.sketches.profiles import to_profile
from tidemill.data.sketches.times import TimestampSketch

__all__ = [
    "CategorySketch",
    "DatasetSketch",
    "DistinctSketch",
    "NumericSketch",
    "Sketch",
    "SketchInvalid",
    "TimestampSketch",
    "empty_sketch",
    "row_hashes",
    "to_profile",
]
