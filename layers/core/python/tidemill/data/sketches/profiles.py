"""From a sketch to the profile that comparisons read (`tidemill.data.profile`)."""

from tidemill.data.profile import Profile
from tidemill.data.sketches.dataset import DatasetSketch


def to_profile(sketch: DatasetSketch) -> Profile:
    """The profile of the sketched rows, as `build_profile` gives it of the rows themselves: the same (but for the
    rounding of mean and deviation) for columns whose distinct values are all counted; for others, numbers with
    edges at which the distribution function is right on both sides (`NumericSketch.resolution` bounds what that
    costs), and categories with the most frequent of the values counted."""
    return {"columns": {name: column.profile() for name, column in sorted(sketch.columns.items())}}
