"""The sketch of a column of categories or text: rows of each value, lengths in characters.

Called by `dataset`. Up to CAP distinct values all are counted; beyond, those whose hash begins with `level` zero
bits (`distinct` tells of the method). The kept values are the same in any two sketches of one level, so that what
is compared is compared value by value. Empty text is missing, as in profiles. Of a text longer than LONGEST
characters the beginning is stored, with a digest of the whole.
"""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.profile import VALUES, Profile
from tidemill.data.sketches.distinct import begins_with_zeros, estimate, level_for
from tidemill.data.sketches.hashing import hash_text, is_text
from tidemill.projects import Kind

Array = NDArray[Any]
CAP = 4096
LONGEST = 100


class CategorySketch:
    """`count` rows with text, `missing` without; `values`: rows of each value kept; lengths in characters."""

    kind = Kind.CATEGORY

    def __init__(self) -> None:
        self.count = self.missing = self.level = 0
        self.values: dict[str, int] = {}
        self.shortest: int | None = None
        self.longest: int | None = None
        self.characters = 0

    def update(self, values: pa.Array) -> None:
        """Add an Arrow array of text, plain or dictionary-encoded, null for missing."""
        values, counts = _counted(values, sampled=self.level > 0)
        lengths = pc.utf8_length(values).to_numpy().astype(np.int64)
        filled = int(np.dot(counts, lengths > 0))
        self.missing += int(counts.sum()) - filled
        if not filled:
            return
        self.count += filled
        self.characters += int(np.dot(counts, lengths))
        present = lengths[lengths > 0]
        self._lengths(int(present.min()), int(present.max()))
        self._add(_shortened(values, lengths), np.where(lengths > 0, counts, 0))

    def merge(self, other: "CategorySketch") -> None:
        """Add the rows of another sketch, which is left as it is."""
        self.count += other.count
        self.missing += other.missing
        self.characters += other.characters
        if other.shortest is not None and other.longest is not None:
            self._lengths(other.shortest, other.longest)
        level = max(self.level, other.level)
        self._shrink(level)
        self._collect(_sampled(other.values, level))
        self._shrink(level)

    @property
    def exact(self) -> bool:
        """Whether every value is counted."""
        return self.level == 0

    @property
    def distinct(self) -> int:
        """How many distinct values there are; exact while every value is counted."""
        return estimate(self.count, np.array(list(self.values.values()), dtype=np.int64), self.level).distinct

    def profile(self, top: int | None = VALUES) -> Profile:
        """The column's profile (`tidemill.data.profile`): the `top` most frequent of the values counted."""
        ranked = sorted(self.values.items(), key=lambda item: (-item[1], item[0]))[:top]
        return {
            "kind": self.kind.value,
            "count": self.count,
            "missing": self.missing,
            "distinct": self.distinct,
            "values": dict(ranked),
            "tail": self.count - sum(count for _, count in ranked),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "count": self.count,
            "missing": self.missing,
            "level": self.level,
            "values": self.values,
            "length": {"min": self.shortest, "max": self.longest, "sum": self.characters},
        }

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> "CategorySketch":
        sketch, length = cls(), form["length"]
        sketch.count, sketch.missing, sketch.level = form["count"], form["missing"], form["level"]
        sketch.values = dict(form["values"])
        sketch.shortest, sketch.longest, sketch.characters = length["min"], length["max"], length["sum"]
        return sketch

    def _lengths(self, shortest: int, longest: int) -> None:
        self.shortest = shortest if self.shortest is None else min(self.shortest, shortest)
        self.longest = longest if self.longest is None else max(self.longest, longest)

    def _add(self, values: pa.Array, counts: Array) -> None:
        """Add values, of which some may come twice, with the rows of each."""
        level = self.level
        if level or len(values) > CAP:
            kept = begins_with_zeros(hash_text(values), level) & (counts > 0)
            values, counts = values.filter(pa.array(kept)), counts[kept]
            places = values.dictionary_encode()  # equal values once, before any loop over them
            values = places.dictionary
            counts = np.bincount(places.indices.to_numpy(), weights=counts, minlength=len(values)).astype(np.int64)
            hashes = hash_text(values)
            level = max(level, level_for(np.sort(hashes), CAP))
            kept = begins_with_zeros(hashes, level)
            values, counts = values.filter(pa.array(kept)), counts[kept]
        found = zip(values.to_pylist(), counts.tolist(), strict=True)
        self._collect({value: count for value, count in found if count} if level else _sums(found))
        self._shrink(level)

    def _collect(self, more: dict[str, int]) -> None:
        for value, count in more.items():
            self.values[value] = self.values.get(value, 0) + count

    def _shrink(self, level: int) -> None:
        """Raise to `level`, or to the least above it at which at most CAP values are kept."""
        if level == self.level and len(self.values) <= CAP:
            return
        self.level = max(level, level_for(np.sort(_hashes(self.values)), CAP))
        self.values = _sampled(self.values, self.level)


def _hashes(values: dict[str, int]) -> Array:
    return hash_text(pa.array(list(values), type=pa.string()))


def _sampled(values: dict[str, int], level: int) -> dict[str, int]:
    """The values that a sketch of that level keeps."""
    kept = begins_with_zeros(_hashes(values), level).tolist()
    return {name: values[name] for name, stays in zip(values, kept, strict=True) if stays}


def _sums(found: Any) -> dict[str, int]:
    """Rows by value; a dictionary-encoded array may hold a value twice, or without any row."""
    total: dict[str, int] = {}
    for value, count in found:
        if count:
            total[value] = total.get(value, 0) + count
    return total


def _counted(values: pa.Array, *, sampled: bool) -> tuple[pa.Array, Array]:
    """Values with "" for null, and the rows of each. Where most values will not be kept (`sampled`) each row is
    left for itself: hashing a row costs less than finding its like."""
    if pa.types.is_dictionary(values.type):
        names = pa.concat_arrays(
            [pc.fill_null(values.dictionary, ""), pa.array([""], type=values.dictionary.type)]
        )
        places = pc.fill_null(pc.cast(values.indices, pa.int64()), len(names) - 1).to_numpy()
        return names, np.bincount(places, minlength=len(names))
    if not is_text(values.type):
        values = pc.cast(values, pa.string())
    values = pc.fill_null(values, "")
    if sampled:
        return values, np.ones(len(values), dtype=np.int64)
    found = pc.value_counts(values)
    return found.field(0), found.field(1).to_numpy()


def _shortened(values: pa.Array, lengths: Array) -> pa.Array:
    """The values as they are stored."""
    long = lengths > LONGEST
    if not long.any():
        return values
    stored = [_stored(value) for value in values.filter(pa.array(long)).to_pylist()]
    return pc.replace_with_mask(values, pa.array(long), pa.array(stored, type=values.type))


def _stored(value: str) -> str:
    return f"{value[:LONGEST]}… sha256:{hashlib.sha256(value.encode()).hexdigest()[:32]}"
