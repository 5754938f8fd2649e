"""What the blocks of a file, or of a part of it, add up to: rows, faults, evidence, kinds, the order of its times.

`tidemill.data.scan` counts with it. Parts that are merged in their order give what one pass over the file gives:
nothing here depends on where blocks or parts are cut.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.data.formats.blocks import Block, RowFault
from tidemill.data.formats.line_set import LineSet
from tidemill.data.formats.uneven_rows import UnevenRows
from tidemill.data.quality.faults import PLACES, Tally
from tidemill.data.quality.row_rules import Rules, offences, row_faults
from tidemill.data.sketches.packed import gaps, pack, unpack, whole
from tidemill.projects import Kind

EVIDENCE_ROWS = 10_000
EVIDENCE_BYTES = 32 << 20


@dataclass
class Evidence:
    """Rows that break rules, by line, kept up to EVIDENCE_ROWS and EVIDENCE_BYTES; `lines`: of all of them."""

    rows: list[RowFault] = field(default_factory=list)
    lines: LineSet = field(default_factory=LineSet)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.rows) >= EVIDENCE_ROWS or self.size >= EVIDENCE_BYTES

    def keep(self, faults: Iterable[RowFault]) -> None:
        """Take in what follows by line."""
        for fault in () if self.full else faults:
            self.rows.append(fault)
            self.size += len(fault.raw) + len(fault.value)
            if self.full:
                return

    def merge(self, later: "Evidence") -> None:
        """Take in the evidence of what follows in the file."""
        self.keep(later.rows)
        self.lines.add(later.bad_lines())

    def bad_lines(self) -> NDArray[np.int64]:
        """The lines where bad rows begin, ascending."""
        return self.lines.ascending()

    def to_json(self) -> dict[str, Any]:
        """`{"rows": [[line, code, column, reason, value, raw], …], "lines": …}`, the lines packed (`packed`) as
        the first and the differences."""
        lines = pack(gaps(self.bad_lines().astype(np.uint64)))
        return {"rows": [list(astuple(fault)) for fault in self.rows], "lines": lines}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> "Evidence":
        """The evidence that `to_json` wrote."""
        evidence = cls()
        evidence.lines.add(whole(unpack(form["lines"])).astype(np.int64))
        evidence.keep(RowFault(*fault) for fault in form["rows"])
        return evidence


class Counted:
    """What the blocks so far add up to. `rows` follow the rules, `bad` do not; `columns` and `kinds` as the last
    block has them, `valued` the columns that have a value somewhere; `time_sorted`: whether the time column never
    goes back (None without one)."""

    def __init__(self, rules: Rules, time: str | None) -> None:
        self._rules, self._time = rules, time
        self.rows = self.bad = 0
        self.tally, self.evidence = Tally(), Evidence()
        self.time_sorted: bool | None = None if time is None else True
        self._first: int | None = None
        self._last: int | None = None
        self.columns: Sequence[str] = ()
        self.kinds: Mapping[str, Kind] = {}
        self.valued: set[str] = set()

    def see(self, block: Block) -> pa.RecordBatch:
        """Count the block; give its good rows."""
        self._columns_of(block)
        bad = np.zeros(block.batch.num_rows, dtype=bool)
        found = list(offences(block, self._rules))
        for offence in found:
            first = row_faults(block, offence, PLACES)
            self.tally.add(offence.code, offence.column, offence.reason, int(offence.rows.size), first)
            bad[offence.rows] = True
        no_rows = self._no_rows(block)
        if found or no_rows.size:
            each = (row_faults(block, offence, EVIDENCE_ROWS) for offence in found)
            self.evidence.keep(heapq.merge(block.faults, *each, key=lambda fault: fault.line))
            self.evidence.lines.add(block.lines[bad])
            self.evidence.lines.add(no_rows)
        spoiled = int(bad.sum())
        self.bad += spoiled + len(block.faults)
        self.rows += bad.size - spoiled
        good = block.batch.filter(pa.array(~bad)) if spoiled else block.batch
        self._follow_time(good)
        return good

    def merge(self, later: "Counted") -> None:
        """Take in what follows in the file."""
        self.rows += later.rows
        self.bad += later.bad
        self.tally.merge(later.tally)
        self.evidence.merge(later.evidence)
        if later._first is not None and self._last is not None and later._first < self._last:
            self.time_sorted = False
        self.time_sorted = self.time_sorted and later.time_sorted
        self._first = later._first if self._first is None else self._first
        self._last = self._last if later._last is None else later._last
        if later.columns:
            self.columns, self.kinds = later.columns, later.kinds
        self.valued |= later.valued

    def to_json(self) -> dict[str, Any]:
        """`rows`, `bad`, `tally`, `evidence`, `columns`, `kinds`, `valued`, and `time`: sorted, the first and the
        last moment in microseconds from 1970. It holds cells of the file."""
        return {
            "rows": self.rows,
            "bad": self.bad,
            "tally": self.tally.to_json(),
            "evidence": self.evidence.to_json(),
            "columns": list(self.columns),
            "kinds": {name: kind.value for name, kind in self.kinds.items()},
            "valued": sorted(self.valued),
            "time": [self.time_sorted, self._first, self._last],
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Any], rules: Rules, time: str | None) -> "Counted":
        """What `to_json` wrote of blocks that were counted under these rules."""
        counted = cls(rules, time)
        counted.rows, counted.bad = form["rows"], form["bad"]
        counted.tally, counted.evidence = Tally.from_json(form["tally"]), Evidence.from_json(form["evidence"])
        counted.columns, counted.valued = form["columns"], set(form["valued"])
        counted.kinds = {name: Kind(kind) for name, kind in form["kinds"].items()}
        counted.time_sorted, counted._first, counted._last = form["time"]
        return counted

    def _no_rows(self, block: Block) -> NDArray[np.int64]:
        """Count what could not become rows; the lines."""
        faults = block.faults
        if isinstance(faults, UnevenRows) and faults:
            first = faults[:PLACES]
            self.tally.add(first[0].code, None, first[0].reason, len(faults), first)
            return faults.lines
        for fault in faults:
            self.tally.add(fault.code, None, fault.reason, 1, [fault])
        return np.array([fault.line for fault in faults], np.int64)

    def _columns_of(self, block: Block) -> None:
        batch = block.batch
        self.columns, self.kinds = batch.schema.names, block.kinds
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in self.valued and (column.null_count < len(column) or name in block.unreadable):
                self.valued.add(name)

    def _follow_time(self, good: pa.RecordBatch) -> None:
        if not self.time_sorted or self._time not in good.schema.names:
            return
        times = good.column(self._time).drop_null().cast(pa.int64()).to_numpy()
        if times.size:
            before = times if self._last is None else np.concatenate(([self._last], times))
            self.time_sorted = bool(np.all(before[1:] >= before[:-1]))
            self._first = int(times[0]) if self._first is None else self._first
            self._last = int(times[-1])
