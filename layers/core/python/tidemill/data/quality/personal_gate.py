"""Personal data in an upload: found while it is read, then refused or masked, as the project says.

An observer of the pass over an upload. It looks at all there is: every cell, also of rows that break rules, the
text of cells that are not what their column should be, rows that are no rows, names of columns. What it tells
never repeats a value.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.data.formats.blocks import Block
from tidemill.data.personal import Scanner, mask_batch
from tidemill.data.quality.faults import Fault
from tidemill.projects import Kind, Project

CODE = "personal_data"
NO_ROW = "rows that are no rows"
"""The column under which the text of such rows is looked at."""


class PersonalData:
    """Scans for personal data, unless the project allows it."""

    def __init__(self, project: Project) -> None:
        self._exceptions = {column: {"all"} for column in project.quality.personal_columns}
        self._wanted = project.quality.personal_data != "allow"
        self.scanner = Scanner(self._exceptions)
        self._rows = 0

    def restart(self) -> None:
        self.scanner, self._rows = Scanner(self._exceptions), 0

    def every(self, block: Block) -> None:
        """Look at all cells, and at what could not become cells."""
        if not self._wanted:
            return
        self.scanner.scan(block.batch, self._rows)
        if block.text:
            arrays = [text.filter(block.unreadable[name]) for name, text in block.text.items()]
            for name, array in zip(block.text, arrays, strict=True):
                self.scanner.scan(pa.RecordBatch.from_arrays([array], names=[name]), self._rows)
        if block.faults:
            raw = pa.array([fault.raw for fault in block.faults], pa.string())
            self.scanner.scan(pa.RecordBatch.from_arrays([raw], names=[NO_ROW]), self._rows)
        self._rows += block.batch.num_rows

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        """All rows were looked at before."""

    def merge(self, later: "PersonalData") -> None:
        """Take in what was found in what follows in the file."""
        self.scanner.merge(later.scanner, first_row=self._rows)
        self._rows += later._rows

    def to_json(self) -> dict[str, Any]:
        """`rows` that were looked at, and the `scanner`."""
        return {"rows": self._rows, "scanner": self.scanner.to_json()}

    @classmethod
    def from_json(cls, form: Mapping[str, Any], project: Project) -> "PersonalData":
        """What `to_json` wrote of a file of that project."""
        found = cls(project)
        found.scanner, found._rows = Scanner.from_json(form["scanner"], found._exceptions), form["rows"]
        return found

    def faults(self) -> list[Fault]:
        """What is certainly personal data, a fault for each column and kind."""
        self.scanner.finish()
        counts = self.scanner.counts()
        named = [found for found in self.scanner.findings() if found.row is None and found.severity == "certain"]
        for found in named:
            counts[found.column, found.kind] += 1
        return [
            Fault(
                CODE,
                column,
                f"column {column!r} holds personal data: {count} of kind {kind}; leave it out, or say in the"
                " project file (`quality`) that it is to be masked, or that this column may hold it",
                count,
            )
            for (column, kind), count in sorted(counts.items())
        ]

    def suspected(self) -> list[str]:
        """Columns whose names alone speak of persons."""
        findings = self.scanner.findings()
        return sorted({found.column for found in findings if found.severity == "suspected"})


def masked(blocks: Iterable[Block], bad_lines: NDArray[np.int64], scanner: Scanner) -> Iterator[pa.RecordBatch]:
    """The rows of a file that do not begin on `bad_lines`, with what the scanner found in the whole file masked: a
    token such as `[email]` in text, nothing in place of a number."""
    for block in blocks:
        keep = ~np.isin(block.lines, bad_lines)
        rows = block.batch if keep.all() else block.batch.filter(pa.array(keep))
        if rows.num_rows:
            yield mask_batch(rows, scanner)[0]
