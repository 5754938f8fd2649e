"""One pass over an uploaded file: its digest, its rows held against the rules, and what observers see of them.

`take_in` calls it. The bytes are read once, in a stream; hashing runs beside parsing. Memory does not grow with
the file. Observers get the rows that follow the rules (sketches), or all there is (personal data).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.data.formats.blocks import Block, RowFault, Widened
from tidemill.data.formats.detect import Format
from tidemill.data.formats.line_set import LineSet
from tidemill.data.formats.open_file import open_file
from tidemill.data.formats.pipes import ahead
from tidemill.data.formats.uneven_rows import UnevenRows
from tidemill.data.quality.faults import PLACES, Fault, Tally
from tidemill.data.quality.row_rules import Offence, Rules, offences, row_faults
from tidemill.errors import UploadRejected
from tidemill.ports import ObjectStore
from tidemill.projects import Kind

EVIDENCE_ROWS = 10_000
EVIDENCE_BYTES = 32 << 20


class Observer(Protocol):
    """Something that looks at rows as they go by."""

    def restart(self) -> None:
        """The pass begins, or begins anew: forget what was seen."""

    def every(self, block: Block) -> None:
        """All rows, before the rules."""

    def good(self, rows: pa.RecordBatch, kinds: Mapping[str, Kind]) -> None:
        """The rows that follow the rules, and the kinds of their columns."""


@dataclass
class Evidence:
    """Rows that break rules, kept up to EVIDENCE_ROWS and EVIDENCE_BYTES, and the lines of all of them."""

    rows: list[RowFault] = field(default_factory=list)
    lines: LineSet = field(default_factory=LineSet)
    size: int = 0

    def keep(self, faults: Iterable[RowFault]) -> None:
        for fault in faults:
            if len(self.rows) >= EVIDENCE_ROWS or self.size >= EVIDENCE_BYTES:
                return
            self.rows.append(fault)
            self.size += len(fault.raw) + len(fault.value)

    def bad_lines(self) -> NDArray[np.int64]:
        """The lines where bad rows begin, ascending."""
        return self.lines.ascending()


@dataclass(frozen=True)
class Reading:
    """What a file holds. `rows` follow the rules, `bad` do not; `columns` in their order, `kinds` of those that
    have one (nested values do not); `faults` of its rows, the gravest first; `time_sorted`: whether the time
    column never goes back (None without one)."""

    sha256: str
    size: int
    form: Format
    rows: int
    bad: int
    columns: Sequence[str]
    kinds: Mapping[str, Kind]
    faults: Sequence[Fault]
    evidence: Evidence
    time_sorted: bool | None


def scan(
    objects: ObjectStore,
    key: str,
    *,
    version_id: str | None,
    size: int,
    rules: Rules,
    known: Mapping[str, Kind],
    time: str | None = None,
    observers: Sequence[Observer] = (),
) -> Reading:
    """Read the object. `known` are the kinds of columns without a rule, as earlier files showed them.

    Raises RecordNotFound, and UploadRejected for what is no table: the codes are in docs/data.md.
    """
    kinds = {**known, **rules.kinds}
    while True:
        for observer in observers:
            observer.restart()
        try:
            return _pass(objects, key, version_id, size, rules, kinds, time, observers)
        except Widened as wider:
            kinds = {**kinds, **wider.kinds}


def _pass(
    objects: ObjectStore,
    key: str,
    version_id: str | None,
    size: int,
    rules: Rules,
    kinds: Mapping[str, Kind],
    time: str | None,
    observers: Sequence[Observer],
) -> Reading:
    counted = _Counted(rules, time)
    with open_file(
        objects, key, version_id=version_id, size=size, kinds=kinds, rules=frozenset(rules.columns)
    ) as file:
        # Closed before the file is: what runs ahead must not be in the midst of its blocks then.
        with closing(ahead(file.blocks)) as blocks:
            for block in blocks:
                for observer in observers:
                    observer.every(block)
                good = counted.see(block)
                for observer in observers:
                    observer.good(good, block.kinds)
        digest = file.digest()
    if not counted.rows + counted.bad:
        raise UploadRejected("no_rows", "the file has a header and no rows; upload it with its data")
    return Reading(
        sha256=digest,
        size=size,
        form=file.form,
        rows=counted.rows,
        bad=counted.bad,
        columns=counted.columns,
        kinds=counted.kinds,
        faults=counted.tally.faults(counted.rows + counted.bad),
        evidence=counted.evidence,
        time_sorted=counted.time_sorted,
    )


class _Counted:
    """What the blocks so far add up to."""

    def __init__(self, rules: Rules, time: str | None) -> None:
        self._rules, self._time = rules, time
        self.rows = self.bad = 0
        self.tally, self.evidence = Tally(), Evidence()
        self.time_sorted: bool | None = None if time is None else True
        self._last: Any = None
        self.columns: Sequence[str] = ()
        self.kinds: Mapping[str, Kind] = {}

    def see(self, block: Block) -> pa.RecordBatch:
        """Count the block; give its good rows."""
        self.columns, self.kinds = block.batch.schema.names, block.kinds
        bad = np.zeros(block.batch.num_rows, dtype=bool)
        self._no_rows(block)
        for offence in offences(block, self._rules):
            self._offence(block, offence)
            bad[offence.rows] = True
        spoiled = int(bad.sum())
        self.bad += spoiled + len(block.faults)
        self.rows += bad.size - spoiled
        if spoiled:
            self.evidence.lines.add(block.lines[bad])
        good = block.batch.filter(pa.array(~bad)) if spoiled else block.batch
        self._follow_time(good)
        return good

    def _offence(self, block: Block, offence: Offence) -> None:
        first = list(row_faults(block, offence, PLACES))
        self.tally.add(offence.code, offence.column, offence.reason, int(offence.rows.size), first)
        left = EVIDENCE_ROWS - len(self.evidence.rows)
        self.evidence.keep(row_faults(block, offence, left))

    def _no_rows(self, block: Block) -> None:
        """Count what could not become rows."""
        if not block.faults:
            return
        if isinstance(block.faults, UnevenRows):
            first = block.faults[:PLACES]
            self.tally.add(first[0].code, None, first[0].reason, len(block.faults), first)
            self.evidence.lines.add(block.faults.lines)
        else:
            for fault in block.faults:
                self.tally.add(fault.code, None, fault.reason, 1, [fault])
            self.evidence.lines.add(np.array([fault.line for fault in block.faults], np.int64))
        self.evidence.keep(block.faults)

    def _follow_time(self, good: pa.RecordBatch) -> None:
        if not self.time_sorted or self._time not in good.schema.names:
            return
        times = good.column(self._time).drop_null().cast(pa.int64()).to_numpy()
        if times.size:
            before = times if self._last is None else np.concatenate(([self._last], times))
            self.time_sorted = bool(np.all(before[1:] >= before[:-1]))
            self._last = times[-1]
