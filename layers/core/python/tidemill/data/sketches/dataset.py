"""The sketch of a data set: one sketch per column, the rows, and which of them are duplicates.

Built in one pass over record batches, in memory that does not grow with them. It is a function of the multiset of
rows: batches of any size, and parts merged in any order, give the same JSON to the byte.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tidemill.data.sketches.categories import CategorySketch
from tidemill.data.sketches.distinct import DistinctSketch
from tidemill.data.sketches.hashing import BLOCK, hash_column, hash_rows, is_text
from tidemill.data.sketches.numeric import NumericSketch
from tidemill.data.sketches.packed import SketchInvalid
from tidemill.data.sketches.times import TimestampSketch
from tidemill.projects import Kind

Array = NDArray[Any]
Sketch = NumericSketch | CategorySketch | TimestampSketch
FORM = 1


def empty_sketch(kind: Kind) -> Sketch:
    """The sketch of a column of that kind, without rows."""
    if kind.numeric:
        return NumericSketch(kind)
    return CategorySketch() if kind is Kind.CATEGORY else TimestampSketch()


class DatasetSketch:
    """`columns` by name; `distinct`: the rows by their hashes over these columns."""

    def __init__(self) -> None:
        self.columns: dict[str, Sketch] = {}
        self.distinct = DistinctSketch()

    @property
    def rows(self) -> int:
        return self.distinct.rows

    def update(self, batch: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        """Add the batch's columns that `kinds` tells the kind of; others are left out, and do not tell rows apart.
        Columns are arrays as the sketch of their kind takes them; text becomes dictionary-encoded where that saves
        work. Raises SketchInvalid if a column was of another kind before."""
        prepared: dict[str, pa.Array] = {}
        for name in sorted(set(batch.schema.names) & set(kinds)):
            sketch = self._column(name, kinds[name])
            prepared[name] = _prepared(batch.column(name), sketch)
            sketch.update(prepared[name])
        self.distinct.update(_row_hashes(prepared, batch.num_rows))

    def merge(self, other: "DatasetSketch") -> None:
        """Add the rows of another sketch, which is left as it is. Raises SketchInvalid if a column is of another
        kind there, before anything is added."""
        for name in self.columns.keys() & other.columns.keys():
            self._column(name, other.columns[name].kind)
        for name, sketch in other.columns.items():
            self._column(name, sketch.kind).merge(sketch)  # type: ignore[arg-type]  # they are of one kind
        self.distinct.merge(other.distinct)

    def to_json(self) -> dict[str, Any]:
        """`{"form": 1, "rows": …, "distinct": …, "columns": {name: …}}`, the parts as their own `to_json` say. Its
        canonical JSON (`tidemill.canonical`) is the same to the byte for the same rows."""
        columns = {name: sketch.to_json() for name, sketch in sorted(self.columns.items())}
        return {"form": FORM, "rows": self.rows, "distinct": self.distinct.to_json(), "columns": columns}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> "DatasetSketch":
        """The sketch that `to_json` wrote. Raises SketchInvalid if it is of another form or not whole."""
        if form.get("form") != FORM:
            raise SketchInvalid(f"sketch of form {form.get('form')!r}, not {FORM}; build it again from the files")
        sketch = cls()
        try:
            for name, column in form["columns"].items():
                kind = type(empty_sketch(Kind(column["kind"])))
                sketch.columns[name] = kind.from_json(column)
            sketch.distinct = DistinctSketch.from_json(form["distinct"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise SketchInvalid(f"the sketch is damaged ({error!r}); build it again from the files") from error
        return sketch

    def _column(self, name: str, kind: Kind) -> Sketch:
        sketch = self.columns.setdefault(name, empty_sketch(kind))
        if sketch.kind is not kind:
            fault = f"column {name!r} is {kind.value} here and {sketch.kind.value} in the sketch"
            raise SketchInvalid(f"{fault}; build both sketches with the same kinds")
        return sketch


def _prepared(values: pa.Array, sketch: Sketch) -> pa.Array:
    """The column in the one form that both its sketch and its hashes are made from."""
    if isinstance(sketch, CategorySketch):
        if pa.types.is_dictionary(values.type):
            return values
        text = values if is_text(values.type) else pc.cast(values, pa.string())
        return text if sketch.level else text.dictionary_encode()
    return values


def row_hashes(batch: pa.RecordBatch, names: list[str]) -> Array:
    """Hashes, uint64, [rows], of the batch's rows over those columns: what a DistinctSketch of a key takes. Rows
    that lack all of them (null) hash as 0."""
    return _row_hashes({name: batch.column(name) for name in names}, batch.num_rows)


def _row_hashes(columns: Mapping[str, pa.Array], rows: int) -> Array:
    blocks = [
        hash_rows({name: hash_column(values.slice(start, BLOCK)) for name, values in columns.items()}, size)
        for start in range(0, rows, BLOCK)
        for size in [min(BLOCK, rows - start)]
    ]
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.uint64)
