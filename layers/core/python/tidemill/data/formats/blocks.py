"""A block of rows: what every format is read as, one after the other, so that no file need fit into memory.

The readers of the formats make blocks; `tidemill.data.scan` reads them. Cells come as Arrow columns: `number` and
`integer` as float64, `category` as string, `timestamp` as timestamp[us, UTC]; missing cells are null.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.projects import Kind

Lines = NDArray[np.int64]

ARROW: Mapping[Kind, pa.DataType] = {
    Kind.NUMBER: pa.float64(),
    Kind.INTEGER: pa.float64(),
    Kind.CATEGORY: pa.string(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
}

NULLS = ("", "NA", "NaN", "nan", "null", "NULL")
"""The spellings of a missing cell in text."""

RAW_LIMIT = 4096
"""Characters of a faulty row's text that are kept."""


@dataclass(frozen=True)
class RowFault:
    """A row that breaks a rule or is no row: the line where it begins, the stable code, the column if it is one
    cell's fault, the sentence, the offending value (shortened), the text of the row (shortened)."""

    line: int
    code: str
    column: str | None
    reason: str
    value: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file.

    `batch` has the cells, typed by `kinds` (nested values, which have no kind, stay as they are); one that cannot
    be read as its kind is null there and marked in `unreadable` (column → boolean mask over the rows), with its
    text in `text` (column → string array). `lines` has the line (from 1) where each row begins, for Parquet the
    row's number. `faults` are rows that could not become cells, which `batch` therefore lacks. `raw(i)` is the
    text of row i as it stands in the file, without its line end."""

    batch: pa.RecordBatch
    kinds: Mapping[str, Kind]
    lines: Lines
    raw: Callable[[int], bytes]
    faults: Sequence[RowFault] = ()
    unreadable: Mapping[str, pa.BooleanArray] = field(default_factory=dict)
    text: Mapping[str, pa.StringArray] = field(default_factory=dict)


class Widened(Exception):
    """A column without a rule holds something that its kind, guessed so far, does not fit: read the file again,
    with these kinds."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        super().__init__(f"wider kinds: {dict(kinds)}")
        self.kinds = dict(kinds)
